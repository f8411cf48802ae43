//! The part of a provider that attests keys.

use device_key_types::attestation::{Activation, Credential, EndorsementKeyKind, Identity};

use crate::{AttestationInput, ProviderError};

/// Attests the keys of a provider whose platform vouches for its keys.
///
/// The methods block as the methods of [`DeviceKeyProvider`](crate::DeviceKeyProvider) do and count
/// towards the same concurrency.
pub trait KeyAttestor: Send + Sync {
    /// Returns the identity of this device and of the attestation key that vouches for the device
    /// key. Without a kind, the attestor uses the platform's best endorsement key, always the same
    /// key.
    fn identity(
        &self,
        input: &AttestationInput,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Identity, ProviderError>;

    /// Opens the backend's credential and certifies the device key with the secret in it.
    ///
    /// If the credential was made for another device or another key, the error is
    /// [`CredentialNotActivated`](crate::ProviderErrorKind::CredentialNotActivated).
    fn activate(
        &self,
        input: &AttestationInput,
        credential: &Credential,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Activation, ProviderError>;
}
