//! Extracts from a request what handlers need: the account that sends it, and its JSON body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use device_key_types::AccountUserId;
use device_key_types::strict_json::{self, Object};
use device_key_websocket::{bearer, single};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::refusal::HttpRefusal;
use super::state::HttpState;
use crate::accounts::AccessToken;

/// The most bytes of a request's body. The identity of a TPM with a long certificate chain takes
/// half of it.
const MAX_BODY_BYTES: usize = 64 * 1024;
const JSON: &str = "application/json";

/// The account whose access token is in the request's `Authorization` header.
pub(super) struct Authenticated(pub(super) AccountUserId);

impl FromRequestParts<Arc<HttpState>> for Authenticated {
    type Rejection = HttpRefusal;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<HttpState>,
    ) -> Result<Self, HttpRefusal> {
        let token = bearer(&parts.headers).and_then(AccessToken::from_bytes);
        let token = token.ok_or(HttpRefusal::AccessToken)?;
        let account = state.accounts.account(&token).await?;
        account.map(Self).ok_or(HttpRefusal::AccessToken)
    }
}

/// The body, which must be one strict JSON object.
pub(super) struct StrictJson<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<HttpState>> for StrictJson<T> {
    type Rejection = HttpRefusal;

    async fn from_request(
        request: Request<Body>,
        state: &Arc<HttpState>,
    ) -> Result<Self, HttpRefusal> {
        // A page can make a browser send any other media type without a preflight request.
        if !single(request.headers(), &CONTENT_TYPE).is_some_and(is_json) {
            return Err(HttpRefusal::MediaType);
        }
        let deadline = state.relying_party.limits().request_deadline / 2;
        let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
        let body = timeout(deadline, body).await.map_err(|_| HttpRefusal::SlowBody)?;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => HttpRefusal::TooLarge,
            // The client is gone, or its chunks are malformed.
            None => HttpRefusal::Malformed,
        })?;
        let body = body.to_bytes();
        let text = std::str::from_utf8(&body).map_err(|_| HttpRefusal::Malformed)?;
        strict_json::check(text).map_err(|_| HttpRefusal::Malformed)?;
        let Object(value) = serde_json::from_str(text).map_err(|_| HttpRefusal::Malformed)?;
        Ok(Self(value))
    }
}

/// Parameters such as a character set are ignored, because JSON is UTF-8 (RFC 8259 section 8.1).
fn is_json(value: &HeaderValue) -> bool {
    let media_type = value.to_str().ok().and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(JSON))
}
