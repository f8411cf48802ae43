//! [`DeviceKeyStore`]: one operation a file.

mod create;
mod public;
mod recover;
mod sign;

use std::{fmt, sync::Arc};

use device_key_types::{
    DeviceKeyId, OsProtectionCondition, ProtectionClass, PublicKey, Reason, TpmKind,
};
use tokio::runtime::Handle;
use tracing::{Span, debug_span, info_span};

pub use recover::Recovery;
pub use sign::SignedStatement;

use crate::{
    Clock, DeviceKeyBinding, DeviceKeyBindingStore, DeviceKeyError, DeviceKeyProvider, LocalPeer,
    OwnerUid, ProviderDescription, ProviderError, ProviderErrorKind, RandomSource,
    RemoteControlPolicy, lane::Lane,
};

/// What a [`DeviceKeyStore`] is put together from.
pub struct Parts {
    /// Which statements may go where.
    pub policy: RemoteControlPolicy,
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
/// The synchronous work of a request, from binding to provider, runs in one hop to the blocking
/// pool of the Tokio runtime it is called on, so a provider that takes a minute holds nothing up
/// but its own lane.
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
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    bindings: Arc<dyn DeviceKeyBindingStore>,
    providers: Vec<Arc<LanedProvider>>,
}

struct LanedProvider {
    provider: Arc<dyn DeviceKeyProvider>,
    lane: Lane,
}

impl LanedProvider {
    /// Runs one platform call in a span of its own.
    fn call<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&dyn DeviceKeyProvider) -> Result<T, ProviderError>,
    ) -> Result<T, DeviceKeyError> {
        let name = self.provider.description().name;
        let _span = info_span!("provider", operation, provider = name).entered();
        call(&*self.provider).map_err(|source| DeviceKeyError::Provider { name, source })
    }
}

impl DeviceKeyStore {
    /// Puts a store together.
    pub fn new(parts: Parts) -> Self {
        let laned = |provider: Arc<dyn DeviceKeyProvider>| {
            let lane = Lane::new(provider.description().concurrency);
            Arc::new(LanedProvider { provider, lane })
        };
        Self {
            inner: Arc::new(Inner {
                policy: parts.policy,
                clock: parts.clock,
                random: parts.random,
                bindings: parts.bindings,
                providers: parts.providers.into_iter().map(laned).collect(),
            }),
        }
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

    /// Runs the synchronous work of a request off the async threads, in the caller's span.
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
        call: impl Future<Output = Result<T, crate::BindingStoreError>>,
    ) -> Result<T, DeviceKeyError> {
        let _span = debug_span!("bindings", operation).entered();
        Ok(self.runtime.block_on(call)?)
    }

    /// The binding of the owner's key; nobody learns whether another owner has one.
    fn binding(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<DeviceKeyBinding, DeviceKeyError> {
        self.bindings("get", self.inner.bindings.get(key_id, owner))?
            .ok_or(DeviceKeyError::KeyNotFound)
    }

    /// The provider that made a key, or its absence as the reason that its class has for that.
    fn provider(&self, binding: &DeviceKeyBinding) -> Result<&LanedProvider, DeviceKeyError> {
        self.provider_named(&binding.provider)
            .ok_or_else(|| no_protection(binding.protection_class))
    }

    fn provider_named(&self, name: &str) -> Option<&LanedProvider> {
        let mut providers = self.inner.providers.iter().map(|laned| &**laned);
        providers.find(|laned| laned.provider.description().name == name)
    }

    /// Without any provider nothing works here, and every call says so in the same way.
    fn require_any_provider(&self) -> Result<(), DeviceKeyError> {
        if self.inner.providers.is_empty() {
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
