//! The fields of a request that can be refused.

use std::fmt;

use crate::Reason;

/// A field of a request that can be refused, named as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The key id beside a payload.
    KeyId,
    /// The account, which stands at the top of `create` and inside the payload of `sign`.
    AccountUserId,
    /// The client, which stands beside the account.
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
    /// Digest of the device's identity.
    DeviceIdentitySha256,
    /// Scopes of the connection.
    Scopes,
    /// Expiry of the connection's token.
    TokenExpiresAt,
    /// Expiry of the enrollment challenge.
    ChallengeExpiresAt,
    /// The secret that a backend encrypted for a TPM.
    CredentialBlob,
    /// The seed from which the key of the encrypted secret is derived.
    EncryptedSecret,
    /// The cursor at which a page of a list begins.
    Cursor,
    /// The length of a page of a list.
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
    /// The field.
    pub field: Field,
    /// Why the field was refused.
    pub reason: Reason,
}

/// Adds the name of the parsed field to an error.
pub(crate) trait InField<T> {
    fn in_field(self, field: Field) -> Result<T, FieldError>;
}

impl<T> InField<T> for Result<T, Reason> {
    fn in_field(self, field: Field) -> Result<T, FieldError> {
        self.map_err(|reason| FieldError { field, reason })
    }
}
