//! What is under way for the keys of one provider: creations, and the work of the reconciler.

use std::collections::BTreeSet;

use device_key_types::DeviceKeyId;
use tokio::sync::watch;

/// Shared by the creations and the reconciler of one provider.
pub(super) struct UnderWay(watch::Sender<Progress>);

/// What is under way at a moment.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The keys that requests of this process are creating.
    creations: BTreeSet<DeviceKeyId>,
    /// Whether there may be a record that the reconciler has not seen.
    is_woken: bool,
    reconciler: Reconciler,
    /// How many keys the reconciler could not remove.
    left: usize,
}

/// What the reconciler's task does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reconciler {
    /// There is no task.
    #[default]
    Absent,
    Working,
    /// The task waits until it tries again.
    Waiting,
}

impl Progress {
    pub(super) const fn is_woken(&self) -> bool {
        self.is_woken
    }

    /// Whether the reconciler has tried everything that it knows of.
    pub(super) fn is_reconciled(&self) -> bool {
        !self.is_woken && self.reconciler != Reconciler::Working
    }

    /// Whether, in addition, no creation is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.is_reconciled() && self.creations.is_empty()
    }
}

impl UnderWay {
    pub(super) fn new() -> Self {
        Self(watch::Sender::default())
    }

    /// Whether a request of this process is creating this key.
    pub(super) fn creates(&self, key_id: &DeviceKeyId) -> bool {
        self.0.borrow().creations.contains(key_id)
    }

    /// Notes that a request creates this key. `false` if another request does.
    pub(super) fn begin_creation(&self, key_id: DeviceKeyId) -> bool {
        self.change(|progress| progress.creations.insert(key_id))
    }

    /// The request has completed the key.
    pub(super) fn end_creation(&self, key_id: &DeviceKeyId) {
        self.change(|progress| progress.creations.remove(key_id));
    }

    /// The request will never complete the key, so the reconciler is woken. Both happen at once, so
    /// nobody sees the work neither under way nor to be done.
    pub(super) fn give_creation_up(&self, key_id: &DeviceKeyId) {
        self.change(|progress| {
            progress.creations.remove(key_id);
            progress.is_woken = true;
        });
    }

    /// Waits for a condition, and returns how many keys the reconciler could not remove.
    pub(super) async fn wait_until(&self, is_so: impl FnMut(&Progress) -> bool) -> usize {
        // Never fails, because this value has the sender.
        self.0.subscribe().wait_for(is_so).await.map_or(0, |progress| progress.left)
    }

    /// Tells the reconciler to look at the records.
    pub(super) fn wake(&self) {
        self.change(|progress| progress.is_woken = true);
    }

    /// Begins a task of the reconciler, if there is work and no task. The task waits for changes
    /// with the receiver.
    pub(super) fn begin_task(&self) -> Option<watch::Receiver<Progress>> {
        let begins = self.change(|progress| {
            let begins = progress.is_woken && progress.reconciler == Reconciler::Absent;
            if begins {
                progress.reconciler = Reconciler::Working;
            }
            begins
        });
        begins.then(|| self.0.subscribe())
    }

    /// The task is about to read the records.
    pub(super) fn begin_pass(&self) {
        self.change(|progress| {
            progress.is_woken = false;
            progress.reconciler = Reconciler::Working;
        });
    }

    /// The task has tried what it could. Returns whether the task goes on, because of what is left
    /// or because it was woken meanwhile.
    pub(super) fn end_pass(&self, left: usize) -> bool {
        self.change(|progress| {
            progress.left = left;
            let goes_on = progress.is_woken || left > 0;
            progress.reconciler = if goes_on { Reconciler::Waiting } else { Reconciler::Absent };
            goes_on
        })
    }

    /// The task ended before its work did.
    pub(super) fn interrupt(&self) {
        self.change(|progress| {
            progress.is_woken = true;
            progress.reconciler = Reconciler::Absent;
        });
    }

    /// Changes the progress and tells those who wait for a change.
    fn change<T: Default>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let mut result = T::default();
        self.0.send_modify(|progress| result = change(progress));
        result
    }
}
