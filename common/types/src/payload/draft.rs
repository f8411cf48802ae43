use std::fmt;

use serde::Deserialize;

use super::{Connection, Enrollment, SignPayload, StatementPolicy};
use crate::{FieldError, UnixTime, strict_json::Object};

/// A payload as it came: the right members with the right JSON types, and nothing known about the
/// texts in them. This is the one place where a wire type stands beside the domain type.
#[derive(Clone)]
pub enum Draft {
    /// Text of a connection statement.
    Connection(ConnectionDraft),
    /// Text of an enrollment statement.
    Enrollment(EnrollmentDraft),
}

/// Not an object, an unknown `type`, or a member that is missing, unknown or of another JSON type.
///
/// It does not say more: the parser's own words quote the payload, which must not reach a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload does not have the shape of a statement")]
pub struct MalformedDraft;

impl From<serde_json::Error> for MalformedDraft {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

impl Draft {
    /// Reads one payload object.
    ///
    /// `json` must already be known to have no duplicate keys ([`crate::strict_json::check`]).
    pub fn from_json(json: &str) -> Result<Self, MalformedDraft> {
        // Each shape names its own `type`, so at most one of them fits.
        if let Ok(Object(draft)) = serde_json::from_str(json) {
            return Ok(Self::Connection(draft));
        }
        let Object(draft) = serde_json::from_str(json)?;
        Ok(Self::Enrollment(draft))
    }

    /// Parses each field in the protocol's order of checks.
    pub fn parse(&self, policy: &impl StatementPolicy) -> Result<SignPayload, FieldError> {
        match self {
            Self::Connection(draft) => {
                Connection::parse(draft, policy).map(SignPayload::Connection)
            }
            Self::Enrollment(draft) => {
                Enrollment::parse(draft, policy).map(SignPayload::Enrollment)
            }
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft(…)")
    }
}

#[derive(Clone, Copy, Deserialize)]
enum ConnectionType {
    #[serde(rename = "remoteControlClientConnection")]
    Connection,
}

#[derive(Clone, Copy, Deserialize)]
enum ConnectionAudience {
    #[serde(rename = "remote_control_client_websocket")]
    Websocket,
}

#[derive(Clone, Copy, Deserialize)]
enum EnrollmentType {
    #[serde(rename = "remoteControlClientEnrollment")]
    Enrollment,
}

#[derive(Clone, Copy, Deserialize)]
enum EnrollmentAudience {
    #[serde(rename = "remote_control_client_enrollment")]
    Enrollment,
}

/// Text of a connection statement.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionDraft {
    #[serde(rename = "type")]
    _type: ConnectionType,
    #[serde(rename = "audience")]
    _audience: ConnectionAudience,
    pub(super) nonce: String,
    pub(super) session_id: String,
    pub(super) target_origin: String,
    pub(super) target_path: String,
    pub(super) account_user_id: String,
    pub(super) client_id: String,
    #[serde(rename = "tokenSha256Base64url")]
    pub(super) token_sha256: String,
    pub(super) scopes: Vec<String>,
    pub(super) token_expires_at: UnixTime,
}

/// Text of an enrollment statement.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrollmentDraft {
    #[serde(rename = "type")]
    _type: EnrollmentType,
    #[serde(rename = "audience")]
    _audience: EnrollmentAudience,
    pub(super) nonce: String,
    pub(super) challenge_id: String,
    pub(super) target_origin: String,
    pub(super) target_path: String,
    pub(super) account_user_id: String,
    pub(super) client_id: String,
    #[serde(rename = "deviceIdentitySha256Base64url")]
    pub(super) device_identity_sha256: String,
    pub(super) challenge_expires_at: UnixTime,
}

macro_rules! redacted_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
redacted_debug!(ConnectionDraft, EnrollmentDraft);
