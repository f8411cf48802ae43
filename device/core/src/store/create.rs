//! Creates a key.

use std::sync::Arc;

use device_key_types::{
    Binding, DeviceKeyId, ErrorChain, OsProtectionCondition, ProtectionClass, ProtectionPolicy,
    Reason,
};
use tokio::time::Instant;
use tracing::{error, warn};

use super::{BlockingContext, DeviceKey, DeviceKeyStore, LimitedProvider};
use crate::fair_semaphore::Requester;
use crate::{CreatedKey, CreatingKey, DeviceKeyError, KeyReference, LocalPeer, SigningInput};

impl DeviceKeyStore {
    /// Creates a key for one account and client, owned by the caller's user. The first provider
    /// whose protection class the caller accepts makes the key.
    ///
    /// The store records that the key is begun, the provider makes and stores it, and the key signs
    /// a constant message to prove itself. Only then is the key visible. If a step fails or the
    /// deadline passes, the earlier steps are undone. [`DeviceKeyStore::recover`] removes what a
    /// crash leaves.
    pub async fn create(
        &self,
        peer: &LocalPeer,
        binding: Binding,
        policy: ProtectionPolicy,
    ) -> Result<DeviceKey, DeviceKeyError> {
        self.in_time(async |deadline| {
            let request = Arc::new(CreateRequest { peer: *peer, binding, deadline });
            let mut no_protection = NoProtection::default();
            for limited in &self.inner.providers {
                let class = limited.provider.description().protection_class;
                let attempt = if policy.accepts(class) {
                    self.create_with(Arc::clone(limited), &request).await
                } else {
                    self.check_presence(Arc::clone(limited), &request).await
                };
                match attempt? {
                    Attempt::Created(key) => return Ok(key),
                    Attempt::NotAccepted => no_protection.available.push(class),
                    // An absent provider is normal, and the next provider may be present. A present
                    // provider that fails is an error. Otherwise a fault would lead to a weaker
                    // class unnoticed.
                    Attempt::Absent(error) if policy.accepts(class) => {
                        warn!(cause = %ErrorChain(&error), "this provider cannot create keys");
                        no_protection.cause =
                            error.os_protection_condition().or(no_protection.cause);
                    }
                    Attempt::Absent(_) => {}
                }
            }
            Err(no_protection.into_error(policy))
        })
        .await
    }

    async fn create_with(
        &self,
        limited: Arc<LimitedProvider>,
        request: &Arc<CreateRequest>,
    ) -> Result<Attempt, DeviceKeyError> {
        let permit = limited.semaphore.acquire(Requester::of(&request.peer)).await?;
        let request = Arc::clone(request);
        self.blocking(move |context| {
            let attempt = context.create(&limited, &request);
            drop(permit);
            attempt
        })
        .await
    }

    /// Finds out whether the provider would have served a caller with another policy. This does not
    /// wait for a permit, because the answer only makes the refusal more precise.
    async fn check_presence(
        &self,
        limited: Arc<LimitedProvider>,
        request: &Arc<CreateRequest>,
    ) -> Result<Attempt, DeviceKeyError> {
        let request = Arc::clone(request);
        self.blocking(move |_| {
            let presence = limited.call("presence", |provider| provider.presence(&request.peer));
            Ok(presence.map_or_else(Attempt::Absent, |()| Attempt::NotAccepted))
        })
        .await
    }
}

struct CreateRequest {
    peer: LocalPeer,
    binding: Binding,
    deadline: Instant,
}

/// The outcome of asking one provider.
enum Attempt {
    Created(DeviceKey),
    /// The provider is present, but the caller does not accept its class.
    NotAccepted,
    Absent(DeviceKeyError),
}

/// Why no provider made a key.
#[derive(Default)]
struct NoProtection {
    available: Vec<ProtectionClass>,
    cause: Option<OsProtectionCondition>,
}

impl NoProtection {
    fn into_error(self, policy: ProtectionPolicy) -> DeviceKeyError {
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

impl BlockingContext {
    fn create(
        &self,
        limited: &LimitedProvider,
        request: &CreateRequest,
    ) -> Result<Attempt, DeviceKeyError> {
        let available =
            limited.call("availability", |provider| provider.availability(&request.peer));
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
        let description = limited.provider.description();
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
        let remove_on_drop = RemoveOnDrop { context: self, provider: limited, key_id };
        let created = self.make(limited, &key_id, request.deadline)?;
        remove_on_drop.keep();
        Ok(Attempt::Created(DeviceKey {
            key_id,
            public_key: created.public_key,
            protection_class: description.protection_class,
            tpm_kind: created.tpm_kind,
        }))
    }

    /// Makes, proves and completes a key whose record is begun.
    fn make(
        &self,
        provider: &LimitedProvider,
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
        // The caller was already told that the creation failed.
        if Instant::now() >= deadline {
            return Err(DeviceKeyError::TimedOut);
        }
        let complete = self.inner.bindings.complete(key_id, &created, self.clock.now());
        self.bindings("complete", complete)?;
        Ok(created)
    }
}

/// A key that was begun. It is removed when this value is dropped, by an error or a panic.
struct RemoveOnDrop<'a> {
    context: &'a BlockingContext,
    provider: &'a LimitedProvider,
    key_id: DeviceKeyId,
}

impl RemoveOnDrop<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        let Self { context, provider, key_id } = self;
        let undone = context.remove(provider, key_id);
        if let Err(error) = undone {
            error!(%key_id, cause = %ErrorChain(&error), "a key whose creation failed could not be removed yet");
        }
    }
}

const fn is_absence(reason: Reason) -> bool {
    matches!(reason, Reason::HardwareUnavailable | Reason::OsProtectionUnavailable)
}
