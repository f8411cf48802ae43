use device_key_types::{Field, FieldError, InvalidPublicKey, InvalidSignature, payload::Statement};

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// More signed bytes than a statement can have ([`crate::MAX_SIGNED_BYTES`]).
    #[error("the signed bytes are longer than any statement")]
    TooLarge,
    /// The public key is not one of P-256 in its only spelling.
    #[error(transparent)]
    InvalidPublicKey(#[from] InvalidPublicKey),
    /// The signature is not strict DER, or not this key's over these bytes.
    #[error("the signature does not verify")]
    InvalidSignature,
    /// What was signed is not one JSON object of domain and payload, without duplicate or unknown
    /// members, whose payload has the shape of a statement.
    #[error("the signed bytes do not have the shape of a statement")]
    MalformedStatement,
    /// What was signed belongs to another domain than [`device_key_types::payload::SIGNING_DOMAIN`].
    #[error("the signed bytes are of another domain")]
    WrongDomain,
    /// The statement is a good one, in another spelling than the canonical one (RFC 8785).
    #[error("the signed bytes are not in canonical form")]
    NotCanonical,
    /// A statement of another kind than the one that was challenged.
    #[error("a statement of another kind was signed: {}", .0.as_str())]
    WrongStatement(Statement),
    /// A field is not valid in itself, or the expiry is not in the future or too far in it.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The first field, in the protocol's order, that differs from the expected one.
    #[error("{0} is not the expected one")]
    Mismatch(Field),
}

impl Refusal {
    /// The stable code. That of [`Self::Field`] is the [`device_key_types::Reason`]'s.
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

    /// The field that was refused, if it was one field.
    pub const fn field(&self) -> Option<Field> {
        match self {
            Self::Field(error) => Some(error.field),
            Self::Mismatch(field) => Some(*field),
            _ => None,
        }
    }
}

impl From<InvalidSignature> for Refusal {
    fn from(_: InvalidSignature) -> Self {
        Self::InvalidSignature
    }
}
