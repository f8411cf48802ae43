//! Signs a statement.

use std::fmt;
use std::sync::Arc;

use device_key_types::{DeviceKeyId, SignPayload, Signature};

use super::{BlockingContext, DeviceKeyStore, Inner, LimitedProvider};
use crate::fair_semaphore::{Permit, Requester};
use crate::{
    DeviceKeyBinding, DeviceKeyError, LocalPeer, ProviderError, ProviderErrorKind, SignatureCheck,
    SigningInput, authorize,
};

/// A signature and the exact bytes that were signed.
#[derive(Clone)]
pub struct SignedStatement {
    /// ECDSA on P-256 over SHA-256 of the bytes.
    pub signature: Signature,
    /// The canonical JSON of the statement (RFC 8785).
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
    /// The checks are, in this order: target and expiry, that the caller owns the key, and that the
    /// statement names the account and client of the binding. Only then is the provider asked. An
    /// operation may have to wait for its permit, and a platform may take a minute. Binding and
    /// expiry are therefore checked again after the wait, and once more before the signature is
    /// returned.
    pub async fn sign(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        payload: SignPayload,
    ) -> Result<SignedStatement, DeviceKeyError> {
        payload.allowed_by(&self.inner.policy().at(self.inner.clock.now()))?;
        self.inner.require_any_provider()?;
        let request = Arc::new(SignRequest { peer: *peer, key_id: *key_id, payload });
        self.in_time(async {
            self.with_key(peer, key_id, self.sign_now_or_after_wait(request)).await
        })
        .await
    }

    async fn sign_now_or_after_wait(
        &self,
        request: Arc<SignRequest>,
    ) -> Result<SignedStatement, DeviceKeyError> {
        let binding = self.binding(&request.peer, &request.key_id).await?;
        let input = self.inner.authorized(&request, &binding)?;
        let provider = Arc::clone(self.inner.provider(&binding)?);
        let Some(permit) = provider.semaphore.try_acquire() else {
            let permit = provider.semaphore.acquire(Requester::of(&request.peer)).await?;
            return self
                .blocking(move |context| context.sign_after_wait(&request, &provider, permit))
                .await;
        };
        if provider.provider.signs_at_once(input.key()) {
            return self.inner.sign_on_current_thread(&request, &provider, permit, input);
        }
        self.blocking(move |context| context.sign(&request, &provider, permit, &binding, input))
            .await
    }
}

struct SignRequest {
    peer: LocalPeer,
    key_id: DeviceKeyId,
    payload: SignPayload,
}

impl Inner {
    /// Signs on the current thread. The request has not waited since the binding was read, so only
    /// the expiry is checked again.
    fn sign_on_current_thread(
        &self,
        request: &SignRequest,
        provider: &LimitedProvider,
        permit: Permit,
        input: SigningInput,
    ) -> Result<SignedStatement, DeviceKeyError> {
        let signature = provider.signature(request, &input)?;
        drop(permit);
        request.payload.unexpired(&self.policy().at(self.clock.now()))?;
        Ok(SignedStatement { signature, signed_bytes: input.into_message() })
    }

    fn authorized(
        &self,
        request: &SignRequest,
        binding: &DeviceKeyBinding,
    ) -> Result<SigningInput, DeviceKeyError> {
        Ok(authorize(&self.policy(), self.clock.now(), binding, &request.payload)?)
    }
}

impl BlockingContext {
    /// Reads the binding again, which may have changed during the wait.
    fn sign_after_wait(
        &self,
        request: &SignRequest,
        provider: &LimitedProvider,
        permit: Permit,
    ) -> Result<SignedStatement, DeviceKeyError> {
        let binding = self.binding(&request.key_id, request.peer.owner())?;
        let input = self.authorized(request, &binding)?;
        self.sign(request, provider, permit, &binding, input)
    }

    fn sign(
        &self,
        request: &SignRequest,
        provider: &LimitedProvider,
        permit: Permit,
        binding: &DeviceKeyBinding,
        input: SigningInput,
    ) -> Result<SignedStatement, DeviceKeyError> {
        let signature = provider.signature(request, &input)?;
        drop(permit);
        request.payload.unexpired(&self.policy().at(self.clock.now()))?;
        self.still_bound(&request.key_id, &request.peer, binding)?;
        Ok(SignedStatement { signature, signed_bytes: input.into_message() })
    }
}

impl LimitedProvider {
    /// Signs, and verifies the signature if this provider's signatures are verified each time.
    fn signature(
        &self,
        request: &SignRequest,
        input: &SigningInput,
    ) -> Result<Signature, DeviceKeyError> {
        self.require_service_of(&request.peer)?;
        let signature = self.call("sign", |provider| provider.sign(input))?;
        match self.provider.description().signature_check {
            SignatureCheck::Each => self.verified(input, signature),
            SignatureCheck::AtCreation => Ok(signature),
        }
    }

    /// Returns the signature if it verifies under the recorded public key.
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
