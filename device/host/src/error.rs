//! Why a host could not be opened.

use device_key_private_fs::PrivateFsError;
use device_key_state::StateError;
use device_key_wrapping::{CredentialError, RewrapError};

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
    /// There are wrapped secrets, but the wrapping key is missing or opens none of them.
    #[error("the secrets of {keys} keys are encrypted under another wrapping key")]
    OtherWrappingKey {
        /// How many keys are unusable without the right wrapping key.
        keys: usize,
        /// Whether there is a wrapping key at all.
        is_given: bool,
    },
    /// The secrets cannot be wrapped anew, because the folder of credentials has no wrapping key.
    #[error("there is no wrapping key")]
    NoWrappingKey,
    /// The secrets could not be wrapped anew. Those that were not are unchanged.
    #[error("the secrets could not be encrypted under the new wrapping key")]
    Rewrap(#[source] RewrapError),
}
