//! Why an operation of the provider failed.

use device_key::{ProviderError, ProviderErrorKind};
use device_key_private_fs::{InvalidFileName, PrivateFsError};
use device_key_types::{InvalidPublicKey, InvalidSignature, OsProtectionCondition};
use device_key_wrapping::{UnwrapError, WrapError};

/// Why an operation failed. It becomes the source of a [`ProviderError`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    #[error("the condition {condition} does not hold: {found}")]
    Condition { condition: OsProtectionCondition, found: String },
    #[error("the condition {0} did not hold when it was last checked")]
    Recorded(OsProtectionCondition),
    #[error("the condition {condition} has to be checked again: {found}")]
    NotChecked { condition: OsProtectionCondition, found: String },
    #[error("no check has found out yet whether the conditions hold")]
    NeverChecked,
    #[error("the key file does not exist any more")]
    NoKeyFile,
    #[error("the key file holds a key other than the recorded key")]
    OtherKey,
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error(transparent)]
    Folder(#[from] PrivateFsError),
    #[error(transparent)]
    FileName(#[from] InvalidFileName),
    #[error("the key could not be encrypted")]
    Wrap(#[from] WrapError),
    #[error(transparent)]
    PublicKey(#[from] InvalidPublicKey),
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    #[error("the cryptography library aws-lc could not {0}")]
    Cryptography(&'static str),
}

/// What is wrong with a key file's contents.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error("the key file was not written by this service: the mark of a generated key is missing")]
    Imported,
    #[error("the key file was written for another key id")]
    OtherName,
    #[error("the key file is damaged")]
    Damaged,
    #[error("the key file is encrypted, but no wrapping key is configured: restore the credential")]
    Wrapped,
    #[error("the key file is not encrypted, although a wrapping key is configured")]
    NotWrapped,
    #[error("the configured wrapping key does not open the key file: restore the credential")]
    Unwrap(#[source] UnwrapError),
}

impl OperationError {
    pub(crate) fn kind(&self) -> ProviderErrorKind {
        match self {
            Self::Condition { condition, .. } | Self::Recorded(condition) => {
                ProviderErrorKind::OsProtectionUnavailable(*condition)
            }
            Self::KeyFile(KeyFileError::Imported) => {
                ProviderErrorKind::OsProtectionUnavailable(OsProtectionCondition::ImportedKey)
            }
            Self::NotChecked { .. } | Self::NeverChecked => ProviderErrorKind::Unavailable,
            Self::Folder(error) if error.is_transient() => ProviderErrorKind::Unavailable,
            // The folder is at fault, not the key: other users may have read the files in it.
            Self::Folder(
                PrivateFsError::WrongOwner { .. }
                | PrivateFsError::WrongMode { .. }
                | PrivateFsError::Linked { .. }
                | PrivateFsError::SymbolicLink { .. }
                | PrivateFsError::NotRegular { .. },
            ) => ProviderErrorKind::OsProtectionUnavailable(OsProtectionCondition::KeyFolder),
            // If the service is set up wrongly, the key is not lost, so nobody should replace it. A
            // file that is encrypted under another key looks like a damaged one.
            Self::KeyFile(
                KeyFileError::Wrapped | KeyFileError::NotWrapped | KeyFileError::Unwrap(_),
            ) => ProviderErrorKind::Failed,
            Self::NoKeyFile
            | Self::OtherKey
            | Self::KeyFile(_)
            | Self::PublicKey(_)
            | Self::Folder(PrivateFsError::TooLarge { .. }) => ProviderErrorKind::KeyLost,
            Self::Folder(_)
            | Self::FileName(_)
            | Self::Wrap(_)
            | Self::Signature(_)
            | Self::Cryptography(_) => ProviderErrorKind::Failed,
        }
    }
}

impl From<OperationError> for ProviderError {
    fn from(error: OperationError) -> Self {
        Self::new(error.kind(), error)
    }
}
