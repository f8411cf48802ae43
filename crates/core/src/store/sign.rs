use std::fmt;

use device_key_types::{DeviceKeyId, SignPayload, Signature};

use super::{BlockingHop, DeviceKeyStore, LanedProvider};
use crate::{
    DeviceKeyBinding, DeviceKeyError, LocalPeer, OwnerUid, ProviderError, ProviderErrorKind,
    SignatureCheck, SigningInput, authorize, lane::Turn,
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
        let (peer, key_id) = (*peer, *key_id);
        self.blocking(move |hop| hop.sign(&peer, &key_id, &payload)).await
    }
}

impl BlockingHop {
    fn sign(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        payload: &SignPayload,
    ) -> Result<SignedStatement, DeviceKeyError> {
        payload.admitted(&self.policy.at(self.clock.now()))?;
        self.require_any_provider()?;
        let owner = peer.owner();
        let (mut binding, mut input) = self.authorized(owner, key_id, payload)?;
        let provider = self.provider(&binding)?;
        let turn = provider.lane.try_enter();
        let turn: Turn<'_> = if let Some(turn) = turn {
            turn
        } else {
            let turn = provider.lane.enter()?;
            // What was true before the wait may no longer be.
            (binding, input) = self.authorized(owner, key_id, payload)?;
            turn
        };
        provider.call("serves", |provider| provider.serves(peer))?;
        let signature = provider.signature(&input)?;
        drop(turn);
        self.still_valid(owner, payload, &binding)?;
        Ok(SignedStatement { signature, signed_bytes: input.into_message() })
    }

    fn authorized(
        &self,
        owner: OwnerUid,
        key_id: &DeviceKeyId,
        payload: &SignPayload,
    ) -> Result<(DeviceKeyBinding, SigningInput), DeviceKeyError> {
        let binding = self.binding(key_id, owner)?;
        let input = authorize(&self.policy, self.clock.now(), &binding, payload)?;
        Ok((binding, input))
    }

    /// The platform may have taken its time: a signature over an expired statement, or by a key
    /// that was deleted meanwhile, is not given out.
    fn still_valid(
        &self,
        owner: OwnerUid,
        payload: &SignPayload,
        signed_with: &DeviceKeyBinding,
    ) -> Result<(), DeviceKeyError> {
        payload.unexpired(&self.policy.at(self.clock.now()))?;
        let now = self.binding(&signed_with.key_id, owner)?;
        if now.binding == signed_with.binding && now.reference() == signed_with.reference() {
            Ok(())
        } else {
            Err(DeviceKeyError::BindingMismatch)
        }
    }
}

impl LanedProvider {
    /// A signature that is known to verify, for providers whose signatures are checked each.
    fn signature(&self, input: &SigningInput) -> Result<Signature, DeviceKeyError> {
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
