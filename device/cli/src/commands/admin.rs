//! `device-key admin`: counts and deletes the keys of users, for root.

use device_key_client::admin::UserKeys;
use serde_json::json;

use super::Shown;
use crate::args::{AdminAction, AdminArguments};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::report::print;
use crate::table;

/// Calls `device/key/admin/list`, for all pages, or `device/key/admin/purge`.
pub(crate) fn run(arguments: &AdminArguments) -> Result<Exit, Failure> {
    let AdminArguments { action, uid, socket, patience, json } = arguments;
    let mut client = Client::connect_to_service(socket, patience)?;
    let shown = match (action, uid) {
        (AdminAction::Purge, Some(uid)) => {
            let purged = client.ask(async |client| client.admin_purge(*uid).await)?;
            Shown::new(&purged, format!("deleted {} keys of user {uid}\n", purged.purged))
        }
        // The arguments require a user for a purge.
        (AdminAction::List | AdminAction::Purge, uid) => {
            let users = client.ask(async |client| client.admin_list(*uid).await)?;
            Shown { table: table(&users), json: json!({"users": users}).to_string() }
        }
    };
    let text = if *json { shown.json + "\n" } else { shown.table };
    print(&text).map(|()| Exit::Success)
}

fn table(users: &[UserKeys]) -> String {
    if users.is_empty() {
        return "no keys\n".to_owned();
    }
    let rows: Vec<_> =
        users.iter().map(|user| [user.uid.to_string(), user.keys.to_string()]).collect();
    table::columns(["USER", "KEYS"], &rows)
}
