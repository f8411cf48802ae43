//! The whole flow on real parts: a device with a TPM, a controller, and a relying party, each a program of
//! its own. The demo tells it as a story; tests use the same pieces.
//!
//! It is no part of the product: a simulator stands in for the TPM, and what a controller does here is what
//! clients do in their own language.
#![forbid(unsafe_code)]

mod backend;
mod controller;
mod device;
pub mod flow;

use std::process::Stdio;

pub use backend::{Account, Backend, PATH_PREFIX, Settings, write_accounts};
pub use controller::{Connection, Controller, Proof, Refused};
pub use device::Device;

/// Where the programs' logs go: nowhere, unless `RUST_LOG` says what to show.
fn log() -> Stdio {
    if std::env::var_os("RUST_LOG").is_some() { Stdio::inherit() } else { Stdio::null() }
}
