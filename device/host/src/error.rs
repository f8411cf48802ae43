//! Why a host could not be opened.

use device_key_private_fs::PrivateFsError;
use device_key_state::StateError;
use device_key_wrapping::CredentialError;

/// Why a [`Host`](crate::Host) could not be opened.
///
/// A TPM that is missing or locked is not among these errors: the host opens without asking the
/// TPM, and each operation that needs the TPM fails with its own reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The home folder, or a key folder in it, is not private or cannot be used.
    #[error("the home folder cannot be used")]
    Home(#[source] PrivateFsError),
    /// The database of the bindings cannot be used.
    #[error("the state cannot be used")]
    State(#[source] StateError),
    /// The folder of credentials has a wrapping key that cannot be used.
    #[error("the wrapping key cannot be used")]
    WrappingKey(#[source] CredentialError),
}
