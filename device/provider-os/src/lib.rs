//! Device keys behind the boundary between users: the `os_protected_nonextractable` class.
//!
//! An [`OsProvider`] makes P-256 keys in software and keeps them in files that only the service's
//! user can read. The class rests on the client being another user: the client reaches the service
//! over a Unix socket, and cannot reach the key through files, a debugger or a core dump. The
//! provider checks every condition for this ([`evaluate`], [`evaluate_caller`]) when the service
//! starts, at each handshake and before each creation. A condition that does not hold is an error;
//! the provider never falls back to a lesser class. [`harden`] makes the process meet the
//! conditions on it, and takes away the abilities that the process does not need.
//!
//! The class does not protect against root, against the kernel, or against anyone who reads the
//! disk without the operating system. A [`WrappingKey`](device_key_wrapping::WrappingKey) that is
//! not on the disk protects against a reader of the disk. The keys are never in hardware, and the
//! class proves nothing to a backend.
//!
//! ```no_run
//! use device_key_private_fs::PrivateDir;
//! use device_key_provider_os::{Hardening, Network, OsProvider, OsSettings, harden};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = PrivateDir::open_or_create("/var/lib/device-key".as_ref())?;
//! let hardening = Hardening::new(Network::UnixOnly).read_write(home.path());
//! for step in harden(&hardening)?.steps {
//!     eprintln!("{step}");
//! }
//! let keys = home.subdir(&"keys".parse()?)?.subdir(&"os".parse()?)?;
//! let provider = OsProvider::new(OsSettings::default(), keys);
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod conditions;
mod error;
mod hardening;
mod key_file;
mod loaded_keys;
mod provider;
mod settings;
mod sys;
mod verdict;

pub use conditions::caller::evaluate_caller;
pub use conditions::report::ConditionReport;
pub use conditions::{Subject, evaluate};
pub use hardening::error::HardeningError;
pub use hardening::harden;
pub use hardening::report::{HardeningReport, HardeningStep, Outcome, StepReport};
pub use hardening::settings::{Hardening, Network};
pub use key_file::wrapped_key_files;
pub use provider::{OsProvider, PROVIDER_NAME};
pub use settings::OsSettings;
