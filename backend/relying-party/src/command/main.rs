//! The `device-key-relying-party` command: a backend that enrolls device keys and opens connections
//! for them.
//!
//! When the command is ready, it prints one line of JSON to standard output. Logs go to standard
//! error; `RUST_LOG` filters them. Exit codes: 0 if a signal stopped the command, 1 if it could not
//! serve, 2 for wrong usage, 130 if a second signal ended it.
#![forbid(unsafe_code)]

mod args;
mod failure;
mod trust;

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use device_key_relying_party::{
    AccountsFile, Backend, Listening, Parts, PostgresRegistry, Registry, RegistryError,
    RelyingParty, RelyingPartyLimits, SqliteRegistry,
};
use device_key_types::{BackendOrigin, OsRandom, SystemClock};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use args::{Arguments, Command, ServeArguments};
use failure::Failure;

/// The exit code that shells report for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command: Command::Serve(arguments) } = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal()).init();
    match serve(&arguments).await {
        Ok(code) => code,
        Err(failure) => {
            anstream::eprintln!("{failure}");
            failure.code()
        }
    }
}

async fn serve(arguments: &ServeArguments) -> Result<ExitCode, Failure> {
    let mut signals =
        Signals::new().map_err(|error| Failure::of("cannot handle signals", &error))?;
    let attestation = trust::policy(arguments)?;
    let accounts = AccountsFile::read(&arguments.accounts)
        .map_err(|error| Failure::of("cannot use the accounts file", &error))?;
    let registry =
        registry(arguments).await.map_err(|error| Failure::of("cannot use the store", &error))?;
    let listening = Listening::bind(arguments.listen)
        .map_err(|error| Failure::of("cannot listen on the address", &error))?;
    let address = listening.address();
    let origin = origin(arguments, address)?;
    let backend = Backend::new(&origin, &arguments.path_prefix)
        .map_err(|error| Failure::of("cannot use the origin and the path prefix", &error))?;
    let relying_party = RelyingParty::new(Parts {
        registry,
        backend,
        attestation,
        limits: RelyingPartyLimits {
            challenge_seconds: arguments.challenge_seconds,
            ..RelyingPartyLimits::default()
        },
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    });
    announce(address, &origin, arguments)
        .map_err(|error| Failure::of("cannot write to standard output", &error))?;

    let stop = CancellationToken::new();
    let serving = listening.serve(relying_party, Arc::new(accounts), stop.clone());
    let stopping = async {
        signals.next().await;
        stop.cancel();
        signals.next().await;
    };
    tokio::select! {
        served = serving => match served {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(Failure::of("cannot serve", &error)),
        },
        () = stopping => Ok(INTERRUPTED.into()),
    }
}

async fn registry(arguments: &ServeArguments) -> Result<Arc<dyn Registry>, RegistryError> {
    let store = &arguments.store;
    Ok(match (&store.postgres, &store.sqlite) {
        (Some(config), _) => Arc::new(PostgresRegistry::open(config.clone()).await?),
        (None, Some(path)) => Arc::new(SqliteRegistry::open(path)?),
        (None, None) => Arc::new(SqliteRegistry::open(args::DEFAULT_SQLITE.as_ref())?),
    })
}

/// Returns the origin from the arguments. Without an origin, the address must be local, because
/// statements go over plain HTTP only to a local address.
fn origin(arguments: &ServeArguments, address: SocketAddr) -> Result<BackendOrigin, Failure> {
    if let Some(origin) = &arguments.origin {
        return Ok(origin.clone());
    }
    format!("http://{address}").parse().map_err(|error| {
        Failure::usage("--origin is required, because the address is not a local one", &error)
    })
}

fn announce(
    address: SocketAddr,
    origin: &BackendOrigin,
    arguments: &ServeArguments,
) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Ready<'a> {
        address: SocketAddr,
        origin: String,
        path_prefix: &'a str,
    }
    let ready =
        Ready { address, origin: origin.to_string(), path_prefix: arguments.path_prefix.as_str() };
    let mut line = serde_json::to_vec(&ready)?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    output.flush()
}

/// The signals that ask the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over. From here on they no longer end the process by themselves.
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
