//! Device keys in a program of your own: [`Host`] puts a
//! [`DeviceKeyStore`](device_key::DeviceKeyStore) together from real parts.
//!
//! The parts are a private home folder, the `SQLite` state in it, the machine's TPM, and the clock
//! and random source of the operating system. [`HostBuilder`] replaces single parts. Keys are
//! created in hardware only, unless [`HostBuilder::keystores`] names the OS keystore too.
//!
//! ```no_run
//! use device_key::{LocalPeer, OwnerUid, Transport};
//! use device_key_host::Host;
//! use device_key_types::{Binding, ProtectionPolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().tpm("/dev/tpmrm0".parse()?).open("/var/lib/example".as_ref())?;
//! let caller = LocalPeer::from_transport(OwnerUid::new(1000), Transport::InProcess);
//! let binding = Binding { account_user_id: "account-1".parse()?, client_id: "client-1".parse()? };
//! let key = host.store().create(&caller, binding, ProtectionPolicy::HardwareOnly).await?;
//! println!("{} is in the TPM", key.key_id);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` also signs a statement, verifies the signature and lists the keys. A program
//! that answers the JSON-RPC protocol gives [`Host::store`] to the `AppServer` of
//! `device-key-server`.
//!
//! This crate reads no environment variable and no configuration file, starts no task and does not
//! harden the process. If a program wants any of this, it does so before it opens the host.
#![forbid(unsafe_code)]

mod builder;
mod error;
mod host;
mod wrapped;

pub use builder::{HostBuilder, Keystore, RunsAs};
pub use error::HostError;
pub use host::{Host, Sweep};
