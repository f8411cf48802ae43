use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use device_key_config::{ListenAddress, ProviderName};
use device_key_provider_tpm::TpmAddress;
use device_key_telemetry::LogFormat;
use device_key_types::UnixSocketPath;

mod keys;

pub(crate) use keys::{
    AttestArguments, ConnectionArguments, CreateArguments, KeyArguments, KeyCommand, ListArguments,
    ProvidersArguments, SignArguments, SocketArguments,
};

/// Keys that cannot leave this device, for controlling it remotely.
#[derive(Debug, Parser)]
#[command(name = "device-key", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve JSON-RPC over standard input and output.
    AppServer(AppServerArguments),
    /// Check what device keys need on this machine, and say how to fix what fails.
    Doctor(DoctorArguments),
    /// Create a key, sign with it, verify with OpenSSL, and try what must be refused.
    Demo(DemoArguments),
    #[command(flatten)]
    Keys(KeyCommand),
}

impl Arguments {
    /// The arguments of this process; ends it where they are wrong or ask for help.
    pub(crate) fn of_process() -> Self {
        let mut command = Self::command();
        let matches = command.get_matches_mut();
        if let Some((name, given)) = matches.subcommand()
            && let Some(conflict) = keys::conflict(given)
            && let Some(subcommand) = command.find_subcommand_mut(name)
        {
            subcommand.error(ErrorKind::ArgumentConflict, conflict).exit();
        }
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

#[derive(Debug, Args)]
pub(crate) struct AppServerArguments {
    #[command(flatten)]
    pub(crate) platform: PlatformArguments,

    /// Listen here instead of on standard input and output: `unix://` for the default socket,
    /// `unix:///PATH`, or `ws://IP:PORT`; may be given again, and replaces what the configuration says
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<ListenAddress>,

    /// Serve nothing, but relay standard input and output to the service on this socket [default:
    /// /run/device-key/device-key.sock]
    #[arg(
        long,
        value_name = "PATH",
        num_args = 0..=1,
        default_missing_value = "/run/device-key/device-key.sock",
        conflicts_with_all = ["listen", "service", "providers"],
    )]
    pub(crate) connect: Option<UnixSocketPath>,

    /// With --connect: trust a service of this user, by number, besides root's
    #[arg(long, env = "DEVICE_KEY_SERVICE_UID", value_name = "UID")]
    pub(crate) service_uid: Option<u32>,
    /// How to log to standard error: text, json or journal [default: journal where systemd's
    /// journal reads it, else text]
    #[arg(long, env = "DEVICE_KEY_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) platform: PlatformArguments,

    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    pub(crate) platform: PlatformArguments,
}

/// Where state and keys are, and what protects them.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlatformArguments {
    /// The configuration file [default: `config.toml` in `$CONFIGURATION_DIRECTORY`, else in
    /// $XDG_CONFIG_HOME/device-key or ~/.config/device-key]
    #[arg(long, env = "DEVICE_KEY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Be the service of the machine, under a user of its own: TPM keys get a secret each, keys can be
    /// OS-protected, and the process is hardened.
    #[arg(long)]
    pub(crate) service: bool,

    /// Use only this provider; may be given again. By default all are tried, hardware first.
    #[arg(long = "provider", value_name = "tpm|os")]
    pub(crate) providers: Vec<ProviderName>,

    /// Folder for state and keys [default: $XDG_STATE_HOME/device-key, or
    /// ~/.local/state/device-key; a system service: /var/lib/device-key; `demo` uses a temporary one]
    #[arg(long, env = "DEVICE_KEY_HOME", value_name = "FOLDER")]
    pub(crate) home: Option<PathBuf>,

    /// The TPM: a device such as /dev/tpmrm0, or unix:PATH for a simulator [default: /dev/tpmrm0,
    /// or /dev/tpm0 where only that exists]
    #[arg(long, env = "DEVICE_KEY_TPM", value_name = "DEVICE")]
    pub(crate) tpm: Option<TpmAddress>,

    /// Accept a simulated TPM. It protects nothing; its keys are marked as simulated for good.
    #[arg(
        long,
        env = "DEVICE_KEY_ALLOW_SIMULATED_TPM",
        value_parser = BoolishValueParser::new(),
    )]
    pub(crate) allow_simulated_tpm: bool,
}
