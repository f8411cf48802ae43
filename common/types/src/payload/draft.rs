//! The unparsed payload of a request to sign.

use std::fmt;

use serde::Deserialize;

use super::{Connection, Enrollment, SignPayload, StatementPolicy};
use crate::strict_json::Object;
use crate::{FieldError, UnixTime};

/// A payload as it arrived. The members and their JSON types are right, but their texts are not
/// checked.
#[derive(Clone)]
pub enum Draft {
    /// The text of a connection statement.
    Connection(ConnectionDraft),
    /// The text of an enrollment statement.
    Enrollment(EnrollmentDraft),
}

/// The JSON is not an object, has an unknown `type`, or has a member that is missing, unknown or of
/// another JSON type.
///
/// This error says no more, because the JSON parser's own message quotes the payload, which must
/// not reach a log.
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
    /// The caller must have checked that `json` has no duplicate keys
    /// ([`crate::strict_json::check`]).
    pub fn from_json(json: &str) -> Result<Self, MalformedDraft> {
        // Each shape names its own `type`, so at most one shape fits.
        if let Ok(Object(draft)) = serde_json::from_str(json) {
            return Ok(Self::Connection(draft));
        }
        let Object(draft) = serde_json::from_str(json)?;
        Ok(Self::Enrollment(draft))
    }

    /// Parses the fields in the protocol's order of checks.
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

/// The text of a connection statement.
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

/// The text of an enrollment statement.
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
