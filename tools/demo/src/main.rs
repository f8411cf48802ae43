//! `device-key-demo`: plays the whole flow, and fails if an outcome is unexpected.
#![forbid(unsafe_code)]

mod scenario;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use scenario::Registry;

/// Play the whole flow with a device, a controller and a relying party: attest and enroll a key,
/// open a connection, try what must be refused, and revoke the device.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program of the device, device-key
    #[arg(long, value_name = "FILE")]
    device_key: PathBuf,

    /// The program of the relying party, device-key-relying-party
    #[arg(long, value_name = "FILE")]
    relying_party: PathBuf,

    /// Keep the relying party's registry in a PostgreSQL server that the demo starts, instead of in
    /// a file
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
