//! The reconciler, which removes each key that was deleted or whose creation did not come to its
//! end.
//!
//! It knows nothing but the records and which creations are under way. An operation that fails, or
//! that nobody waits for any more, leaves its record as it is and wakes the reconciler.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use device_key_types::{DeviceKeyId, ErrorChain};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use super::under_way::Progress;
use super::{DeviceKeyStore, Inner, LimitedProvider};
use crate::fair_semaphore::Requester;
use crate::{AbandonedKey, DeviceKeyError, KeyPhase};

/// How long the reconciler waits before it tries again to remove a key. Each failure doubles the
/// time, up to the second figure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How long the reconciler waits if it cannot list the keys to remove.
const PAUSE_WITHOUT_LIST: Duration = Duration::from_mins(1);

impl DeviceKeyStore {
    /// Removes what interrupted creations and deletions left, also those of processes that have
    /// ended, and returns how many keys are left. Call this once at start. Requests may be served
    /// meanwhile, because a key that a live process is creating is never touched.
    ///
    /// The reconciler goes on trying in the background, as long as the store and the runtime exist,
    /// except for keys of providers that this store does not have.
    pub async fn recover(&self) -> Result<usize, DeviceKeyError> {
        self.inner.providers.iter().for_each(|limited| self.reconcile(limited));
        let records = self.blocking(|context| {
            context.bindings("abandoned", context.bindings.abandoned(&|_| true))
        });
        let mut left = 0;
        for AbandonedKey { key_id, provider, .. } in records.await? {
            if self.inner.provider_named(&provider).is_none() {
                warn!(%key_id, provider = &*provider, "a key cannot be removed without its provider");
                left += 1;
            }
        }
        for limited in &self.inner.providers {
            left += limited.under_way.wait_until(Progress::is_reconciled).await;
        }
        Ok(left)
    }

    /// Waits until no creation is under way and the reconciler has tried to remove each key that is
    /// to be removed. Returns how many of these keys are left, because their providers or the
    /// bindings failed.
    ///
    /// A process that ends soon calls this, within a time limit of its own. The next start does
    /// what is not finished by then.
    pub async fn settled(&self) -> usize {
        let mut left = 0;
        for limited in &self.inner.providers {
            self.attend(limited);
            left += limited.under_way.wait_until(Progress::is_settled).await;
        }
        left
    }

    /// Wakes the reconciler for the keys of this provider. Keys of one provider do not wait for
    /// those of another.
    pub(super) fn reconcile(&self, limited: &LimitedProvider) {
        limited.under_way.wake();
        self.attend(limited);
    }

    /// Starts the reconciler's task if it is needed. Outside a runtime, [`Self::settled`] or the
    /// next start does the work.
    pub(super) fn attend(&self, limited: &LimitedProvider) {
        let Ok(runtime) = Handle::try_current() else { return };
        if let Some(woken) = limited.under_way.begin_task() {
            let name = limited.provider.description().name;
            runtime.spawn(Reconciler { store: Arc::downgrade(&self.inner), name }.run(woken));
        }
    }

    /// Removes the key material of a hidden key, and then its record. The record stays until the
    /// material is gone.
    async fn remove(
        &self,
        provider: &Arc<LimitedProvider>,
        key_id: DeviceKeyId,
    ) -> Result<(), DeviceKeyError> {
        let requester = Requester::service();
        let permit = provider.semaphore.acquire_again(requester).await?;
        let asked = Arc::clone(provider);
        self.holding(permit, move |_| asked.call("delete", |provider| provider.delete(&key_id)))
            .await?;
        let permit = self.inner.writes.acquire_again(requester).await?;
        self.holding(permit, move |context| {
            context.bindings("remove", context.inner.bindings.remove(&key_id))
        })
        .await
    }
}

/// The task that removes keys of one provider. It ends when no key is left to remove. While it
/// waits, it does not keep the store.
struct Reconciler {
    store: Weak<Inner>,
    name: &'static str,
}

/// The keys that could not be removed.
type Failures = BTreeMap<DeviceKeyId, Failure>;

struct Failure {
    pause: Duration,
    next_try: Instant,
}

impl Reconciler {
    async fn run(mut self, mut woken: watch::Receiver<Progress>) {
        let mut failures = Failures::new();
        while let Some((store, limited)) = self.store() {
            limited.under_way.begin_pass();
            let next_try = pass(&store, &limited, &mut failures).await;
            let left = next_try.map_or(0, |_| failures.len().max(1));
            if !limited.under_way.end_pass(left) {
                // This task is not the reconciler's task any more.
                self.store = Weak::new();
            }
            drop((store, limited));
            if let Some(next_try) = next_try {
                let _ = timeout_at(next_try, woken.wait_for(Progress::is_woken)).await.is_ok();
            }
        }
    }

    fn store(&self) -> Option<(DeviceKeyStore, Arc<LimitedProvider>)> {
        let inner = self.store.upgrade()?;
        let limited = Arc::clone(inner.provider_named(self.name)?);
        Some((DeviceKeyStore { inner }, limited))
    }
}

impl Drop for Reconciler {
    /// The runtime may end before the work does.
    fn drop(&mut self) {
        if let Some((_, limited)) = self.store() {
            limited.under_way.interrupt();
        }
    }
}

/// Tries to remove each key whose time has come. Returns the time of the next attempt, if there has
/// to be one.
async fn pass(
    store: &DeviceKeyStore,
    limited: &Arc<LimitedProvider>,
    failures: &mut Failures,
) -> Option<Instant> {
    let searched = Arc::clone(limited);
    let records = store.blocking(move |context| {
        let is_being_created = |key_id: &DeviceKeyId| searched.under_way.creates(key_id);
        context.bindings("abandoned", context.bindings.abandoned(&is_being_created))
    });
    let mut records = match records.await {
        Ok(records) => records,
        Err(error) => {
            warn!(cause = %ErrorChain(&error), "the keys to remove cannot be listed yet");
            return Some(Instant::now() + PAUSE_WITHOUT_LIST);
        }
    };
    let name = limited.provider.description().name;
    records.retain(|record| &*record.provider == name);
    failures.retain(|key_id, _| records.iter().any(|record| record.key_id == *key_id));
    for AbandonedKey { key_id, phase, .. } in records {
        if failures.get(&key_id).is_some_and(|failure| Instant::now() < failure.next_try) {
            continue;
        }
        match store.remove(limited, key_id).await {
            Ok(()) => {
                failures.remove(&key_id);
                if phase == KeyPhase::Creating {
                    info!(%key_id, "undid a creation that did not come to its end");
                }
            }
            Err(error) => {
                let cause = ErrorChain(&error);
                if failures.contains_key(&key_id) {
                    debug!(%key_id, %cause, "a key still cannot be removed");
                } else {
                    warn!(%key_id, %cause, "a key cannot be removed yet");
                }
                let now = Instant::now();
                let first = Failure { pause: FIRST_PAUSE, next_try: now };
                let failure = failures.entry(key_id).or_insert(first);
                failure.next_try = now + failure.pause;
                failure.pause = LONGEST_PAUSE.min(failure.pause * 2);
            }
        }
    }
    failures.values().map(|failure| failure.next_try).min()
}
