use super::DeviceKeyStore;
use crate::{DeviceKeyBinding, DeviceKeyError, LocalPeer, Page};

/// A page of an owner's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// In the order of their key ids.
    pub keys: Vec<DeviceKeyBinding>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

impl DeviceKeyStore {
    /// The caller's keys, from their bindings alone.
    pub async fn list(&self, peer: &LocalPeer, page: Page) -> Result<KeyPage, DeviceKeyError> {
        let owner = peer.owner();
        // One more than asked for tells whether there are more.
        let one_more = Page { limit: page.limit.saturating_add(1), ..page };
        self.in_time(async |_| {
            let mut keys = self
                .looking_up(peer, move |hop, _turn| {
                    hop.bindings("list", hop.bindings.list(owner, &one_more))
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
