use device_key_types::attestation::{Activation, Credential, EndorsementKeyKind, Identity};

use crate::{AttestationInput, ProviderError};

/// What a provider can do whose platform vouches for its keys. Its methods block as those of
/// [`DeviceKeyProvider`](crate::DeviceKeyProvider) do, and take the same turns.
pub trait KeyAttestor: Send + Sync {
    /// Tells which device this is and which attestation key speaks for the device key. Without a kind
    /// the platform's best endorsement key is taken, the same one each time.
    fn identity(
        &self,
        input: &AttestationInput,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Identity, ProviderError>;

    /// Opens the backend's credential and certifies the device key with what was in it. A credential that
    /// was made for another device or another key is
    /// [`ProviderErrorKind::CredentialNotActivated`](crate::ProviderErrorKind::CredentialNotActivated).
    fn activate(
        &self,
        input: &AttestationInput,
        credential: &Credential,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Activation, ProviderError>;
}
