//! `device/key/admin/list` and `device/key/admin/purge`, for root on the service's Unix socket.

use device_key_types::{Field, Reason};
use serde::{Deserialize, Serialize};

use crate::rpc_error::RpcError;

/// Lists the users who have keys, page by page.
pub const LIST: &str = "device/key/admin/list";
/// Deletes all keys of a user.
pub const PURGE: &str = "device/key/admin/purge";

/// The most users on a page.
pub const MAX_PAGE: u32 = 1000;

/// Params of [`LIST`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AdminListParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

impl AdminListParams {
    /// Asks for all users, or for one user: for the first page, or for the page that `cursor` leads
    /// to.
    pub const fn new(uid: Option<u32>, cursor: Option<String>) -> Self {
        Self { uid, cursor }
    }

    /// Checks the cursor. Returns the first and the last user id to list.
    pub fn parse(&self) -> Result<(u32, u32), RpcError> {
        let after = self.cursor.as_deref().map(str::parse::<u32>).transpose();
        let after = after.map_err(|_| RpcError::in_field(Reason::InvalidCursor, Field::Cursor))?;
        let first = after.map_or(0, |after| after.saturating_add(1));
        Ok(match self.uid {
            Some(uid) => (uid.max(first), uid),
            None => (first, u32::MAX),
        })
    }
}

/// Result of [`LIST`]: a page of users.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminListResult {
    /// The users who have keys, in ascending order of their user ids.
    pub users: Vec<UserKeys>,
    /// The cursor of the next page, if there is one. Its content is opaque to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl AdminListResult {
    /// A page. If it is full, another page may follow.
    pub fn new(users: Vec<UserKeys>) -> Self {
        let is_full = u32::try_from(users.len()).is_ok_and(|length| length >= MAX_PAGE);
        let next_cursor = users.last().filter(|_| is_full).map(|last| last.uid.to_string());
        Self { users, next_cursor }
    }
}

/// How many keys a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserKeys {
    /// The user id.
    pub uid: u32,
    /// The number of keys.
    pub keys: u64,
}

/// Params of [`PURGE`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PurgeParams {
    /// The user id.
    pub uid: u32,
}

/// Result of [`PURGE`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PurgeResult {
    /// How many keys were deleted.
    pub purged: u64,
}
