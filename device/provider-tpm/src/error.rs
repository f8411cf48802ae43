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
    #[error("the TPM is a simulator, which does not protect keys, and simulators are not allowed")]
    Simulated,
    #[error("the TPM did not begin to answer, maybe because another program is using it")]
    NoTurn(#[source] TpmError),
    #[error(transparent)]
    Tpm(#[from] TpmError),
    #[error("the TPM refuses to load the key")]
    Unloadable(#[source] TpmError),
    #[error("the TPM refuses the key's secret")]
    Unauthorized(#[source] TpmError),
    #[error("the TPM's storage root key has changed since the key was created")]
    OtherParent,
    #[error("the key file holds a key other than the recorded key")]
    OtherKey,
    #[error("the TPM does not allow the use of its endorsement hierarchy")]
    NoEndorsement(#[source] TpmError),
    #[error("the size of the credential, or of the secret in it, is invalid")]
    OddCredential,
    #[error("the TPM attested something other than what was requested")]
    OtherAttestation,
    #[error(transparent)]
    Evidence(#[from] InvalidEvidence),
    #[error(transparent)]
    Statement(#[from] UnserializableError),
    #[error("the key file does not exist any more")]
    NoKeyFile,
    #[error(transparent)]
    KeyFile(#[from] InvalidKeyFile),
    #[error("the key's secret does not exist: the key was revoked, or restored without its secret")]
    NoSecret,
    #[error("the key's secret cannot be used")]
    Secret(#[from] InvalidSecret),
    #[error(transparent)]
    Wrap(#[from] WrapError),
    #[error("the key needs a secret, but this service has no folder for secrets")]
    NoSecretsFolder,
    #[error(transparent)]
    Folder(#[from] PrivateFsError),
    #[error(transparent)]
    FileName(#[from] InvalidFileName),
    #[error(transparent)]
    PublicKey(#[from] InvalidPublicKey),
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
}

/// Why the file of a secret does not give the secret of the key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSecret {
    #[error("the file of the secret has the wrong size")]
    Size,
    #[error("the secret is encrypted, but no wrapping key is configured: restore the credential")]
    NoWrappingKey,
    #[error("the wrapping key does not open the secret: restore the credential")]
    Unwrap(#[from] UnwrapError),
}

impl InvalidSecret {
    /// Whether the secret could be used if the service was set up differently. A secret that is
    /// wrapped under another key looks like a damaged one.
    pub(crate) const fn is_wrong_setup(&self) -> bool {
        matches!(self, Self::NoWrappingKey | Self::Unwrap(_))
    }
}

impl OperationError {
    /// Whether the connection became unusable since it was last used, because the TPM restarted, or
    /// because the machine slept and the TPM lost its sessions. A new connection may work.
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

    /// Whether the TPM at the other end of this connection says that the key is lost. The caller
    /// repeats the request on a new connection, because a kept connection can be wrong: a TPM that
    /// was replaced gives other answers, and a TPM refuses a secret with the same code if the
    /// nonces of a session are out of step. Our keys have `noDA`, so the TPM does not count failed
    /// attempts.
    pub(crate) fn is_lost_to_this_connection(&self) -> bool {
        match self {
            Self::Unauthorized(_) | Self::OtherParent => true,
            Self::Unloadable(error) => is_about_key(error),
            _ => false,
        }
    }

    /// Whether the connection can still be used, because the TPM answered with an error code.
    pub(crate) fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Tpm(error) | Self::Unloadable(error) | Self::Unauthorized(error) => {
                error.class().is_some()
            }
            Self::NoTurn(_) => false,
            _ => true,
        }
    }

    /// Whether the TPM is full, because other programs left objects or sessions in it.
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
            // If the service is set up wrongly, the key is not lost, so nobody should replace it.
            Self::Secret(invalid) if invalid.is_wrong_setup() => ProviderErrorKind::Failed,
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
            | Self::NoSecretsFolder
            | Self::Wrap(_)
            | Self::Folder(_)
            | Self::FileName(_)
            | Self::Signature(_) => ProviderErrorKind::Failed,
        }
    }
}

/// Whether the TPM refuses a part of the key, because the part is damaged, or was made by another
/// TPM or under a seed that was cleared. Every other refusal is a problem of the TPM. `TPM2_Load`
/// has no parameters except the two parts of the key, so a refused parameter is a part of the key.
/// The TPM answers INTEGRITY to most damaged parts, but other codes if a size in the part is
/// damaged.
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
            // A device that this user may not open counts as missing.
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
