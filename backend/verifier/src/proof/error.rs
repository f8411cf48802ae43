//! Why a proof is refused.

use device_key_types::payload::Statement;
use device_key_types::{Field, FieldError, InvalidPublicKey, InvalidSignature};

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// There are more signed bytes than a statement can have ([`crate::MAX_SIGNED_BYTES`]).
    #[error("the signed bytes are longer than any statement")]
    TooLarge,
    /// The public key is not a P-256 key in its only accepted encoding.
    #[error(transparent)]
    InvalidPublicKey(#[from] InvalidPublicKey),
    /// The signature is not strict DER, or this key did not make it over these bytes.
    #[error("the signature does not verify")]
    InvalidSignature,
    /// The signed bytes are not one JSON object of domain and payload without duplicate or unknown
    /// members, or the payload does not have the shape of a statement.
    #[error("the signed bytes do not have the shape of a statement")]
    MalformedStatement,
    /// The domain is not [`device_key_types::payload::SIGNING_DOMAIN`].
    #[error("the signed bytes are of another domain")]
    WrongDomain,
    /// The statement is well formed, but it is not written in canonical form (RFC 8785).
    #[error("the signed bytes are not in canonical form")]
    NotCanonical,
    /// The key signed another kind of statement than the challenge asked for.
    #[error("a statement of another kind was signed: {}", .0.as_str())]
    WrongStatement(Statement),
    /// The value of a field is invalid, or the expiry is in the past or too far in the future.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The first field, in the protocol's order, whose value differs from the expected value.
    #[error("{0} does not have the expected value")]
    Mismatch(Field),
}

impl ProofError {
    /// The stable code. The code of [`Self::Field`] is the code of its
    /// [`Reason`](device_key_types::Reason).
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge => "proof_too_large",
            Self::InvalidPublicKey(_) => "invalid_public_key",
            Self::InvalidSignature => "invalid_signature",
            Self::MalformedStatement => "malformed_statement",
            Self::WrongDomain => "wrong_domain",
            Self::NotCanonical => "not_canonical",
            Self::WrongStatement(_) => "wrong_statement",
            Self::Field(error) => error.reason.as_str(),
            Self::Mismatch(_) => "field_mismatch",
        }
    }

    /// The field that was refused, if the error is about a single field.
    pub const fn field(&self) -> Option<Field> {
        match self {
            Self::Field(error) => Some(error.field),
            Self::Mismatch(field) => Some(*field),
            _ => None,
        }
    }
}

impl From<InvalidSignature> for ProofError {
    fn from(_: InvalidSignature) -> Self {
        Self::InvalidSignature
    }
}
