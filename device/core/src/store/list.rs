//! Lists a user's keys.

use super::DeviceKeyStore;
use crate::fair_semaphore::Requester;
use crate::{DeviceKeyBinding, DeviceKeyError, Listing, LocalPeer, Page};

/// A page of an owner's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys in the order of their key ids.
    pub keys: Vec<DeviceKeyBinding>,
    /// Whether there are more keys after this page.
    pub has_more: bool,
}

impl DeviceKeyStore {
    /// Lists the caller's keys. Only the bindings are read; no provider is asked. The turn is given
    /// back between the bounded reads of a long list, so a list delays nobody else.
    pub async fn list(&self, peer: &LocalPeer, page: Page) -> Result<KeyPage, DeviceKeyError> {
        let owner = peer.owner();
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        // One key more than the page holds tells whether there is another page.
        let mut rest = Page { limit: page.limit.saturating_add(1), ..page };
        self.in_time(async move {
            let mut keys = Vec::new();
            loop {
                let asked = rest.clone();
                let read = self.look_up(Requester::of(peer), move |context| {
                    context.bindings("list", context.bindings.list(owner, &asked))
                });
                let Listing { keys: found, unread_after } = read.await?;
                let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
                rest.limit = rest.limit.saturating_sub(count);
                rest.after = unread_after;
                keys.extend(found);
                if rest.after.is_none() || rest.limit == 0 {
                    break;
                }
            }
            let has_more = keys.len() > limit;
            keys.truncate(limit);
            Ok(KeyPage { keys, has_more })
        })
        .await
    }
}
