use device_key_types::{Binding, DeviceKeyId, OsProtectionCondition, ProtectionPolicy, Reason};
use tracing::{error, warn};

use super::{BlockingHop, DeviceKey, DeviceKeyStore, LanedProvider};
use crate::{
    Chain, CreatedKey, CreatingKey, DeviceKeyError, KeyReference, LocalPeer, SigningInput,
    lane::Turn,
};

impl DeviceKeyStore {
    /// Creates a key for one account and client, owned by the caller's user.
    ///
    /// The key is recorded as begun, made and stored by the provider, proved by a signature of a
    /// constant message, and only then visible. A failure undoes what came before it; what a crash
    /// leaves is removed by [`DeviceKeyStore::recover`].
    pub async fn create(
        &self,
        peer: &LocalPeer,
        binding: Binding,
        policy: ProtectionPolicy,
    ) -> Result<DeviceKey, DeviceKeyError> {
        let peer = *peer;
        self.blocking(move |hop| hop.create(&peer, binding, policy)).await
    }
}

impl BlockingHop {
    fn create(
        &self,
        peer: &LocalPeer,
        binding: Binding,
        policy: ProtectionPolicy,
    ) -> Result<DeviceKey, DeviceKeyError> {
        let mut random = [0; 32];
        self.random.fill(&mut random)?;
        let key_id = DeviceKeyId::from_random_bytes(random);

        let (provider, turn) = self.choose(peer, policy)?;
        let description = provider.provider.description();
        let begun = CreatingKey {
            key_id,
            owner: peer.owner(),
            binding,
            provider: description.name,
            protection_class: description.protection_class,
            created_at: self.clock.now(),
        };
        self.bindings("begin", self.bindings.begin(&begun))?;
        let unfinished = Unfinished { hop: self, provider, key_id };
        let created = self.make(provider, &key_id)?;
        unfinished.keep();
        drop(turn);
        Ok(DeviceKey {
            key_id,
            public_key: created.public_key,
            protection_class: description.protection_class,
            tpm_kind: created.tpm_kind,
        })
    }

    /// The first provider that gives an accepted class and can be used now, and our turn with it.
    fn choose(
        &self,
        peer: &LocalPeer,
        policy: ProtectionPolicy,
    ) -> Result<(&LanedProvider, Turn<'_>), DeviceKeyError> {
        let mut available = Vec::new();
        let mut cause = OsProtectionCondition::NotConfigured;
        for laned in &self.inner.providers {
            let class = laned.provider.description().protection_class;
            if !policy.accepts(class) {
                // Only to tell what another policy would have given: not worth a wait.
                if laned.provider.presence(peer).is_ok() {
                    available.push(class);
                }
                continue;
            }
            let turn = laned.lane.enter()?;
            match laned.call("availability", |provider| provider.availability(peer)) {
                Ok(()) => return Ok((laned, turn)),
                // Absence is normal: the next provider may be there. One that is there but fails is
                // reported, or else a fault would turn into a weaker class unnoticed.
                Err(error) if !is_absence(error.reason()) => return Err(error),
                Err(error) => {
                    warn!(cause = %Chain(&error), "no key can be created there");
                    cause = error.os_protection_condition().unwrap_or(cause);
                }
            }
        }
        let reason = match policy {
            _ if !available.is_empty() => Reason::DegradedProtectionNotAllowed,
            ProtectionPolicy::HardwareOnly => Reason::HardwareUnavailable,
            ProtectionPolicy::AllowOsProtectedNonextractable => Reason::OsProtectionUnavailable,
        };
        let cause = (reason == Reason::OsProtectionUnavailable).then_some(cause);
        Err(DeviceKeyError::NoProtection { reason, available, cause })
    }

    /// From a begun record to a whole key.
    fn make(
        &self,
        provider: &LanedProvider,
        key_id: &DeviceKeyId,
    ) -> Result<CreatedKey, DeviceKeyError> {
        let created = provider.call("create", |provider| provider.create(key_id))?;
        let probe = SigningInput::self_test(KeyReference {
            key_id: *key_id,
            public_key: created.public_key.clone(),
            storage_parent: created.storage_parent.clone(),
        });
        let signature = provider.call("self_test", |provider| provider.sign(&probe))?;
        provider.verified(&probe, signature)?;
        let complete = self.bindings.complete(key_id, &created, self.clock.now());
        self.bindings("complete", complete)?;
        Ok(created)
    }
}

/// A key that was begun; removed when dropped, be it by an error or a panic.
struct Unfinished<'a> {
    hop: &'a BlockingHop,
    provider: &'a LanedProvider,
    key_id: DeviceKeyId,
}

impl Unfinished<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    /// Removes key material first: as long as the record stands, the next start tries again.
    fn drop(&mut self) {
        let Self { hop, provider, key_id } = self;
        let undone = provider
            .call("delete", |provider| provider.delete(key_id))
            .and_then(|()| hop.bindings("remove", hop.bindings.remove(key_id)));
        if let Err(error) = undone {
            error!(%key_id, cause = %Chain(&error), "a key that failed could not be removed yet");
        }
    }
}

const fn is_absence(reason: Reason) -> bool {
    matches!(reason, Reason::HardwareUnavailable | Reason::OsProtectionUnavailable)
}
