//! Creates a key.

use std::future::pending;
use std::sync::Arc;

use device_key_types::{
    Binding, DeviceKeyId, ErrorChain, OsProtectionCondition, ProtectionClass, ProtectionPolicy,
    Reason,
};
use tracing::warn;

use super::decision::Decision;
use super::{BlockingContext, DeviceKey, DeviceKeyStore, LimitedProvider};
use crate::fair_semaphore::Requester;
use crate::{
    BindingStoreError, CreatedKey, CreatingKey, DeviceKeyError, KeyReference, LocalPeer,
    ProviderDescription, SigningInput,
};

impl DeviceKeyStore {
    /// Creates a key for one account and client, owned by the caller's user. The first provider
    /// whose protection class the caller accepts makes the key.
    ///
    /// The store records that the key is begun, the provider makes and stores it, and the key signs
    /// a constant message to prove itself. Only then is the key visible. If a step fails, the
    /// deadline passes or this future is dropped before that, the reconciler removes what there is.
    pub async fn create(
        &self,
        peer: &LocalPeer,
        binding: Binding,
        policy: ProtectionPolicy,
    ) -> Result<DeviceKey, DeviceKeyError> {
        self.create_unless(pending(), peer, binding, policy).await
    }

    /// As [`create`](Self::create), but gives the creation up when `caller_left` ends. Dropping the
    /// future does that too. The difference is that this method then tells whether the key had been
    /// completed before.
    pub async fn create_unless(
        &self,
        caller_left: impl Future<Output = ()>,
        peer: &LocalPeer,
        binding: Binding,
        policy: ProtectionPolicy,
    ) -> Result<DeviceKey, DeviceKeyError> {
        self.decided(caller_left, async |decision| {
            let request = Arc::new(CreateRequest { peer: *peer, binding, decision });
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

    /// Each step holds the turn of one resource: the provider's, or that of writes.
    async fn create_with(
        &self,
        limited: Arc<LimitedProvider>,
        request: &Arc<CreateRequest>,
    ) -> Result<Attempt, DeviceKeyError> {
        let requester = Requester::of(&request.peer);
        let permit = limited.semaphore.acquire(requester).await?;
        let (provider, asking) = (Arc::clone(&limited), Arc::clone(request));
        let available = self.holding(permit, move |_| {
            provider.call("availability", |provider| provider.availability(&asking.peer))
        });
        match available.await {
            Ok(()) => {}
            Err(error) if is_absence(error.reason()) => return Ok(Attempt::Absent(error)),
            Err(error) => return Err(error),
        }

        let permit = self.inner.writes.acquire(requester).await?;
        let (store, beginning) = (self.clone(), Arc::clone(request));
        let begun = self.holding(permit, move |context| context.begin(store, limited, &beginning));
        let begun = begun.await?;

        let permit = begun.provider.semaphore.acquire_again(requester).await?;
        let make = move |_: &BlockingContext| Ok((begun.make()?, begun));
        let (created, begun) = self.holding(permit, make).await?;

        let permit = self.inner.writes.acquire_again(requester).await?;
        let completing = Arc::clone(request);
        self.holding(permit, move |context| context.complete(begun, created, &completing)).await
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
    decision: Decision,
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
    fn begin(
        &self,
        store: DeviceKeyStore,
        provider: Arc<LimitedProvider>,
        request: &CreateRequest,
    ) -> Result<BegunKey, DeviceKeyError> {
        let mut random = [0; 32];
        self.random.fill(&mut random)?;
        let key_id = DeviceKeyId::from_random_bytes(random);
        let ProviderDescription { name, protection_class, .. } = provider.provider.description();
        let key = CreatingKey {
            key_id,
            owner: request.peer.owner(),
            binding: request.binding.clone(),
            provider: name,
            protection_class,
            created_at: self.clock.now(),
        };
        if !provider.under_way.begin_creation(key_id) {
            return Err(BindingStoreError::Conflict.into());
        }
        let begun = BegunKey { store, provider, key_id, is_complete: false };
        let keys_per_owner = self.limits().keys_per_owner;
        self.bindings("begin", self.inner.bindings.begin(&key, keys_per_owner))?;
        Ok(begun)
    }

    fn complete(
        &self,
        mut begun: BegunKey,
        created: CreatedKey,
        request: &CreateRequest,
    ) -> Result<Attempt, DeviceKeyError> {
        request.decision.take_effect()?;
        let key_id = begun.key_id;
        let complete = self.inner.bindings.complete(&key_id, &created, self.clock.now());
        if let Err(error) = self.bindings("complete", complete) {
            // The answer of the bindings may be lost although the key is complete.
            self.binding(&key_id, request.peer.owner()).map_err(|_| error)?;
        }
        begun.is_complete = true;
        let protection_class = begun.provider.provider.description().protection_class;
        let CreatedKey { public_key, tpm_kind, .. } = created;
        Ok(Attempt::Created(DeviceKey { key_id, public_key, protection_class, tpm_kind }))
    }
}

/// A key that a request is creating, from before its record exists. When this value is dropped
/// before the key is complete, the request will never complete the key, so the reconciler removes
/// it.
struct BegunKey {
    store: DeviceKeyStore,
    provider: Arc<LimitedProvider>,
    key_id: DeviceKeyId,
    is_complete: bool,
}

impl BegunKey {
    /// Makes the key and lets it prove itself.
    fn make(&self) -> Result<CreatedKey, DeviceKeyError> {
        let Self { provider, key_id, .. } = self;
        let created = provider.call("create", |provider| provider.create(key_id))?;
        let probe = SigningInput::self_test(KeyReference {
            key_id: *key_id,
            public_key: created.public_key.clone(),
            storage_parent: created.storage_parent.clone(),
        });
        let signature = provider.call("self_test", |provider| provider.sign(&probe))?;
        provider.verified(&probe, signature)?;
        Ok(created)
    }
}

impl Drop for BegunKey {
    fn drop(&mut self) {
        if self.is_complete {
            self.provider.under_way.end_creation(&self.key_id);
        } else {
            self.provider.under_way.give_creation_up(&self.key_id);
            self.store.attend(&self.provider);
        }
    }
}

const fn is_absence(reason: Reason) -> bool {
    matches!(reason, Reason::HardwareUnavailable | Reason::OsProtectionUnavailable)
}
