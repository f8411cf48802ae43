//! `device-key providers`: shows what can protect keys.

use device_key_client::initialize::ProviderInfo;

use super::Shown;
use crate::args::ProvidersArguments;
use crate::client::Client;
use crate::exit::Failure;
use crate::table;

/// Calls `device/key/providers`.
pub(super) fn run(arguments: &ProvidersArguments) -> Result<Shown, Failure> {
    let mut client = Client::connect(&arguments.connection)?;
    let result = client.ask(async |client| client.providers().await)?;
    let row = |provider: &ProviderInfo| {
        let reasons = provider.reason.iter().map(ToString::to_string);
        let because: Vec<_> =
            reasons.chain(provider.cause.iter().map(ToString::to_string)).collect();
        let availability = if provider.available { "yes" } else { "no" };
        [
            provider.name.clone(),
            provider.protection_class.to_string(),
            availability.to_owned(),
            because.join(": "),
        ]
    };
    let rows: Vec<_> = result.providers.iter().map(row).collect();
    let table = if rows.is_empty() {
        "no providers\n".to_owned()
    } else {
        table::columns(["PROVIDER", "PROTECTION", "AVAILABLE", "REASON"], &rows)
    };
    Ok(Shown::new(&result, table))
}
