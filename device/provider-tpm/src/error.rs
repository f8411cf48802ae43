//! Why an operation of the provider failed.

use device_key::{ProviderError, ProviderErrorKind};
use device_key_private_fs::{InvalidFileName, PrivateFsError};
use device_key_tpm2::response_code::{Decoded, Subject};
use device_key_tpm2::{Error as TpmError, ResponseClass, TransportError};
use device_key_types::attestation::InvalidEvidence;
use device_key_types::payload::UnserializableError;
use device_key_types::{InvalidPublicKey, InvalidSignature};
use device_key_wrapping::{UnwrapError, WrapError};

use crate::key_file::InvalidKeyFile;

/// Why an operation failed. It becomes the source of a [`ProviderError`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    #[error("the TPM is a simulator, which protects nothing and was not allowed")]
    Simulated,
    #[error("the TPM did not begin to answer: another program may hold it")]
    NoTurn(#[source] TpmError),
    #[error(transparent)]
    Tpm(#[from] TpmError),
    #[error("the TPM refuses to load the key")]
    Unloadable(#[source] TpmError),
    #[error("the TPM refuses the key's secret")]
    Unauthorized(#[source] TpmError),
    #[error("the storage root key is another one than when the key was made")]
    OtherParent,
    #[error("the key file holds another key than the one recorded")]
    OtherKey,
    #[error("the TPM does not let us use its endorsement hierarchy")]
    NoEndorsement(#[source] TpmError),
    #[error("a part of the credential, or the secret in it, has no possible size")]
    OddCredential,
    #[error("the TPM vouches for something else than was asked for")]
    OtherAttestation,
    #[error(transparent)]
    Evidence(#[from] InvalidEvidence),
    #[error(transparent)]
    Statement(#[from] UnserializableError),
    #[error("the key file is gone")]
    NoKeyFile,
    #[error(transparent)]
    KeyFile(#[from] InvalidKeyFile),
    #[error("the key's secret is gone: the key was revoked, or only half of it restored")]
    NoSecret,
    #[error("the key's secret cannot be used")]
    Secret(#[from] InvalidSecret),
    #[error(transparent)]
    Wrap(#[from] WrapError),
    #[error("the key has a secret, and this service was set up without a place for secrets")]
    NoPlaceForSecrets,
    #[error(transparent)]
    Folder(#[from] PrivateFsError),
    #[error(transparent)]
    FileName(#[from] InvalidFileName),
    #[error(transparent)]
    PublicKey(#[from] InvalidPublicKey),
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
}

/// The file does not give the secret of this key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSecret {
    #[error("the secret's file holds no secret")]
    Size,
    #[error("the secret is wrapped, and this service was given no wrapping key")]
    NoWrappingKey,
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
}

impl InvalidSecret {
    /// Whether the secret could be used if the service was set up differently.
    pub(crate) const fn is_matter_of_setup(&self) -> bool {
        matches!(self, Self::NoWrappingKey | Self::Unwrap(UnwrapError::UnknownVersion))
    }
}

impl OperationError {
    /// Whether the connection was lost under us since it was last used: the TPM restarted, or the
    /// machine slept and the sessions are gone. A new connection may well work.
    pub(crate) fn is_stale_connection(&self) -> bool {
        match self {
            Self::Tpm(error) | Self::Unloadable(error) => match error {
                TpmError::Transport(error) => matches!(
                    error,
                    TransportError::Disconnected | TransportError::Poisoned | TransportError::Io(_)
                ),
                TpmError::SessionUnusable => true,
                error => matches!(
                    error.class(),
                    Some(
                        ResponseClass::HandleMissing
                            | ResponseClass::SessionMissing
                            | ResponseClass::Initialize
                    )
                ),
            },
            _ => false,
        }
    }

    /// Whether the TPM refused a key's secret. That ends the key, so it is heard only in a session
    /// that was just opened: nonces out of step are answered with the same code. Our keys have
    /// `noDA`, so asking twice counts nowhere.
    pub(crate) fn is_refused_secret(&self) -> bool {
        matches!(self, Self::Unauthorized(_))
    }

    /// Whether the TPM said a plain no, after which the connection is as good as before.
    pub(crate) fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Tpm(error) | Self::Unloadable(error) | Self::Unauthorized(error) => {
                error.class().is_some()
            }
            Self::NoTurn(_) => false,
            _ => true,
        }
    }

    /// Whether what others left in the TPM leaves no room for us.
    pub(crate) fn is_full(&self) -> bool {
        matches!(
            self,
            Self::Tpm(error) | Self::Unloadable(error) if matches!(
                error.class(),
                Some(
                    ResponseClass::ObjectMemory
                        | ResponseClass::SessionMemory
                        | ResponseClass::ObjectHandles
                )
            )
        )
    }

    fn kind(&self) -> ProviderErrorKind {
        match self {
            Self::Simulated => ProviderErrorKind::HardwareUnavailable,
            Self::NoTurn(_) => ProviderErrorKind::Busy,
            Self::NoEndorsement(_) => ProviderErrorKind::AttestationUnavailable,
            Self::OddCredential | Self::Tpm(TpmError::Credential { .. }) => {
                ProviderErrorKind::CredentialNotActivated
            }
            Self::Unloadable(error) if is_about_key(error) => ProviderErrorKind::KeyLost,
            Self::Tpm(error) | Self::Unloadable(error) => kind_of(error),
            // A service that was set up wrongly has not lost the key: nobody is to replace it.
            Self::Secret(invalid) if invalid.is_matter_of_setup() => ProviderErrorKind::Failed,
            Self::Unauthorized(_)
            | Self::OtherParent
            | Self::OtherKey
            | Self::NoKeyFile
            | Self::NoSecret
            | Self::Secret(_)
            | Self::KeyFile(_)
            | Self::PublicKey(_)
            | Self::Folder(PrivateFsError::TooLarge { .. }) => ProviderErrorKind::KeyLost,
            Self::OtherAttestation
            | Self::Evidence(_)
            | Self::Statement(_)
            | Self::NoPlaceForSecrets
            | Self::Wrap(_)
            | Self::Folder(_)
            | Self::FileName(_)
            | Self::Signature(_) => ProviderErrorKind::Failed,
        }
    }
}

/// Whether the TPM will have neither part of the key: it is damaged, or of another TPM, or of a
/// seed that was cleared. Anything else is the TPM's trouble. The two parts are all the parameters
/// of `TPM2_Load`; a size within a damaged part is answered with other codes than INTEGRITY.
fn is_about_key(error: &TpmError) -> bool {
    let TpmError::Refused { code, .. } = error else {
        return false;
    };
    let is_parameter =
        matches!(code.decode(), Decoded::FormatOne { subject: Subject::Parameter(_), .. });
    is_parameter || code.class() == ResponseClass::Integrity
}

fn kind_of(error: &TpmError) -> ProviderErrorKind {
    match error {
        TpmError::Transport(error) => match error {
            TransportError::Absent => ProviderErrorKind::HardwareUnavailable,
            TransportError::Busy => ProviderErrorKind::Busy,
            TransportError::Disconnected | TransportError::Poisoned => {
                ProviderErrorKind::Unavailable
            }
            TransportError::TimedOut => ProviderErrorKind::Timeout,
            // A device that this user may not open is as good as none.
            TransportError::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                ProviderErrorKind::HardwareUnavailable
            }
            _ => ProviderErrorKind::Failed,
        },
        error => match error.class() {
            Some(ResponseClass::Lockout) => ProviderErrorKind::LockedOut,
            Some(
                ResponseClass::Retry
                | ResponseClass::ObjectMemory
                | ResponseClass::SessionMemory
                | ResponseClass::ObjectHandles
                | ResponseClass::NvUnavailable,
            ) => ProviderErrorKind::Busy,
            Some(ResponseClass::Initialize | ResponseClass::Failure) => {
                ProviderErrorKind::Unavailable
            }
            _ => ProviderErrorKind::Failed,
        },
    }
}

impl From<OperationError> for ProviderError {
    fn from(error: OperationError) -> Self {
        Self::new(error.kind(), error)
    }
}
