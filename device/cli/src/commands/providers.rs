use serde::Deserialize;
use serde_json::json;

use super::Shown;
use crate::{
    args::ProvidersArguments,
    client::{self, Client},
    exit::Failure,
    table,
};

#[derive(Deserialize)]
struct Answer {
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    name: String,
    protection_class: String,
    available: bool,
    reason: Option<String>,
    cause: Option<String>,
}

/// `device/key/providers`
pub(super) fn run(arguments: &ProvidersArguments) -> Result<Shown, Failure> {
    let result =
        Client::connect(&arguments.connection)?.call("device/key/providers", &json!({}))?;
    let Answer { providers } = client::read(&result)?;
    let row = |provider: Provider| {
        let Provider { name, protection_class, available, reason, cause } = provider;
        let availability = if available { "yes" } else { "no" };
        let because = match (reason, cause) {
            (Some(reason), Some(cause)) => format!("{reason}: {cause}"),
            (reason, cause) => reason.or(cause).unwrap_or_default(),
        };
        [name, protection_class, availability.to_owned(), because]
    };
    let rows: Vec<_> = providers.into_iter().map(row).collect();
    let table = if rows.is_empty() {
        "no providers\n".to_owned()
    } else {
        table::columns(["PROVIDER", "PROTECTION", "AVAILABLE", "REASON"], &rows)
    };
    Ok(Shown { json: result.get().to_owned(), table })
}
