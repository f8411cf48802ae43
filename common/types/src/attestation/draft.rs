//! The unparsed challenge of a backend for an attestation.

use std::fmt;

use serde::Deserialize;

use super::Challenge;
use crate::payload::{MalformedDraft, StatementPolicy};
use crate::strict_json::Object;
use crate::{FieldError, UnixTime};

#[derive(Clone, Copy, Deserialize)]
enum Type {
    #[serde(rename = "remoteControlClientAttestation")]
    Attestation,
}

#[derive(Clone, Copy, Deserialize)]
enum Audience {
    #[serde(rename = "remote_control_client_attestation")]
    Attestation,
}

/// A challenge as it arrived. The members and their JSON types are right, but their texts are not
/// checked.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    #[serde(rename = "type")]
    _type: Type,
    #[serde(rename = "audience")]
    _audience: Audience,
    pub(super) nonce: String,
    pub(super) challenge_id: String,
    pub(super) target_origin: String,
    pub(super) target_path: String,
    pub(super) account_user_id: String,
    pub(super) client_id: String,
    pub(super) challenge_expires_at: UnixTime,
}

impl Draft {
    /// Reads one challenge object.
    ///
    /// The caller must have checked that `json` has no duplicate keys
    /// ([`crate::strict_json::check`]).
    pub fn from_json(json: &str) -> Result<Self, MalformedDraft> {
        let Object(draft) = serde_json::from_str(json)?;
        Ok(draft)
    }

    /// Parses the fields in the protocol's order of checks.
    pub fn parse(&self, policy: &impl StatementPolicy) -> Result<Challenge, FieldError> {
        Challenge::parse(self, policy)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft(…)")
    }
}
