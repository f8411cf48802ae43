//! Why the relying party refuses a request.

use device_key_types::{Field, FieldError, Reason};
use device_key_verifier::attestation::{AttestationError, CredentialError};
use thiserror::Error;

use crate::registry::device::DeviceKind;
use crate::registry::error::RegistryError;

/// Why the relying party refused a request or failed. Programs match the variant or
/// [`reason`](Self::reason). The texts contain nothing that a client sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelyingPartyError {
    /// A value of the request is invalid.
    #[error("{field}: {reason}")]
    Value {
        /// The JSON member or the header.
        field: &'static str,
        /// The code of what is wrong with the value.
        reason: &'static str,
    },
    /// The account has no such open challenge: the challenge never existed, is answered, has
    /// expired, or belongs to another account.
    #[error("there is no such open challenge")]
    ChallengeUnknown,
    /// The connection token cannot be used: it never existed, is used, has expired, or was deleted
    /// when its device was revoked.
    #[error("the connection token is not valid")]
    TokenRefused,
    /// The proof was refused. Its challenge is closed.
    #[error(transparent)]
    Proof(#[from] device_key_verifier::ProofError),
    /// The attestation was refused. If the client was finishing the attestation, the challenge is
    /// closed.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// This relying party does not ask for attestations.
    #[error("this relying party does not ask for attestations")]
    AttestationNotAsked,
    /// The policy requires an attestation, and the client sent none.
    #[error("the device must be attested")]
    AttestationRequired,
    /// The client began an attestation and did not send its second half.
    #[error("the attestation that was begun is not finished")]
    AttestationUnfinished,
    /// The client sent the second half of an attestation that it did not begin.
    #[error("no attestation was begun for this challenge")]
    AttestationNotBegun,
    /// The client has already sent the first half of an attestation for this challenge.
    #[error("an attestation was begun for this challenge already")]
    AttestationBegun,
    /// The attestation is about another key than the key to enroll.
    #[error("the attestation is about another key")]
    AttestationOfAnotherKey,
    /// The policy does not accept devices of the verified kind.
    #[error("a device of kind {0} is not accepted")]
    KindNotAccepted(DeviceKind),
    /// The account has no such device.
    #[error("there is no such device")]
    DeviceUnknown,
    /// The device was revoked.
    #[error("the device was revoked")]
    DeviceRevoked,
    /// The store refused the record (a quota, a key that is enrolled already) or cannot be used.
    #[error(transparent)]
    Registry(RegistryError),
    /// The relying party itself failed.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RelyingPartyError {
    /// The stable code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Value { reason, .. } => reason,
            Self::ChallengeUnknown => "challenge_unknown",
            Self::TokenRefused => "connection_token_refused",
            Self::Proof(error) => error.reason(),
            Self::Attestation(error) => error.reason(),
            Self::AttestationNotAsked => "attestation_not_asked",
            Self::AttestationRequired => "attestation_required",
            Self::AttestationUnfinished => "attestation_unfinished",
            Self::AttestationNotBegun => "attestation_not_begun",
            Self::AttestationBegun => "attestation_begun",
            Self::AttestationOfAnotherKey => "attestation_of_another_key",
            Self::KindNotAccepted(_) => "kind_not_accepted",
            Self::DeviceUnknown => "device_unknown",
            Self::DeviceRevoked => "device_revoked",
            Self::Registry(error) => error.reason(),
            Self::Internal(_) => "internal",
        }
    }

    /// The field that was refused, if the error is about a single field.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Value { field, .. } => Some(field),
            Self::Proof(error) => error.field().map(Field::as_str),
            Self::Attestation(error) => error.field().map(Field::as_str),
            _ => None,
        }
    }

    pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// Returns a function that turns the reason why this field is invalid into an error.
    pub(crate) fn in_field(field: Field) -> impl Fn(Reason) -> Self {
        move |reason| FieldError { field, reason }.into()
    }
}

impl From<FieldError> for RelyingPartyError {
    fn from(error: FieldError) -> Self {
        Self::Value { field: error.field.as_str(), reason: error.reason.as_str() }
    }
}

impl From<RegistryError> for RelyingPartyError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Revoked => Self::DeviceRevoked,
            error => Self::Registry(error),
        }
    }
}

impl From<CredentialError> for RelyingPartyError {
    fn from(error: CredentialError) -> Self {
        Self::internal(error)
    }
}
