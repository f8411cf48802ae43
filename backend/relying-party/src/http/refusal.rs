//! Why an HTTP request is refused, and the answer that the client gets.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use device_key_types::ErrorChain;
use device_key_websocket::{HandshakeError, upgrade_required_headers};
use serde::Serialize;
use thiserror::Error;
use tracing::warn;

use super::wire;
use crate::accounts::AccountsUnavailable;
use crate::error::RelyingPartyError;
use crate::registry::error::RegistryError;

/// Why a request is refused: the relying party's reasons, and the reasons that only HTTP has.
#[derive(Debug, Error)]
pub(super) enum HttpRefusal {
    #[error(transparent)]
    RelyingParty(#[from] RelyingPartyError),
    /// The outcome of a probe, which several clients get.
    #[error(transparent)]
    Unready(Arc<RelyingPartyError>),
    /// The body is not one strict JSON object with the members of this request.
    #[error("the body does not have the shape that this request needs")]
    Malformed,
    #[error("the body is too long")]
    TooLarge,
    #[error("the content type is not application/json")]
    MediaType,
    /// The access token is missing, repeated or unknown.
    #[error("the access token is missing, repeated or unknown")]
    AccessToken,
    #[error(transparent)]
    Accounts(#[from] AccountsUnavailable),
    #[error("there is no resource under this path")]
    NotFound,
    #[error("the resource does not have this method")]
    Method,
    #[error("the body took too long")]
    SlowBody,
    #[error("the request took too long")]
    Timeout,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("there is no room for another connection")]
    Overloaded,
    #[error("the service is stopping")]
    Stopping,
}

/// The reason of a refusal, for the layer that logs requests.
#[derive(Clone, Copy)]
pub(super) struct LoggedReason(pub(super) &'static str);

impl HttpRefusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::RelyingParty(refusal) => status(refusal),
            Self::Unready(refusal) => status(refusal),
            Self::Malformed | Self::Handshake(HandshakeError::Malformed) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::AccessToken => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Handshake(HandshakeError::UpgradeRequired) => StatusCode::UPGRADE_REQUIRED,
            Self::Accounts(_) | Self::Timeout | Self::Overloaded | Self::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::RelyingParty(refusal) => refusal.reason(),
            Self::Unready(refusal) => refusal.reason(),
            Self::Malformed => "invalid_request",
            Self::TooLarge => "body_too_large",
            Self::MediaType => "unsupported_media_type",
            Self::AccessToken => "access_token_refused",
            Self::Accounts(_) => "accounts_unavailable",
            Self::NotFound => "not_found",
            Self::Method => "method_not_allowed",
            Self::SlowBody => "body_timeout",
            Self::Timeout => "timeout",
            Self::Handshake(HandshakeError::UpgradeRequired) => "upgrade_required",
            Self::Handshake(HandshakeError::Malformed) => "invalid_handshake",
            Self::Overloaded => "overloaded",
            Self::Stopping => "shutting_down",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::RelyingParty(refusal) => refusal.field(),
            _ => None,
        }
    }
}

const fn status(refusal: &RelyingPartyError) -> StatusCode {
    match refusal {
        RelyingPartyError::Value { .. } => StatusCode::BAD_REQUEST,
        RelyingPartyError::TokenRefused => StatusCode::UNAUTHORIZED,
        RelyingPartyError::ChallengeUnknown | RelyingPartyError::DeviceUnknown => {
            StatusCode::NOT_FOUND
        }
        RelyingPartyError::AttestationBegun
        | RelyingPartyError::Registry(RegistryError::AlreadyEnrolled) => StatusCode::CONFLICT,
        RelyingPartyError::Registry(RegistryError::QuotaExceeded) => StatusCode::TOO_MANY_REQUESTS,
        RelyingPartyError::Registry(_) => StatusCode::SERVICE_UNAVAILABLE,
        RelyingPartyError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        RelyingPartyError::Proof(_)
        | RelyingPartyError::Attestation(_)
        | RelyingPartyError::AttestationNotAsked
        | RelyingPartyError::AttestationRequired
        | RelyingPartyError::AttestationUnfinished
        | RelyingPartyError::AttestationNotBegun
        | RelyingPartyError::AttestationOfAnotherKey
        | RelyingPartyError::KindNotAccepted(_)
        | RelyingPartyError::DeviceRevoked => StatusCode::FORBIDDEN,
    }
}

#[derive(Serialize)]
struct ErrorBody {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl IntoResponse for HttpRefusal {
    fn into_response(self) -> Response<Body> {
        let (status, reason) = (self.status(), self.reason());
        if status.is_server_error() {
            warn!(reason, cause = %ErrorChain(&self), "a request failed");
        }
        let mut response = wire::json(status, &ErrorBody { reason, field: self.field() });
        response.extensions_mut().insert(LoggedReason(reason));
        let headers = response.headers_mut();
        match self {
            Self::AccessToken | Self::RelyingParty(RelyingPartyError::TokenRefused) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Handshake(HandshakeError::UpgradeRequired) => {
                headers.extend(upgrade_required_headers());
            }
            _ => {}
        }
        response
    }
}
