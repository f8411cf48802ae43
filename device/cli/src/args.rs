//! The command line of `device-key`.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use device_key_config::{ListenAddress, ProviderName};
use device_key_provider_tpm::TpmAddress;
use device_key_telemetry::LogFormat;
use device_key_types::UnixSocketPath;

use crate::exit::Exit;

mod keys;

pub(crate) use keys::{
    AdminAction, AdminArguments, AttestArguments, ConnectionArguments, CreateArguments,
    KeyArguments, KeyCommand, ListArguments, PatienceArguments, ProvidersArguments, SignArguments,
    SocketArguments,
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
    /// Check whether this machine has what device keys need, and say how to fix what is missing.
    Doctor(DoctorArguments),
    /// Create a key, sign with it, verify with OpenSSL, and try requests that must be refused.
    Demo(DemoArguments),
    /// Encrypt the service's secrets under a new wrapping key. Stop the service first, and run this
    /// as the service's user.
    Rewrap(RewrapArguments),
    /// As root: count the keys of each user, or delete all keys of a user who is gone.
    Admin(AdminArguments),
    #[command(flatten)]
    Keys(KeyCommand),
}

impl Arguments {
    /// Reads the arguments of this process. If they are wrong or ask for help, prints that and
    /// returns how the process ends.
    pub(crate) fn of_process() -> Result<Self, Exit> {
        Self::read().map_err(|error| {
            let printed = error.print().and_then(|()| io::stdout().flush());
            match printed {
                _ if error.use_stderr() => Exit::Usage,
                Ok(()) => Exit::Success,
                Err(_) => Exit::TransportFailed,
            }
        })
    }

    fn read() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(env::args_os())?;
        if let Some((name, given)) = matches.subcommand()
            && let Some(conflict) = keys::conflict(given)
            && let Some(subcommand) = command.find_subcommand_mut(name)
        {
            return Err(subcommand.error(ErrorKind::ArgumentConflict, conflict));
        }
        Self::from_arg_matches(&matches)
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AppServerArguments {
    #[command(flatten)]
    pub(crate) platform: PlatformArguments,

    /// Listen on this address instead of standard input and output: `unix://` for the default
    /// socket, `unix:///PATH`, or `ws://IP:PORT`. May be given more than once. Replaces the
    /// addresses in the configuration file
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<ListenAddress>,

    /// Do not serve, but relay standard input and output to the service on this socket [default:
    /// /run/device-key/device-key.sock]
    #[arg(
        long,
        value_name = "PATH",
        num_args = 0..=1,
        default_missing_value = "/run/device-key/device-key.sock",
        conflicts_with_all = ["listen", "service", "providers"],
    )]
    pub(crate) connect: Option<UnixSocketPath>,

    /// With --connect: trust a service that runs as this user id, in addition to root and yourself
    #[arg(long, env = "DEVICE_KEY_SERVICE_UID", value_name = "UID")]
    pub(crate) service_uid: Option<u32>,

    /// How to log to standard error: text, json or journal [default: journal if standard error
    /// goes to systemd's journal, otherwise text]
    #[arg(long, env = "DEVICE_KEY_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) platform: PlatformArguments,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    pub(crate) platform: PlatformArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RewrapArguments {
    #[command(flatten)]
    pub(crate) platform: PlatformArguments,

    /// The wrapping key under which the secrets are encrypted now, 32 bytes; `-` is standard input.
    /// The new key is the credential `device-key-wrapping-key` in
    /// `$CREDENTIALS_DIRECTORY`
    #[arg(long, value_name = "FILE")]
    pub(crate) old_credential: PathBuf,
}

/// Where state and keys are stored, and what protects the keys.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlatformArguments {
    /// The configuration file [default: `config.toml` in `$CONFIGURATION_DIRECTORY`, otherwise
    /// in $XDG_CONFIG_HOME/device-key or ~/.config/device-key]
    #[arg(long, env = "DEVICE_KEY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Run as the service of the machine, under a user of its own: each TPM key gets a secret, keys
    /// can be OS-protected, and the process is hardened
    #[arg(long)]
    pub(crate) service: bool,

    /// Use only this provider. May be given more than once [default: all providers, hardware first]
    #[arg(long = "provider", value_name = "tpm|os")]
    pub(crate) providers: Vec<ProviderName>,

    /// The folder for state and keys [default: $XDG_STATE_HOME/device-key or
    /// ~/.local/state/device-key; for a system service: /var/lib/device-key; for `demo`: a
    /// temporary folder]
    #[arg(long, env = "DEVICE_KEY_HOME", value_name = "FOLDER")]
    pub(crate) home: Option<PathBuf>,

    /// The TPM: a device such as /dev/tpmrm0, or unix:PATH for a simulator [default: /dev/tpmrm0,
    /// or /dev/tpm0 if only that device exists]
    #[arg(long, env = "DEVICE_KEY_TPM", value_name = "DEVICE")]
    pub(crate) tpm: Option<TpmAddress>,

    /// Accept a simulated TPM. A simulated TPM protects nothing, and its keys are permanently
    /// marked as simulated
    #[arg(
        long,
        env = "DEVICE_KEY_ALLOW_SIMULATED_TPM",
        value_parser = BoolishValueParser::new(),
    )]
    pub(crate) allow_simulated_tpm: bool,
}
