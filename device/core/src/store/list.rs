//! Lists a user's keys.

use super::DeviceKeyStore;
use crate::fair_semaphore::Requester;
use crate::{DeviceKeyBinding, DeviceKeyError, LocalPeer, Page};

/// A page of an owner's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys in the order of their key ids.
    pub keys: Vec<DeviceKeyBinding>,
    /// Whether there are more keys after this page.
    pub has_more: bool,
}

impl DeviceKeyStore {
    /// Lists the caller's keys. Only the bindings are read; no provider is asked.
    pub async fn list(&self, peer: &LocalPeer, page: Page) -> Result<KeyPage, DeviceKeyError> {
        let owner = peer.owner();
        // One key more than the page holds tells whether there is another page.
        let one_more = Page { limit: page.limit.saturating_add(1), ..page };
        self.in_time(async |_| {
            let mut keys = self
                .look_up(Requester::of(peer), move |context| {
                    context.bindings("list", context.bindings.list(owner, &one_more))
                })
                .await?;
            let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
            let has_more = keys.len() > limit;
            keys.truncate(limit);
            Ok(KeyPage { keys, has_more })
        })
        .await
    }
}
