use std::sync::Arc;

use device_key_types::{
    DeviceKeyId,
    attestation::{Activation, Challenge, Credential, EndorsementKeyKind, Identity},
};

use super::{DeviceKeyStore, Inner, LanedProvider};
use crate::{
    AttestationInput, DeviceKeyBinding, DeviceKeyError, KeyAttestor, LocalPeer, ProviderError,
    ProviderErrorKind, authorize_attestation, lane::Claimant,
};

impl DeviceKeyStore {
    /// Tells a backend which device holds the key, for a challenge that the key's account and client may
    /// answer. The device's endorsement key identifies it for good, so all that is checked before a
    /// signature is checked here too, in the same order.
    pub async fn attestation_identity(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        challenge: Challenge,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Identity, DeviceKeyError> {
        let request = Request { peer: *peer, key_id: *key_id, challenge };
        self.attest("attestation_identity", request, move |attestor, input| {
            attestor.identity(input, endorsement_key)
        })
        .await
    }

    /// Opens the credential that a backend made from [`attestation_identity`](Self::attestation_identity)
    /// and has the key certified for the same challenge. Checked in the same way.
    pub async fn activate_attestation(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        challenge: Challenge,
        credential: Credential,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Activation, DeviceKeyError> {
        let request = Request { peer: *peer, key_id: *key_id, challenge };
        self.attest("attestation_activate", request, move |attestor, input| {
            attestor.activate(input, &credential, endorsement_key)
        })
        .await
    }

    async fn attest<T: Send + 'static>(
        &self,
        operation: &'static str,
        request: Request,
        work: impl FnOnce(&dyn KeyAttestor, &AttestationInput) -> Result<T, ProviderError>
        + Send
        + 'static,
    ) -> Result<T, DeviceKeyError> {
        request.challenge.allowed_by(&self.inner.policy.at(self.inner.clock.now()))?;
        self.inner.require_any_provider()?;
        self.in_time(async move |_| {
            let who = Claimant::of(&request.peer);
            let looking_up = self.inner.look_ups.enter(who).await?;
            let (binding, _) = self.inner.attestable(&request).await?;
            drop(looking_up);
            let provider = Arc::clone(self.inner.provider(&binding)?);
            provider.require_attestor()?;
            let turn = provider.lane.enter(who).await?;
            self.blocking(move |hop| {
                // What was true before the wait may no longer be.
                let (binding, input) = hop.runtime.block_on(hop.attestable(&request))?;
                provider.require_service_of(&request.peer)?;
                let evidence = provider.call(operation, |provider| {
                    let attestor = provider.attestor().ok_or_else(unavailable)?;
                    work(attestor, &input)
                })?;
                drop(turn);
                request.challenge.unexpired(&hop.policy.at(hop.clock.now()))?;
                hop.runtime.block_on(hop.still_bound(&request.key_id, &request.peer, &binding))?;
                Ok(evidence)
            })
            .await
        })
        .await
    }
}

struct Request {
    peer: LocalPeer,
    key_id: DeviceKeyId,
    challenge: Challenge,
}

impl Inner {
    async fn attestable(
        &self,
        request: &Request,
    ) -> Result<(DeviceKeyBinding, AttestationInput), DeviceKeyError> {
        let Request { peer, key_id, challenge } = request;
        let binding = self.binding(key_id, peer.owner()).await?;
        let input = authorize_attestation(&self.policy, self.clock.now(), &binding, challenge)?;
        Ok((binding, input))
    }
}

impl LanedProvider {
    /// Asked before the wait for a turn, which would be for nothing.
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
    ProviderError::new(ProviderErrorKind::AttestationUnavailable, "nothing vouches for its keys")
}
