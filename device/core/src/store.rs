//! [`DeviceKeyStore`]: one operation a file.

mod attest;
mod create;
mod delete;
mod limits;
mod list;
mod public;
mod recover;
mod sign;

use std::{fmt, sync::Arc};

use device_key_types::{
    Clock, DeviceKeyId, OsProtectionCondition, ProtectionClass, PublicKey, RandomSource, Reason,
    TpmKind,
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};
use tracing::{Instrument as _, Span, debug_span, field, info_span};

pub use limits::StoreLimits;
pub use list::KeyPage;
pub use recover::Recovery;
pub use sign::SignedStatement;

use crate::{
    BindingStoreError, DeviceKeyBinding, DeviceKeyBindingStore, DeviceKeyError, DeviceKeyProvider,
    LocalPeer, OwnerUid, ProviderDescription, ProviderError, ProviderErrorKind,
    RemoteControlPolicy,
    lane::{Claimant, Lane, Turn},
};

/// What a [`DeviceKeyStore`] is put together from.
pub struct Parts {
    /// Which statements may go where.
    pub policy: RemoteControlPolicy,
    /// How much one may have at a time.
    pub limits: StoreLimits,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where key ids come from.
    pub random: Arc<dyn RandomSource>,
    /// Where bindings are kept.
    pub bindings: Arc<dyn DeviceKeyBindingStore>,
    /// Where keys are kept, strongest protection first.
    pub providers: Vec<Arc<dyn DeviceKeyProvider>>,
}

/// Creates device keys and signs structured statements with them. Cheap to clone.
///
/// The synchronous work of a request, from binding to provider, runs on the blocking pool of the
/// Tokio runtime it is called on, whose time driver must be enabled. Who has to wait, for a
/// provider or for the bindings, waits in a fair order and holds no thread, so a provider that
/// takes a minute holds nothing up but its own lane.
#[derive(Clone)]
pub struct DeviceKeyStore {
    inner: Arc<Inner>,
}

/// A key as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// Its public part.
    pub public_key: PublicKey,
    /// What protects it.
    pub protection_class: ProtectionClass,
    /// The kind of TPM that made it, for TPM keys.
    pub tpm_kind: Option<TpmKind>,
}

/// Whether a caller can use a provider, as far as that is known without asking the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    /// What the provider is.
    pub provider: ProviderDescription,
    /// `None` if nothing speaks against it.
    pub unavailable: Option<ProviderErrorKind>,
}

struct Inner {
    policy: RemoteControlPolicy,
    limits: StoreLimits,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    bindings: Arc<dyn DeviceKeyBindingStore>,
    look_ups: Arc<Lane>,
    providers: Vec<Arc<LanedProvider>>,
}

struct LanedProvider {
    provider: Arc<dyn DeviceKeyProvider>,
    lane: Arc<Lane>,
}

impl LanedProvider {
    fn new(provider: Arc<dyn DeviceKeyProvider>, limits: &StoreLimits) -> Arc<Self> {
        let ProviderDescription { name, concurrency, .. } = provider.description();
        let lane = Lane::new(name, concurrency, limits.waiting_for_provider());
        Arc::new(Self { provider, lane })
    }

    /// Whether this caller may use the provider's keys, as far as is known without a system call.
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
    /// Puts a store together.
    pub fn new(parts: Parts) -> Self {
        let Parts { policy, limits, clock, random, bindings, providers } = parts;
        let laned = |provider| LanedProvider::new(provider, &limits);
        let providers = providers.into_iter().map(laned).collect();
        let look_ups = Lane::new("look_ups", limits::LOOK_UPS, limits::WAITING_FOR_LOOK_UPS);
        let inner = Inner { policy, limits, clock, random, bindings, look_ups, providers };
        Self { inner: Arc::new(inner) }
    }

    /// The policy, for parsing payloads in the order of checks.
    pub fn policy(&self) -> &RemoteControlPolicy {
        &self.inner.policy
    }

