//! [`DeviceKeyStore`], with one file for each operation.

mod administer;
mod attest;
mod create;
mod decision;
mod delete;
mod limits;
mod list;
mod public;
mod reconcile;
mod sign;
mod under_way;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use device_key_types::{
    Clock, DeviceKeyId, OsProtectionCondition, ProtectionClass, PublicKey, RandomSource, Reason,
    TpmKind,
};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::{Span, debug_span, field, info_span};

pub use limits::StoreLimits;
pub use list::KeyPage;
pub use sign::SignedStatement;

use self::under_way::UnderWay;
use crate::fair_semaphore::{FairSemaphore, Permit, Requester};
use crate::{
    BindingStoreError, DeviceKeyBinding, DeviceKeyBindingStore, DeviceKeyError, DeviceKeyProvider,
    LocalPeer, OwnerUid, ProviderDescription, ProviderError, ProviderErrorKind,
    RemoteControlPolicy,
};

/// The parts from which a [`DeviceKeyStore`] is built.
pub struct Parts {
    /// Which statements may be addressed to which backend.
    pub policy: RemoteControlPolicy,
    /// How many keys and waiting operations there may be.
    pub limits: StoreLimits,
    /// The clock that expiries are compared with.
    pub clock: Arc<dyn Clock>,
    /// The source of key ids.
    pub random: Arc<dyn RandomSource>,
    /// The store of bindings.
    pub bindings: Arc<dyn DeviceKeyBindingStore>,
    /// The providers, strongest protection first.
    pub providers: Vec<Arc<dyn DeviceKeyProvider>>,
}

/// Creates device keys and signs structured statements with them. Cheap to clone.
///
/// The synchronous work of a request, from binding to provider, runs on the blocking pool of the
/// caller's Tokio runtime, whose time driver must be enabled. A request that has to wait for a
/// provider or for the bindings waits in a fair order and holds no thread, so a provider that takes
/// a minute delays only its own callers.
#[derive(Clone)]
pub struct DeviceKeyStore {
    inner: Arc<Inner>,
}

/// A key as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The public key.
    pub public_key: PublicKey,
    /// What protects the private key.
    pub protection_class: ProtectionClass,
    /// The kind of TPM that made the key, for TPM keys.
    pub tpm_kind: Option<TpmKind>,
}

/// Whether a caller can use a provider, as far as the provider knows without asking the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    /// The provider.
    pub provider: ProviderDescription,
    /// Why the caller cannot use the provider; `None` if no reason is known.
    pub unavailable: Option<ProviderErrorKind>,
}

struct Inner {
    policy: RwLock<Arc<RemoteControlPolicy>>,
    limits: RwLock<StoreLimits>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    bindings: Arc<dyn DeviceKeyBindingStore>,
    look_ups: Arc<FairSemaphore>,
    writes: Arc<FairSemaphore>,
    providers: Vec<Arc<LimitedProvider>>,
}

struct LimitedProvider {
    provider: Arc<dyn DeviceKeyProvider>,
    semaphore: Arc<FairSemaphore>,
    under_way: UnderWay,
}

impl LimitedProvider {
    fn new(provider: Arc<dyn DeviceKeyProvider>, limits: &StoreLimits) -> Arc<Self> {
        let ProviderDescription { name, concurrency, .. } = provider.description();
        let semaphore = FairSemaphore::new(name, concurrency, limits.waiting_for_provider());
        Arc::new(Self { provider, semaphore, under_way: UnderWay::new() })
    }

    /// Fails if this caller may not use the provider's keys. Makes no system call.
    fn require_service_of(&self, caller: &LocalPeer) -> Result<(), DeviceKeyError> {
        let name = self.provider.description().name;
        let serves = self.provider.serves(caller);
        serves.map_err(|source| DeviceKeyError::Provider { name, source })
    }

    /// Runs one platform call in a span of its own.
    fn call<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&dyn DeviceKeyProvider) -> Result<T, ProviderError>,
    ) -> Result<T, DeviceKeyError> {
        let name = self.provider.description().name;
        let span =
            info_span!("provider", operation, provider = name, reason = field::Empty).entered();
        call(&*self.provider).map_err(|source| {
            span.record("reason", source.kind().reason().as_str());
            DeviceKeyError::Provider { name, source }
        })
    }
}

