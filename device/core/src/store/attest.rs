//! Attests a key: the two halves of the exchange with a backend.

use std::sync::Arc;

use device_key_types::DeviceKeyId;
use device_key_types::attestation::{
    Activation, Challenge, Credential, EndorsementKeyKind, Identity,
};

use super::{DeviceKeyStore, Inner, LimitedProvider};
use crate::fair_semaphore::Requester;
use crate::{
    AttestationInput, DeviceKeyBinding, DeviceKeyError, KeyAttestor, LocalPeer, ProviderError,
    ProviderErrorKind, authorize_attestation,
};

impl DeviceKeyStore {
    /// Tells a backend which device holds the key, for a challenge that the key's account and
    /// client may answer.
    ///
    /// The device's endorsement key identifies the device for good. This method therefore makes
    /// every check that [`sign`](Self::sign) makes, in the same order.
    pub async fn attestation_identity(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        challenge: Challenge,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Identity, DeviceKeyError> {
        let request = AttestRequest { peer: *peer, key_id: *key_id, challenge };
        self.attest("attestation_identity", request, move |attestor, input| {
            attestor.identity(input, endorsement_key)
        })
        .await
    }

    /// Opens the credential that a backend made for the answer of
    /// [`attestation_identity`](Self::attestation_identity), and certifies the key for the same
    /// challenge. The checks are those of `attestation_identity`.
    pub async fn activate_attestation(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        challenge: Challenge,
        credential: Credential,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Activation, DeviceKeyError> {
        let request = AttestRequest { peer: *peer, key_id: *key_id, challenge };
        self.attest("attestation_activate", request, move |attestor, input| {
            attestor.activate(input, &credential, endorsement_key)
        })
        .await
    }

    async fn attest<T: Send + 'static>(
        &self,
        operation: &'static str,
        request: AttestRequest,
        work: impl FnOnce(&dyn KeyAttestor, &AttestationInput) -> Result<T, ProviderError>
        + Send
        + 'static,
    ) -> Result<T, DeviceKeyError> {
        request.challenge.allowed_by(&self.inner.policy().at(self.inner.clock.now()))?;
        self.inner.require_any_provider()?;
        let (peer, key_id) = (request.peer, request.key_id);
        self.in_time(async move {
            self.with_key(&peer, &key_id, self.ask(operation, request, work)).await
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        request: AttestRequest,
        work: impl FnOnce(&dyn KeyAttestor, &AttestationInput) -> Result<T, ProviderError>
        + Send
        + 'static,
    ) -> Result<T, DeviceKeyError> {
        let requester = Requester::of(&request.peer);
        let binding = self.binding(&request.peer, &request.key_id).await?;
        self.inner.attestable(&request, &binding)?;
        let provider = Arc::clone(self.inner.provider(&binding)?);
        provider.require_attestor()?;
        let permit = provider.semaphore.acquire(requester).await?;
        self.blocking(move |context| {
            // The binding may have changed during the wait.
            let binding = context.binding(&request.key_id, request.peer.owner())?;
            let input = context.attestable(&request, &binding)?;
            provider.require_service_of(&request.peer)?;
            let evidence = provider.call(operation, |provider| {
                let attestor = provider.attestor().ok_or_else(unavailable)?;
                work(attestor, &input)
            })?;
            drop(permit);
            request.challenge.unexpired(&context.policy().at(context.clock.now()))?;
            context.still_bound(&request.key_id, &request.peer, &binding)?;
            Ok(evidence)
        })
        .await
    }
}

struct AttestRequest {
    peer: LocalPeer,
    key_id: DeviceKeyId,
    challenge: Challenge,
}

impl Inner {
    fn attestable(
        &self,
        request: &AttestRequest,
        binding: &DeviceKeyBinding,
    ) -> Result<AttestationInput, DeviceKeyError> {
        let now = self.clock.now();
        Ok(authorize_attestation(&self.policy(), now, binding, &request.challenge)?)
    }
}

impl LimitedProvider {
    /// Fails if the provider has no attestor, before a request waits for a permit in vain.
    fn require_attestor(&self) -> Result<(), DeviceKeyError> {
        match self.provider.attestor() {
            Some(_) => Ok(()),
            None => Err(DeviceKeyError::Provider {
                name: self.provider.description().name,
                source: unavailable(),
            }),
        }
    }
}

fn unavailable() -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::AttestationUnavailable,
        "nothing vouches for the provider's keys",
    )
}
