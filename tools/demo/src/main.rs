//! `device-key-demo`: tells the whole flow as a story, and fails where it does not go as it should.
#![forbid(unsafe_code)]

mod scenario;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use scenario::Registry;

/// A device with a TPM, a controller and a relying party: a key is attested, enrolled, connects, and is
/// revoked; then what must be refused.
#[derive(Debug, Parser)]
struct Arguments {
    /// The device's program
    #[arg(long, value_name = "FILE")]
    device_key: PathBuf,

    /// The relying party's program
    #[arg(long, value_name = "FILE")]
    relying_party: PathBuf,

    /// Keep what the relying party knows in a PostgreSQL server of the demo's own instead of a file
    #[arg(long)]
    postgres: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let Arguments { device_key, relying_party, postgres } = Arguments::parse();
    let registry = if postgres { Registry::Postgres } else { Registry::Sqlite };
    let table = scenario::play(&device_key, &relying_party, registry).await?;
    table.print();
    Ok(if table.is_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
