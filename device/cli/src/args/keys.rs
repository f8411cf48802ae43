//! The arguments of the commands that use keys.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand, ValueEnum};
use device_key_types::attestation::EndorsementKeyKind;
use device_key_types::{
    AccountUserId, ClientId, DeviceKeyId, ProtectionPolicy, Reason, UnixSocketPath,
};

use super::PlatformArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key for an account and a client.
    Create(CreateArguments),
    /// Show the public part of a key.
    Public(KeyArguments),
    /// Sign a connection or enrollment statement with a key.
    Sign(SignArguments),
    /// Show a backend which TPM holds a key, or open its credential and certify the key.
    Attest(AttestArguments),
    /// List the keys of this user.
    List(ListArguments),
    /// Delete a key for good.
    Delete(KeyArguments),
    /// Show what can protect keys on this machine, and why a provider is not available.
    Providers(ProvidersArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The account that the key speaks for, as its backend names it
    #[arg(long, value_name = "ID", value_parser = value::<AccountUserId>)]
    pub(crate) account: AccountUserId,

    /// The client installation that the key speaks for
    #[arg(long, value_name = "ID", value_parser = value::<ClientId>)]
    pub(crate) client: ClientId,

    /// Which protection is acceptable [default: hardware-only]
    #[arg(long)]
    pub(crate) policy: Option<Policy>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

/// Which protection is acceptable for a new key.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Policy {
    /// Only hardware
    HardwareOnly,
    /// Hardware, or a key that the operating system protects if there is no hardware
    AllowOsProtectedNonextractable,
}

impl From<Policy> for ProtectionPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::HardwareOnly => Self::HardwareOnly,
            Policy::AllowOsProtectedNonextractable => Self::AllowOsProtectedNonextractable,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// The key: dk_ and 43 characters
    #[arg(value_name = "KEY_ID", value_parser = value::<DeviceKeyId>)]
    pub(crate) key_id: DeviceKeyId,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// The key: dk_ and 43 characters
    #[arg(value_name = "KEY_ID", value_parser = value::<DeviceKeyId>)]
    pub(crate) key_id: DeviceKeyId,

    /// The file with the statement as JSON, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) payload: PathBuf,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

#[derive(Debug, Args)]
pub(crate) struct AttestArguments {
    /// The key: dk_ and 43 characters
    #[arg(value_name = "KEY_ID", value_parser = value::<DeviceKeyId>)]
    pub(crate) key_id: DeviceKeyId,

    /// The file with the backend's challenge as JSON, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) challenge: PathBuf,

    /// The file with the credential, as JSON, that the backend made from the first output of this
    /// command. The TPM opens the credential and certifies the key
    #[arg(long, value_name = "FILE")]
    pub(crate) credential: Option<PathBuf>,

    /// Which of the TPM's endorsement keys to use [default: the first that has a certificate]
    #[arg(long, value_name = "KIND", value_parser = endorsement_key_kinds())]
    pub(crate) endorsement_key: Option<EndorsementKeyKind>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only keys of this account
    #[arg(long, value_name = "ID", value_parser = value::<AccountUserId>)]
    pub(crate) account: Option<AccountUserId>,

    /// Only keys of this client
    #[arg(long, value_name = "ID", value_parser = value::<ClientId>)]
    pub(crate) client: Option<ClientId>,

    /// Show only the page that begins at this cursor, which the page before printed
    #[arg(long)]
    pub(crate) cursor: Option<String>,

    /// Show only one page, with at most this many keys
    #[arg(long, value_name = "NUMBER", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    pub(crate) limit: Option<u32>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ProvidersArguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// What to do
    #[arg(value_enum, value_name = "ACTION")]
    pub(crate) action: AdminAction,

    /// The user id. Without it, `list` counts the keys of all users
    #[arg(long, required_if_eq("action", "purge"))]
    pub(crate) uid: Option<u32>,

    #[command(flatten)]
    pub(crate) socket: SocketArguments,

    #[command(flatten)]
    pub(crate) patience: PatienceArguments,

    /// Print the result as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `device-key admin` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AdminAction {
    /// Count the keys of each user
    List,
    /// Delete all keys of a user for good
    Purge,
}

/// How long to wait.
#[derive(Debug, Args)]
pub(crate) struct PatienceArguments {
    /// Give up if an answer takes longer than this
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "120",
        value_parser = RangedU64ValueParser::<u32>::new().range(1..),
    )]
    timeout: u32,
}

impl PatienceArguments {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

/// Which app-server carries out the command, and how the result is shown.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArguments {
    #[command(flatten)]
    pub(crate) socket: SocketArguments,

    #[command(flatten)]
    pub(crate) patience: PatienceArguments,

    /// Carry out the command in this process instead of a running service, with a home
    /// folder of its own
    #[arg(long)]
    pub(crate) in_process: bool,

    #[command(flatten)]
    pub(crate) platform: PlatformArguments,

    /// Print the result as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which service to connect to.
#[derive(Debug, Args)]
pub(crate) struct SocketArguments {
    /// The socket of the running service [default: /run/device-key/device-key.sock, or
    /// $XDG_RUNTIME_DIR/device-key/device-key.sock if that socket does not exist]
    #[arg(long, env = "DEVICE_KEY_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<UnixSocketPath>,

    /// Trust a service that runs as this user id, in addition to root and yourself
    #[arg(long, env = "DEVICE_KEY_SERVICE_UID", value_name = "UID")]
    pub(crate) service_uid: Option<u32>,
}

/// Why the given flags cannot be combined. A flag without effect is an error, because the command
/// would show or change keys in another place than the user meant. A variable without effect is
/// accepted, because the variable may be set for another command.
pub(super) fn conflict(matches: &ArgMatches) -> Option<String> {
    // Commands that do not use keys have no --in-process.
    let in_process = matches.try_get_one::<bool>("in_process").ok().flatten().copied()?;
    let is_given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let flag = |id: &str| match id {
        "providers" => "--provider".to_owned(),
        id => format!("--{}", id.replace('_', "-")),
    };
    if in_process {
        let given = ["socket", "service_uid"].into_iter().find(is_given)?;
        Some(format!(
            "{} names a running service, but --in-process does not use a service",
            flag(given)
        ))
    } else {
        let of_service = ["config", "service", "providers", "home", "tpm", "allow_simulated_tpm"];
        let given = of_service.into_iter().find(is_given)?;
        Some(format!(
            "{} configures the service itself; on this command it needs --in-process",
            flag(given)
        ))
    }
}

fn endorsement_key_kinds() -> impl TypedValueParser<Value = EndorsementKeyKind> {
    PossibleValuesParser::new(EndorsementKeyKind::ALL.map(EndorsementKeyKind::as_str))
        .try_map(|text| text.parse::<EndorsementKeyKind>())
}

/// Parses a value. The error is a sentence for people.
fn value<T: FromStr<Err = Reason>>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(Reason::message)
}
