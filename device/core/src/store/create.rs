use std::sync::Arc;

use device_key_types::{
    Binding, DeviceKeyId, ErrorChain, OsProtectionCondition, ProtectionClass, ProtectionPolicy,
    Reason,
};
use tokio::time::Instant;
use tracing::{error, warn};

use super::{BlockingHop, DeviceKey, DeviceKeyStore, LanedProvider};
use crate::{
    CreatedKey, CreatingKey, DeviceKeyError, KeyReference, LocalPeer, SigningInput, lane::Claimant,
};

impl DeviceKeyStore {
    /// Creates a key for one account and client, owned by the caller's user, with the first provider
    /// that gives a class the caller accepts.
    ///
    /// The key is recorded as begun, made and stored by the provider, proved by a signature of a
    /// constant message, and only then visible. A failure undoes what came before it, and so does
    /// the deadline; what a crash leaves is removed by [`DeviceKeyStore::recover`].
    pub async fn create(
        &self,
        peer: &LocalPeer,
        binding: Binding,
        policy: ProtectionPolicy,
    ) -> Result<DeviceKey, DeviceKeyError> {
        self.in_time(async |deadline| {
            let request = Arc::new(Request { peer: *peer, binding, deadline });
            let mut refusal = Refusal::default();
            for laned in &self.inner.providers {
                let class = laned.provider.description().protection_class;
                let attempt = if policy.accepts(class) {
                    self.create_with(Arc::clone(laned), &request).await
                } else {
                    self.look_at(Arc::clone(laned), &request).await
                };
                match attempt? {
                    Attempt::Created(key) => return Ok(key),
                    Attempt::NotAccepted => refusal.available.push(class),
                    // Absence is normal: the next provider may be there. One that is there but
                    // fails is reported, or else a fault would turn into a weaker class unnoticed.
                    Attempt::Absent(error) if policy.accepts(class) => {
                        warn!(cause = %ErrorChain(&error), "no key can be created there");
                        refusal.cause = error.os_protection_condition().or(refusal.cause);
                    }
                    Attempt::Absent(_) => {}
                }
            }
            Err(refusal.under(policy))
        })
        .await
    }

    async fn create_with(
        &self,
        laned: Arc<LanedProvider>,
        request: &Arc<Request>,
    ) -> Result<Attempt, DeviceKeyError> {
        let turn = laned.lane.enter(Claimant::of(&request.peer)).await?;
        let request = Arc::clone(request);
        self.blocking(move |hop| {
            let attempt = hop.create(&laned, &request);
            drop(turn);
            attempt
        })
        .await
    }

    /// Only to tell what another policy would have given: not worth a wait.
    async fn look_at(
        &self,
        laned: Arc<LanedProvider>,
        request: &Arc<Request>,
    ) -> Result<Attempt, DeviceKeyError> {
        let request = Arc::clone(request);
        self.blocking(move |_| {
            let presence = laned.call("presence", |provider| provider.presence(&request.peer));
            Ok(presence.map_or_else(Attempt::Absent, |()| Attempt::NotAccepted))
        })
        .await
    }
}

struct Request {
    peer: LocalPeer,
    binding: Binding,
    deadline: Instant,
}

/// What came of one provider.
enum Attempt {
    Created(DeviceKey),
    /// It is there, but the caller does not accept its class.
    NotAccepted,
    Absent(DeviceKeyError),
}

/// Why no provider made a key.
#[derive(Default)]
struct Refusal {
    available: Vec<ProtectionClass>,
    cause: Option<OsProtectionCondition>,
}

impl Refusal {
    fn under(self, policy: ProtectionPolicy) -> DeviceKeyError {
        let Self { available, cause } = self;
        let (reason, cause) = match policy {
            ProtectionPolicy::HardwareOnly if available.is_empty() => {
                (Reason::HardwareUnavailable, None)
            }
            ProtectionPolicy::HardwareOnly => (Reason::DegradedProtectionNotAllowed, None),
            ProtectionPolicy::AllowOsProtectedNonextractable => (
                Reason::OsProtectionUnavailable,
                cause.or(Some(OsProtectionCondition::NotConfigured)),
            ),
        };
        DeviceKeyError::NoProtection { reason, available, cause }
    }
}

impl BlockingHop {
    fn create(&self, laned: &LanedProvider, request: &Request) -> Result<Attempt, DeviceKeyError> {
        let available = laned.call("availability", |provider| provider.availability(&request.peer));
        if let Err(error) = available {
            return if is_absence(error.reason()) {
                Ok(Attempt::Absent(error))
            } else {
                Err(error)
            };
        }
        let mut random = [0; 32];
        self.random.fill(&mut random)?;
        let key_id = DeviceKeyId::from_random_bytes(random);
        let description = laned.provider.description();
        let begun = CreatingKey {
            key_id,
            owner: request.peer.owner(),
            binding: request.binding.clone(),
            provider: description.name,
            protection_class: description.protection_class,
            created_at: self.clock.now(),
        };
        let keys_per_owner = self.limits.keys_per_owner;
        self.bindings("begin", self.inner.bindings.begin(&begun, keys_per_owner))?;
        let unfinished = Unfinished { hop: self, provider: laned, key_id };
        let created = self.make(laned, &key_id, request.deadline)?;
        unfinished.keep();
        Ok(Attempt::Created(DeviceKey {
            key_id,
            public_key: created.public_key,
            protection_class: description.protection_class,
            tpm_kind: created.tpm_kind,
        }))
    }

    /// From a begun record to a whole key.
    fn make(
        &self,
        provider: &LanedProvider,
        key_id: &DeviceKeyId,
        deadline: Instant,
    ) -> Result<CreatedKey, DeviceKeyError> {
        let created = provider.call("create", |provider| provider.create(key_id))?;
        let probe = SigningInput::self_test(KeyReference {
            key_id: *key_id,
            public_key: created.public_key.clone(),
            storage_parent: created.storage_parent.clone(),
        });
        let signature = provider.call("self_test", |provider| provider.sign(&probe))?;
        provider.verified(&probe, signature)?;
        // The caller was told that it has no key.
        if Instant::now() >= deadline {
            return Err(DeviceKeyError::TimedOut);
        }
        let complete = self.inner.bindings.complete(key_id, &created, self.clock.now());
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
    fn drop(&mut self) {
        let Self { hop, provider, key_id } = self;
        let undone = hop.remove(provider, key_id);
        if let Err(error) = undone {
            error!(%key_id, cause = %ErrorChain(&error), "a key that failed could not be removed yet");
        }
    }
}

const fn is_absence(reason: Reason) -> bool {
    matches!(reason, Reason::HardwareUnavailable | Reason::OsProtectionUnavailable)
}
