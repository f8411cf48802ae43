use device_key_types::{AccountUserId, ClientId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Shown, calendar};
use crate::{
    args::ListArguments,
    client::{self, Client},
    exit::Failure,
    table,
};

const METHOD: &str = "device/key/list";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

/// Keys are kept as they stand on the wire.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    keys: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    key_id: String,
    account_user_id: String,
    client_id: String,
    protection_class: String,
    tpm_kind: Option<String>,
    created_at: i64,
}

/// `device/key/list`: the page that was asked for, or else page after page until the last.
pub(super) fn run(arguments: &ListArguments) -> Result<Shown, Failure> {
    let mut client = Client::connect(&arguments.connection)?;
    let mut params = Params {
        account_user_id: arguments.account.as_ref().map(AccountUserId::as_str),
        client_id: arguments.client.as_ref().map(ClientId::as_str),
        cursor: arguments.cursor.clone(),
        limit: arguments.limit,
    };
    let mut page: Page = client::read(&client.call(METHOD, &params)?)?;
    if arguments.cursor.is_none() && arguments.limit.is_none() {
        while let Some(cursor) = page.next_cursor.take() {
            if params.cursor.as_ref() == Some(&cursor) {
                return Err(client::odd(&"a page that leads to itself"));
            }
            params.cursor = Some(cursor);
            let next: Page = client::read(&client.call(METHOD, &params)?)?;
            page.keys.extend(next.keys);
            page.next_cursor = next.next_cursor;
        }
    }
    let json = serde_json::to_string(&page)
        .map_err(|error| Failure::system("the keys cannot be written", &error))?;
    Ok(Shown { json, table: table(&page)? })
}

fn table(page: &Page) -> Result<String, Failure> {
    let row = |key: &RawValue| {
        let key: Listed = client::read(key)?;
        let protection = match key.tpm_kind {
            Some(kind) => format!("{} ({kind})", key.protection_class),
            None => key.protection_class,
        };
        let created = calendar::utc(key.created_at);
        Ok([key.key_id, key.account_user_id, key.client_id, protection, created])
    };
    let rows = page.keys.iter().map(|key| row(key)).collect::<Result<Vec<_>, Failure>>()?;
    let mut text = if rows.is_empty() {
        "no keys\n".to_owned()
    } else {
        table::columns(["KEY ID", "ACCOUNT", "CLIENT", "PROTECTION", "CREATED (UTC)"], &rows)
    };
    if let Some(cursor) = &page.next_cursor {
        text.push_str(&table::pairs(&[("more with", format!("--cursor '{cursor}'"))]));
    }
    Ok(text)
}
