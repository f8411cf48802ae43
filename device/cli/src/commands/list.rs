//! `device-key list`: lists the keys of this user.

use device_key_client::Received;
use device_key_client::lifecycle::{ListParams, ListResult, ListedKey};

use super::{Shown, calendar};
use crate::args::ListArguments;
use crate::client::Client;
use crate::exit::Failure;
use crate::table;

/// Calls `device/key/list`: for one page if the arguments ask for one, otherwise for all pages.
pub(super) fn run(arguments: &ListArguments) -> Result<Shown, Failure> {
    let ListArguments { account, client: name, cursor, limit, connection } = arguments;
    let params = ListParams::new(account.as_ref(), name.as_ref(), cursor.clone(), *limit);
    let mut client = Client::connect(connection)?;
    let page = if cursor.is_none() && limit.is_none() {
        let keys = client.ask(async |client| client.list_all(params).await)?;
        ListResult { keys, next_cursor: None }
    } else {
        client.ask(async |client| client.list(&params).await)?
    };
    let json = serde_json::to_string(&page)
        .map_err(|error| Failure::system("the keys cannot be written", &error))?;
    Ok(Shown { json, table: table(&page) })
}

fn table(page: &ListResult<Received<ListedKey>>) -> String {
    let row = |key: &Received<ListedKey>| {
        let protection = match &key.tpm_kind {
            Some(kind) => format!("{} ({kind})", key.protection_class),
            None => key.protection_class.to_string(),
        };
        [
            key.key_id.to_string(),
            key.account_user_id.as_str().to_owned(),
            key.client_id.as_str().to_owned(),
            protection,
            calendar::utc(key.created_at.as_seconds()),
        ]
    };
    let rows: Vec<_> = page.keys.iter().map(row).collect();
    let mut text = if rows.is_empty() {
        "no keys\n".to_owned()
    } else {
        table::columns(["KEY ID", "ACCOUNT", "CLIENT", "PROTECTION", "CREATED (UTC)"], &rows)
    };
    if let Some(cursor) = &page.next_cursor {
        text.push_str(&table::pairs(&[("next page", format!("--cursor '{cursor}'"))]));
    }
    text
}
