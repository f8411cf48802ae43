use device_key_types::{Field, FieldError, Reason};
use device_key_verifier::attestation::{AttestationError, CredentialError};
use thiserror::Error;

use crate::registry::{device::DeviceKind, error::RegistryError};

/// Why a relying party did not do what it was asked. Programs match the variant or
/// [`reason`](Self::reason). The texts hold nothing of what was sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelyingPartyError {
    /// A value of the request is not one.
    #[error("{field}: {reason}")]
    Value {
        /// The member or header.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No such challenge: it never was, is answered, has expired, or is another account's.
    #[error("there is no such open challenge")]
    ChallengeUnknown,
    /// No such connection token: it never was, is used, has expired, or was taken back.
    #[error("the connection token is not good")]
    TokenRefused,
    /// The proof was refused. The challenge that it answered is closed.
    #[error(transparent)]
    Proof(#[from] device_key_verifier::ProofError),
    /// The attestation was refused. One that was to be finished has closed its challenge.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// Attestations are not asked for here.
    #[error("no attestation is asked for")]
    AttestationNotAsked,
    /// A device must be attested.
    #[error("the device must be attested")]
    AttestationRequired,
    /// The attestation was begun and is missing its second half.
    #[error("the attestation that was begun is not finished")]
    AttestationUnfinished,
    /// The second half of an attestation that was not begun.
    #[error("no attestation was begun for this challenge")]
    AttestationNotBegun,
    /// The challenge has the first half of an attestation already.
    #[error("an attestation was begun for this challenge already")]
    AttestationBegun,
    /// The attestation is about another key than the one that is enrolled.
    #[error("the attestation is about another key")]
    AttestationOfAnotherKey,
    /// What was verified is not accepted here.
    #[error("a device of kind {0} is not accepted")]
    KindNotAccepted(DeviceKind),
    /// The account has no such device.
    #[error("there is no such device")]
    DeviceUnknown,
    /// The device was revoked.
    #[error("the device was revoked")]
    DeviceRevoked,
    /// The store: a quota, a key that is taken, or that it cannot be used.
    #[error(transparent)]
    Registry(RegistryError),
    /// A fault of ours.
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
            Self::Proof(refusal) => refusal.reason(),
            Self::Attestation(refusal) => refusal.reason(),
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

    /// The field that was refused, if it was one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Value { field, .. } => Some(field),
            Self::Proof(refusal) => refusal.field().map(Field::as_str),
            Self::Attestation(refusal) => refusal.field().map(Field::as_str),
            _ => None,
        }
    }

    pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// For a value of this field.
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
