//! What handlers take from a request: whose it is, and its body.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts},
    http::{
        HeaderMap, Request,
        header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
        request::Parts,
    },
};
use device_key_types::{
    AccountUserId,
    strict_json::{self, Object},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{House, refusal::HttpRefusal};
use crate::AccessToken;

/// Of a request's body. The identity of a TPM with a long certificate chain takes half of it.
const MAX_BODY_BYTES: usize = 64 * 1024;
const SCHEME: &[u8] = b"Bearer";
const JSON: &str = "application/json";

/// The account whose access token came with the request.
pub(super) struct Authenticated(pub(super) AccountUserId);

impl FromRequestParts<Arc<House>> for Authenticated {
    type Rejection = HttpRefusal;

    async fn from_request_parts(
        parts: &mut Parts,
        house: &Arc<House>,
    ) -> Result<Self, HttpRefusal> {
        let token = bearer(&parts.headers).and_then(AccessToken::from_bytes);
        let token = token.ok_or(HttpRefusal::AccessToken)?;
        let account = house.accounts.account(&token).await?;
        account.map(Self).ok_or(HttpRefusal::AccessToken)
    }
}

/// A body that is one strict JSON object.
pub(super) struct StrictJson<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<House>> for StrictJson<T> {
    type Rejection = HttpRefusal;

    async fn from_request(request: Request<Body>, house: &Arc<House>) -> Result<Self, HttpRefusal> {
        // A page can make a browser send anything else without asking first.
        if !only(request.headers(), &CONTENT_TYPE).is_some_and(is_json) {
            return Err(HttpRefusal::MediaType);
        }
        let deadline = house.relying_party.limits().request_deadline / 2;
        let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
        let body = timeout(deadline, body).await.map_err(|_| HttpRefusal::SlowBody)?;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => HttpRefusal::TooLarge,
            // The client is gone, or its chunks are broken.
            None => HttpRefusal::Malformed,
        })?;
        let body = body.to_bytes();
        let text = std::str::from_utf8(&body).map_err(|_| HttpRefusal::Malformed)?;
        strict_json::check(text).map_err(|_| HttpRefusal::Malformed)?;
        let Object(value) = serde_json::from_str(text).map_err(|_| HttpRefusal::Malformed)?;
        Ok(Self(value))
    }
}

/// The credentials behind the scheme, whose case does not matter (RFC 9110 section 11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) =
        only(headers, &AUTHORIZATION)?.as_bytes().split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
}

/// The value of a header that is there once.
pub(super) fn only<'a>(headers: &'a HeaderMap, header: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(header).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Parameters, such as a character set, do not matter: JSON is UTF-8 (RFC 8259 section 8.1).
fn is_json(value: &HeaderValue) -> bool {
    let media_type = value.to_str().ok().and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(JSON))
}
