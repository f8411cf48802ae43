//! Shows the effective settings: those that the app-server would use.

use device_key_config::{ListenAddress, Providers, ServiceMode};

use super::Check;
use crate::settings::Settings;

/// One row for each setting that an operator decides.
pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    let file = match &settings.file {
        Some(file) if settings.has_file => file.path().display().to_string(),
        Some(file) => format!("the defaults: there is no {}", file.path().display()),
        None => "the defaults".to_owned(),
    };
    let mode = match settings.service {
        None => "run by the client, as its child process",
        Some(ServiceMode::User) => "a service of this user",
        Some(ServiceMode::System) => "the service of the machine, under a user of its own",
    };
    vec![
        Check::pass("configuration", file),
        Check::pass("mode", mode),
        Check::pass("listeners", listeners(&settings.listen)),
        Check::pass("providers", providers(&settings.providers)),
        Check::pass("backends", backends(settings)),
        Check::pass("limits", limits(settings)),
    ]
}

fn listeners(addresses: &[ListenAddress]) -> String {
    if addresses.is_empty() {
        return "standard input and output, or sockets that systemd passes on".to_owned();
    }
    joined(addresses)
}

fn providers(providers: &Providers) -> String {
    let names: Vec<_> = providers.iter().collect();
    format!("{}, tried in this order", joined(&names))
}

fn backends(settings: &Settings) -> String {
    let built_in = "https at chatgpt.com, chatgpt-staging.com and below, and this machine, under \
                    /api/codex and /wham";
    let added = settings
        .backends
        .iter()
        .map(|backend| format!("{} under {}", backend.origin.as_origin(), backend.path_prefix));
    [built_in.to_owned()].into_iter().chain(added).collect::<Vec<_>>().join("; ")
}

fn limits(settings: &Settings) -> String {
    let limits = &settings.limits;
    format!(
        "a user: {} connections, {} keys, {} operations waiting; a connection: {} requests; an \
         operation: {} s",
        limits.connections_per_user,
        limits.keys_per_user,
        limits.waiting_per_user,
        limits.requests_per_connection,
        limits.operation().as_secs(),
    )
}

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
