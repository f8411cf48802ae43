//! Device keys behind the boundary between users: the `os_protected_nonextractable` class.
//!
//! An [`OsProvider`] makes P-256 keys in software and keeps them in files that only the service's
//! user can read. What carries the class is that the client is another user: it reaches the service
//! over a Unix socket, and has no way to the key by files, by debugging or by a core dump. Every
//! condition for that ([`evaluate`], [`evaluate_caller`]) is looked at when the provider is made,
//! at each handshake and before each creation; one that does not hold is an error, never a lesser
//! class. [`harden`] makes the process what the conditions ask for, and takes from it what it does
//! not need.
//!
//! It is not a protection against root, against the kernel, or against anyone who reads the disk
//! without the operating system; a [`WrappingKey`](device_key_wrapping::WrappingKey) that is not on
//! that disk helps against the last. It is never hardware, and proves nothing to a backend.
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

pub use conditions::caller::evaluate_caller;
pub use conditions::report::ConditionReport;
pub use conditions::{Subject, evaluate};
pub use hardening::error::HardeningError;
pub use hardening::harden;
pub use hardening::report::{HardeningReport, HardeningStep, Outcome, StepReport};
pub use hardening::settings::{Hardening, Network};
pub use provider::{OsProvider, PROVIDER_NAME};
pub use settings::OsSettings;
