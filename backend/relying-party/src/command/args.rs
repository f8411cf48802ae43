//! The command's arguments.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use device_key_relying_party::{DeviceKind, LocalConfig, RelyingPartyLimits, Requirement};
use device_key_types::{BackendOrigin, PathPrefix};
use device_key_verifier::attestation::RootKind;

/// The file that stores the devices if no option names a store.
pub(crate) const DEFAULT_SQLITE: &str = "relying-party.sqlite";

/// A reference backend for device keys: enrolls devices, opens connections for their proofs, and
/// revokes devices.
#[derive(Debug, Parser)]
#[command(name = "device-key-relying-party", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve HTTP/1.1 and WebSocket, without TLS, until SIGTERM or SIGINT
    Serve(ServeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Listen on this address; with port 0 the system chooses a port, which is printed
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8765")]
    pub(crate) listen: SocketAddr,

    /// The origin that clients sign: https, or http on this machine [default: http and the address,
    /// if the address is local]
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<BackendOrigin>,

    /// The path before every endpoint
    #[arg(long, value_name = "PATH", default_value = "/wham")]
    pub(crate) path_prefix: PathPrefix,

    /// The accounts: in each line the SHA-256 of an access token in hexadecimal, a space, and the
    /// account
    #[arg(long, value_name = "FILE")]
    pub(crate) accounts: PathBuf,

    #[command(flatten)]
    pub(crate) store: StoreArguments,

    #[command(flatten)]
    pub(crate) attestation: AttestationArguments,

    /// How long a challenge or a connection token is valid
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = RelyingPartyLimits::default().challenge_seconds,
        value_parser = clap::value_parser!(u16).range(1..=900),
    )]
    pub(crate) challenge_seconds: u16,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct StoreArguments {
    /// Store devices in this SQLite file [default: relying-party.sqlite]
    #[arg(long, value_name = "FILE")]
    pub(crate) sqlite: Option<PathBuf>,

    /// Store devices in this PostgreSQL database, on a Unix socket or a loopback address
    #[arg(
        long,
        env = "DEVICE_KEY_RELYING_PARTY_POSTGRES",
        hide_env_values = true,
        value_name = "CONNECTION"
    )]
    pub(crate) postgres: Option<LocalConfig>,
}

#[derive(Debug, Args)]
pub(crate) struct AttestationArguments {
    /// Whether a device must prove which TPM its key lives in
    #[arg(long, value_name = "WHETHER", default_value = "required")]
    pub(crate) attestation: Attestation,

    /// Trust this certificate (PEM or DER) to vouch for TPMs of a kind; may be repeated
    #[arg(long, value_name = "hardware|virtual|simulated:FILE")]
    pub(crate) trust_root: Vec<TrustRoot>,

    /// Intermediate certificates (PEM or DER) between a root and TPMs; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) intermediate: Vec<PathBuf>,

    /// Revocation lists (PEM or DER) of roots and intermediates; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) revocation_list: Vec<PathBuf>,

    /// Refuse a certificate if no revocation list of its issuer is given
    #[arg(long)]
    pub(crate) require_revocation_lists: bool,

    /// Enroll devices of this kind; may be repeated [default: hardware and virtual TPMs that a
    /// trusted root vouches for, and unattested devices if attestation is optional]
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    pub(crate) accept: Vec<DeviceKind>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Attestation {
    /// A device without an attestation is not enrolled
    Required,
    /// A device without an attestation is enrolled as unattested
    Optional,
}

impl From<Attestation> for Requirement {
    fn from(attestation: Attestation) -> Self {
        match attestation {
            Attestation::Required => Self::Required,
            Attestation::Optional => Self::Optional,
        }
    }
}

/// The file of a root certificate, and the kind of TPM that the root vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustRoot {
    pub(crate) kind: RootKind,
    pub(crate) file: PathBuf,
}

impl FromStr for TrustRoot {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected hardware:FILE, virtual:FILE or simulated:FILE";
        let (kind, file) = text.split_once(':').ok_or(EXPECTED)?;
        let kind = match kind {
            "hardware" => RootKind::Hardware,
            "virtual" => RootKind::Virtual,
            "simulated" => RootKind::Simulated,
            _ => return Err(EXPECTED),
        };
        if file.is_empty() { Err(EXPECTED) } else { Ok(Self { kind, file: file.into() }) }
    }
}

fn kinds() -> impl TypedValueParser<Value = DeviceKind> {
    PossibleValuesParser::new(DeviceKind::ALL.map(DeviceKind::as_str))
        .try_map(|text| text.parse::<DeviceKind>())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_root_has_a_kind_and_a_file() {
        let root: TrustRoot = "virtual:/etc/a:b.pem".parse().unwrap();
        assert_eq!(root, TrustRoot { kind: RootKind::Virtual, file: "/etc/a:b.pem".into() });
        for text in ["/etc/a.pem", "virtual", "virtual:", "Virtual:a", ":a"] {
            assert!(text.parse::<TrustRoot>().is_err(), "{text}");
        }
    }

    #[test]
    fn there_is_one_store() {
        let parse = |more: &[&str]| {
            let serve = ["device-key-relying-party", "serve", "--accounts", "a"];
            Arguments::try_parse_from(serve.iter().chain(more)).map(drop)
        };
        assert!(parse(&[]).is_ok());
        assert!(parse(&["--sqlite", "a"]).is_ok());
        assert!(parse(&["--postgres", "host=/tmp"]).is_ok());
        assert!(parse(&["--sqlite", "a", "--postgres", "host=/tmp"]).is_err());
        assert!(parse(&["--postgres", "host=db.example"]).is_err());
    }
}