    /// The clock that expiries are held against.
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    /// What is known of each provider for this caller without asking its key device.
    pub fn providers(&self, peer: &LocalPeer) -> Vec<ProviderStatus> {
        let status = |laned: &Arc<LanedProvider>| ProviderStatus {
            provider: laned.provider.description(),
            unavailable: laned.provider.presence(peer).err().map(|error| error.kind()),
        };
        self.inner.providers.iter().map(status).collect()
    }

    /// Runs an operation up to its deadline. What it had begun on a thread goes on there, keeps its
    /// turn until it is done, and gives nothing out.
    async fn in_time<T>(
        &self,
        operation: impl AsyncFnOnce(Instant) -> Result<T, DeviceKeyError>,
    ) -> Result<T, DeviceKeyError> {
        let deadline = Instant::now() + self.inner.limits.operation;
        timeout_at(deadline, operation(deadline)).await.unwrap_or(Err(DeviceKeyError::TimedOut))
    }

    /// Runs synchronous work that looks bindings up, in turn with everybody else's.
    async fn looking_up<T: Send + 'static>(
        &self,
        peer: &LocalPeer,
        work: impl FnOnce(&BlockingHop, Turn) -> Result<T, DeviceKeyError> + Send + 'static,
    ) -> Result<T, DeviceKeyError> {
        let turn = self.inner.look_ups.enter(Claimant::of(peer)).await?;
        self.blocking(move |hop| work(hop, turn)).await
    }

    /// Runs synchronous work off the async threads, in the caller's span.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BlockingHop) -> Result<T, DeviceKeyError> + Send + 'static,
    ) -> Result<T, DeviceKeyError> {
        let hop = BlockingHop { inner: Arc::clone(&self.inner), runtime: Handle::current() };
        let span = Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(|| work(&hop)))
            .await
            .unwrap_or_else(|panic| Err(DeviceKeyError::Internal(panic.into())))
    }
}

impl fmt::Debug for DeviceKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |laned: &Arc<LanedProvider>| laned.provider.description().name;
        let providers: Vec<_> = self.inner.providers.iter().map(name).collect();
        f.debug_struct("DeviceKeyStore").field("providers", &providers).finish_non_exhaustive()
    }
}

/// The blocking side of a request.
struct BlockingHop {
    inner: Arc<Inner>,
    runtime: Handle,
}

impl std::ops::Deref for BlockingHop {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl BlockingHop {
    /// Drives one call of the binding store, in a span of its own.
    fn bindings<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, BindingStoreError>>,
    ) -> Result<T, DeviceKeyError> {
        let _span = debug_span!("bindings", operation).entered();
        Ok(self.runtime.block_on(call)?)
    }

    /// As [`Inner::binding`].
    fn binding(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<DeviceKeyBinding, DeviceKeyError> {
        self.runtime.block_on(self.inner.binding(key_id, owner))
    }
}

impl Inner {
    /// The binding of the owner's key; nobody learns whether another owner has one.
    async fn binding(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<DeviceKeyBinding, DeviceKeyError> {
        let span = debug_span!("bindings", operation = "get");
        let found = self.bindings.get(key_id, owner).instrument(span).await?;
        found.ok_or(DeviceKeyError::KeyNotFound)
    }

    /// The platform may have taken its time: what a key that was deleted meanwhile made is not given
    /// out.
    async fn still_bound(
        &self,
        key_id: &DeviceKeyId,
        peer: &LocalPeer,
        used: &DeviceKeyBinding,
    ) -> Result<(), DeviceKeyError> {
        let now = self.binding(key_id, peer.owner()).await?;
        if now.binding == used.binding && now.reference() == used.reference() {
            Ok(())
        } else {
            Err(DeviceKeyError::BindingMismatch)
        }
    }

    /// The provider that made a key, or its absence as the reason that its class has for that.
    fn provider(&self, binding: &DeviceKeyBinding) -> Result<&Arc<LanedProvider>, DeviceKeyError> {
        self.provider_named(&binding.provider)
            .ok_or_else(|| no_protection(binding.protection_class))
    }

    fn provider_named(&self, name: &str) -> Option<&Arc<LanedProvider>> {
        self.providers.iter().find(|laned| laned.provider.description().name == name)
    }

    /// Without any provider nothing works here, and every call says so in the same way.
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