impl DeviceKeyStore {
    /// Builds a store from its parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { policy, limits, clock, random, bindings, providers } = parts;
        let limited = |provider| LimitedProvider::new(provider, &limits);
        let providers = providers.into_iter().map(limited).collect();
        let waiting = limits::WAITING_FOR_BINDINGS;
        let look_ups = FairSemaphore::new("look_ups", limits::LOOK_UPS, waiting);
        let writes = FairSemaphore::new("writes", limits::WRITES, waiting);
        let (policy, limits) = (RwLock::new(Arc::new(policy)), RwLock::new(limits));
        let inner = Inner { policy, limits, clock, random, bindings, look_ups, writes, providers };
        Self { inner: Arc::new(inner) }
    }

    /// Decides with this policy and these limits from now on. A request that is under way may still
    /// pass under the policy or the limits of before.
    pub fn reconfigure(&self, policy: RemoteControlPolicy, limits: StoreLimits) {
        *self.inner.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        *self.inner.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        for limited in &self.inner.providers {
            limited.semaphore.set_limits(limits.waiting_for_provider());
        }
    }

    /// The policy, with which a caller parses payloads in the protocol's order of checks.
    pub fn policy(&self) -> Arc<RemoteControlPolicy> {
        self.inner.policy()
    }

    /// The clock that expiries are compared with.
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    /// The status of each provider for this caller. No key device is asked.
    pub fn providers(&self, peer: &LocalPeer) -> Vec<ProviderStatus> {
        let status = |limited: &Arc<LimitedProvider>| ProviderStatus {
            provider: limited.provider.description(),
            unavailable: limited.provider.presence(peer).err().map(|error| error.kind()),
        };
        self.inner.providers.iter().map(status).collect()
    }

    /// Whether a key could be recorded now. Each call writes to the disk.
    pub async fn is_writable(&self) -> bool {
        let check = async {
            let permit = self.inner.writes.acquire(Requester::service()).await?;
            self.holding(permit, |context| {
                context.bindings("check_write", context.inner.bindings.check_write())
            })
            .await
        };
        self.in_time(check).await.is_ok()
    }

    /// Runs an operation that only reads or signs, until its deadline. Work that already runs on a
    /// thread goes on there and keeps its permit until it ends, but its result is dropped.
    async fn in_time<T>(
        &self,
        operation: impl Future<Output = Result<T, DeviceKeyError>>,
    ) -> Result<T, DeviceKeyError> {
        timeout(self.inner.limits().operation, operation)
            .await
            .unwrap_or(Err(DeviceKeyError::TimedOut))
    }

    /// The binding of the caller's key, on this thread if the binding can be read without waiting.
    async fn binding(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
    ) -> Result<DeviceKeyBinding, DeviceKeyError> {
        let (owner, key_id) = (peer.owner(), *key_id);
        if let Some(binding) = self.inner.bindings.get_now(&key_id, owner) {
            return Ok(binding);
        }
        self.look_up(Requester::of(peer), move |context| context.binding(&key_id, owner)).await
    }

    /// Runs an operation of a provider with the caller's key. If the provider finds the key lost,
    /// the binding is looked up again, because somebody may have deleted the key in between. A
    /// caller that is told that its key is lost replaces the key, so it must not be told in error.
    async fn with_key<T>(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
        operation: impl Future<Output = Result<T, DeviceKeyError>>,
    ) -> Result<T, DeviceKeyError> {
        let done = operation.await;
        if done.as_ref().is_err_and(|error| error.reason() == Reason::KeyLost) {
            self.binding(peer, key_id).await?;
        }
        done
    }

    /// Runs synchronous work that reads bindings, once it has a permit for look-ups.
    async fn look_up<T: Send + 'static>(
        &self,
        requester: Requester,
        work: impl FnOnce(&BlockingContext) -> Result<T, DeviceKeyError> + Send + 'static,
    ) -> Result<T, DeviceKeyError> {
        let permit = self.inner.look_ups.acquire(requester).await?;
        self.holding(permit, work).await
    }

    /// Runs synchronous work that holds this permit and no other, until the work ends.
    async fn holding<T: Send + 'static>(
        &self,
        permit: Permit,
        work: impl FnOnce(&BlockingContext) -> Result<T, DeviceKeyError> + Send + 'static,
    ) -> Result<T, DeviceKeyError> {
        self.blocking(move |context| {
            let done = work(context);
            drop(permit);
            done
        })
        .await
    }

    /// Runs synchronous work off the async threads, in the caller's span.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BlockingContext) -> Result<T, DeviceKeyError> + Send + 'static,
    ) -> Result<T, DeviceKeyError> {
        let context =
            BlockingContext { inner: Arc::clone(&self.inner), runtime: Handle::current() };
        let span = Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(|| work(&context)))
            .await
            .unwrap_or_else(|panic| Err(DeviceKeyError::Internal(panic.into())))
    }
}

