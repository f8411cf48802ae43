//! Compares device-key with the minimum that its work needs. One run measures both, in turns.
//!
//! Machines are noisy, so the figures are ratios, or differences, of medians that were measured in
//! turns. `cargo xtask bench` builds everything, starts a simulator and runs this program. This
//! program is also the children that are measured: an echo, and an app-server on the memory
//! provider.
#![forbid(unsafe_code)]

mod attestation;
mod backend;
mod figures;
mod line_server;
mod lookup;
mod overhead;
mod service;
mod software_client;
mod spawn;
mod statement;
mod tpm;
mod verify;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures everything and prints a table.
    All {
        /// The release build of `device-key`.
        #[arg(long)]
        device_key: PathBuf,
        /// The socket of a simulator that no other program uses.
        #[arg(long)]
        tpm: PathBuf,
        /// A folder on tmpfs. On a disk, syncing would take most of the time of a `create`.
        #[arg(long)]
        scratch: PathBuf,
        /// Measure only this part; may be repeated.
        #[arg(long, value_enum)]
        only: Vec<Part>,
    },
    /// Child: echoes each line.
    Echo,
    /// Child: echoes each line after one hop to a blocking thread, which the app-server needs too.
    HopEcho,
    /// Child: does the least that signing over a socket needs.
    ServiceFloor { socket: PathBuf },
    /// Child: the client of the service and of the programs that the service is compared with.
    ServiceClient(service::Arguments),
    /// Child: an app-server on the memory provider, with the tracing of the product.
    MemoryServer {
        #[arg(long)]
        home: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Spawn,
    Lookup,
    Overhead,
    Tpm,
    Service,
    Verify,
    Backend,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Echo => overhead::echo(),
        Command::HopEcho => overhead::hop_echo(),
        Command::ServiceFloor { socket } => service::floor(&socket),
        Command::ServiceClient(arguments) => service::client(&arguments),
        Command::MemoryServer { home } => overhead::memory_server(&home),
        Command::All { device_key, tpm, scratch, only } => {
            let mut figures = figures::Figures::default();
            let is_wanted = |part| only.is_empty() || only.contains(&part);
            if is_wanted(Part::Spawn) {
                spawn::measure(&mut figures, &device_key, &scratch)?;
            }
            if is_wanted(Part::Lookup) {
                lookup::measure(&mut figures, &scratch)?;
            }
            if is_wanted(Part::Overhead) {
                overhead::measure(&mut figures, &scratch)?;
            }
            if is_wanted(Part::Tpm) {
                tpm::measure(&mut figures, &device_key, &tpm, &scratch)?;
            }
            if is_wanted(Part::Service) {
                service::measure(&mut figures, &device_key)?;
            }
            if is_wanted(Part::Verify) {
                verify::measure(&mut figures)?;
                attestation::measure(&mut figures, &scratch)?;
            }
            if is_wanted(Part::Backend) {
                backend::measure(&mut figures, &scratch)?;
            }
            figures.print();
            Ok(())
        }
    }
}
