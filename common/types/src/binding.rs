//! What a device key is bound to.

use crate::{AccountUserId, ClientId};

/// The one account and the one client that a key speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The account.
    pub account_user_id: AccountUserId,
    /// The client.
    pub client_id: ClientId,
}