impl fmt::Debug for DeviceKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |limited: &Arc<LimitedProvider>| limited.provider.description().name;
        let providers: Vec<_> = self.inner.providers.iter().map(name).collect();
        f.debug_struct("DeviceKeyStore").field("providers", &providers).finish_non_exhaustive()
    }
}

/// What the part of a request that runs on a blocking thread needs.
struct BlockingContext {
    inner: Arc<Inner>,
    runtime: Handle,
}

impl std::ops::Deref for BlockingContext {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl BlockingContext {
    /// Runs one call of the binding store to its end, in a span of its own.
    fn bindings<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, BindingStoreError>>,
    ) -> Result<T, DeviceKeyError> {
        let _span = debug_span!("bindings", operation).entered();
        Ok(self.runtime.block_on(call)?)
    }

    /// The binding of the owner's key. A key of another owner is `KeyNotFound` too, so that nobody
    /// learns that it exists.
    fn binding(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<DeviceKeyBinding, DeviceKeyError> {
        let found = self.bindings("get", self.inner.bindings.get(key_id, owner))?;
        found.ok_or(DeviceKeyError::KeyNotFound)
    }

    /// Fails if the key was deleted or bound anew while the platform worked. The result of that
    /// work must then not be returned.
    fn still_bound(
        &self,
        key_id: &DeviceKeyId,
        peer: &LocalPeer,
        used: &DeviceKeyBinding,
    ) -> Result<(), DeviceKeyError> {
        let now = self.binding(key_id, peer.owner())?;
        if now.binding == used.binding && now.reference() == used.reference() {
            Ok(())
        } else {
            Err(DeviceKeyError::BindingMismatch)
        }
    }
}

impl Inner {
    fn policy(&self) -> Arc<RemoteControlPolicy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn limits(&self) -> StoreLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider that made the key. If that provider is absent, the error names the key's class.
    fn provider(
        &self,
        binding: &DeviceKeyBinding,
    ) -> Result<&Arc<LimitedProvider>, DeviceKeyError> {
        self.provider_named(&binding.provider)
            .ok_or_else(|| no_protection(binding.protection_class))
    }

    fn provider_named(&self, name: &str) -> Option<&Arc<LimitedProvider>> {
        self.providers.iter().find(|limited| limited.provider.description().name == name)
    }

    /// Fails if there is no provider at all. Without a provider every call fails in this way.
    fn require_any_provider(&self) -> Result<(), DeviceKeyError> {
        if self.providers.is_empty() {
            return Err(no_protection(ProtectionClass::HardwareTpm));
        }
        Ok(())
    }
}

fn no_protection(class: ProtectionClass) -> DeviceKeyError {
    let reason = if class.is_hardware() {
        Reason::HardwareUnavailable
    } else {
        Reason::OsProtectionUnavailable
    };
    let cause = (!class.is_hardware()).then_some(OsProtectionCondition::NotConfigured);
    DeviceKeyError::NoProtection { reason, available: Vec::new(), cause }
}
