use std::fmt;

use crate::Reason;

/// A field of a request that can be refused, named as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The key id beside a payload.
    KeyId,
    /// The account; at the top of `create`, inside the payload of `sign`.
    AccountUserId,
    /// The client, as above.
    ClientId,
    /// The backend's nonce.
    Nonce,
    /// The session that a connection opens.
    SessionId,
    /// The challenge that an enrollment answers.
    ChallengeId,
    /// The backend's origin.
    TargetOrigin,
    /// The backend's path.
    TargetPath,
    /// Digest of the connection's token.
    TokenSha256,
    /// Digest of the device identity.
    DeviceIdentitySha256,
    /// Scopes of the connection.
    Scopes,
    /// Expiry of the connection's token.
    TokenExpiresAt,
    /// Expiry of the enrollment challenge.
    ChallengeExpiresAt,
    /// What a backend encrypted for a TPM to open.
    CredentialBlob,
    /// The seed of the same.
    EncryptedSecret,
    /// Where a page of a list begins.
    Cursor,
    /// How long a page of a list is.
    Limit,
}

impl Field {
    /// The field's name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyId => "keyId",
            Self::AccountUserId => "accountUserId",
            Self::ClientId => "clientId",
            Self::Nonce => "nonce",
            Self::SessionId => "sessionId",
            Self::ChallengeId => "challengeId",
            Self::TargetOrigin => "targetOrigin",
            Self::TargetPath => "targetPath",
            Self::TokenSha256 => "tokenSha256Base64url",
            Self::DeviceIdentitySha256 => "deviceIdentitySha256Base64url",
            Self::Scopes => "scopes",
            Self::TokenExpiresAt => "tokenExpiresAt",
            Self::ChallengeExpiresAt => "challengeExpiresAt",
            Self::CredentialBlob => "credentialBlob",
            Self::EncryptedSecret => "encryptedSecret",
            Self::Cursor => "cursor",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// Which field.
    pub field: Field,
    /// Why.
    pub reason: Reason,
}

/// Names the field that a value was parsed for.
pub(crate) trait InField<T> {
    fn in_field(self, field: Field) -> Result<T, FieldError>;
}

impl<T> InField<T> for Result<T, Reason> {
    fn in_field(self, field: Field) -> Result<T, FieldError> {
        self.map_err(|reason| FieldError { field, reason })
    }
}
