use std::{fmt, sync::Arc};

use device_key_types::{DeviceKeyId, SignPayload, Signature};

use super::{BlockingHop, DeviceKeyStore, Inner, LanedProvider};
use crate::{
    DeviceKeyBinding, DeviceKeyError, LocalPeer, ProviderError, ProviderErrorKind, SignatureCheck,
    SigningInput, authorize,
    lane::{Claimant, Turn},
};

/// A signature and the exact bytes that it is over.
#[derive(Clone)]
pub struct SignedStatement {
    /// ECDSA P-256 over SHA-256 of the bytes.
    pub signature: Signature,
    /// Canonical JSON of the statement.
    pub signed_bytes: Box<[u8]>,
}

impl fmt::Debug for SignedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedStatement(…)")
    }
}

impl DeviceKeyStore {
    /// Signs a statement with the key that is bound to its account and client.
    ///
    /// Checked in this order: target and expiry, that the key is the caller's, that the binding is
    /// the statement's. Only then is the provider asked. Because an operation may wait for its turn
    /// and a platform may take a minute, binding and expiry are checked again when the turn comes
    /// and once more before the signature leaves.
    pub async fn sign(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        payload: SignPayload,
    ) -> Result<SignedStatement, DeviceKeyError> {
        payload.allowed_by(&self.inner.policy.at(self.inner.clock.now()))?;
        self.inner.require_any_provider()?;
        let request = Arc::new(Request { peer: *peer, key_id: *key_id, payload });
        self.in_time(async |_| {
            let who = Claimant::of(peer);
            let looking_up = self.inner.look_ups.enter(who).await?;
            let (binding, input) = self.inner.authorized(&request).await?;
            drop(looking_up);
            let provider = Arc::clone(self.inner.provider(&binding)?);
            let Some(turn) = provider.lane.try_enter() else {
                let turn = provider.lane.enter(who).await?;
                return self
                    .blocking(move |hop| hop.sign_after_a_wait(&request, &provider, turn))
                    .await;
            };
            if provider.provider.signs_at_once(input.key()) {
                return self.inner.sign_here(&request, &provider, turn, input);
            }
            self.blocking(move |hop| hop.sign(&request, &provider, turn, &binding, input)).await
        })
        .await
    }
}

struct Request {
    peer: LocalPeer,
    key_id: DeviceKeyId,
    payload: SignPayload,
}

impl Inner {
    /// Signs on this very thread. Nothing was waited for since the binding was read, so there is
    /// nothing to look at again but the clock.
    fn sign_here(
        &self,
        request: &Request,
        provider: &LanedProvider,
        turn: Turn,
        input: SigningInput,
    ) -> Result<SignedStatement, DeviceKeyError> {
        let signature = provider.signature(request, &input)?;
        drop(turn);
        request.payload.unexpired(&self.policy.at(self.clock.now()))?;
        Ok(SignedStatement { signature, signed_bytes: input.into_message() })
    }

    async fn authorized(
        &self,
        request: &Request,
    ) -> Result<(DeviceKeyBinding, SigningInput), DeviceKeyError> {
        let binding = self.binding(&request.key_id, request.peer.owner()).await?;
        let input = authorize(&self.policy, self.clock.now(), &binding, &request.payload)?;
        Ok((binding, input))
    }
}

impl BlockingHop {
    /// What was true before the wait may no longer be.
    fn sign_after_a_wait(
        &self,
        request: &Request,
        provider: &LanedProvider,
        turn: Turn,
    ) -> Result<SignedStatement, DeviceKeyError> {
        let (binding, input) = self.runtime.block_on(self.authorized(request))?;
        self.sign(request, provider, turn, &binding, input)
    }

    fn sign(
        &self,
        request: &Request,
        provider: &LanedProvider,
        turn: Turn,
        binding: &DeviceKeyBinding,
        input: SigningInput,
    ) -> Result<SignedStatement, DeviceKeyError> {
        let signature = provider.signature(request, &input)?;
        drop(turn);
        request.payload.unexpired(&self.policy.at(self.clock.now()))?;
        self.runtime.block_on(self.still_bound(&request.key_id, &request.peer, binding))?;
        Ok(SignedStatement { signature, signed_bytes: input.into_message() })
    }
}

impl LanedProvider {
    /// A signature that is known to verify, for providers whose signatures are checked each.
    fn signature(
        &self,
        request: &Request,
        input: &SigningInput,
    ) -> Result<Signature, DeviceKeyError> {
        self.require_service_of(&request.peer)?;
        let signature = self.call("sign", |provider| provider.sign(input))?;
        match self.provider.description().signature_check {
            SignatureCheck::Each => self.verified(input, signature),
            SignatureCheck::AtCreation => Ok(signature),
        }
    }

    /// Gives the signature back if it verifies under the recorded public key.
    pub(super) fn verified(
        &self,
        input: &SigningInput,
        signature: Signature,
    ) -> Result<Signature, DeviceKeyError> {
        match input.key().public_key.verify(input.message(), &signature) {
            Ok(()) => Ok(signature),
            Err(invalid) => Err(DeviceKeyError::Provider {
                name: self.provider.description().name,
                source: ProviderError::new(ProviderErrorKind::Failed, invalid),
            }),
        }
    }
}
