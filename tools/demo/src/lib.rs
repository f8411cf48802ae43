//! Plays the whole flow with a device, a controller and a relying party. The device and the relying
//! party are real programs. The demo prints the flow as a table, and tests use the parts.
//!
//! This crate is not part of the product. A simulator takes the place of the TPM, and clients write
//! the controller's part in their own language.
#![forbid(unsafe_code)]

mod backend;
mod controller;
mod device;
pub mod flow;

use std::process::Stdio;

pub use backend::{Account, Backend, PATH_PREFIX, Settings, write_accounts};
pub use controller::{Connection, Controller, Proof, Refused};
pub use device::Device;

/// Where the logs of the programs go: to standard error if `RUST_LOG` is set, otherwise nowhere.
fn log() -> Stdio {
    if std::env::var_os("RUST_LOG").is_some() { Stdio::inherit() } else { Stdio::null() }
}
