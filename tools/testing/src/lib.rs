//! Test doubles of device-key, and the suite that every provider and binding store must pass. This
//! crate is only a development dependency.
//!
//! - Doubles: [`MemoryProvider`], [`MemoryBindings`], [`FixedClock`], [`SequenceRandom`].
//! - Interference: [`HookedProvider`] and [`HookedBindings`] wrap any implementation and run hooks
//!   around each operation: [`Recorder`], [`Faults`], [`Gate`], [`StopAt`], or a closure.
//!   [`MemoryProvider::lie`] makes a provider lie.
//! - [`conformance`] tests what every provider and binding store must do. [`vectors`] reads the
//!   shared test vectors.
//! - [`Assembly`] makes a store from these parts; [`samples`] are statements that the store signs.
//!
//! ```
//! use device_key::ProviderErrorKind;
//! use device_key_testing::{
//!     Assembly, Faults, HookedProvider, IntoProviderError as _, MemoryProvider, ProviderOperation,
//!     samples,
//! };
//!
//! let busy = Faults::always(ProviderOperation::Sign, || ProviderErrorKind::Busy.into_error());
//! let provider = HookedProvider::new(MemoryProvider::hardware()).with(busy);
//! let store = Assembly::new().provider(provider).store();
//! assert_eq!(store.providers(&samples::peer(1000)).len(), 1);
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a double or a check that cannot go on must fail the test that uses it"
)]

mod assembly;
mod children;
mod clock;
pub mod conformance;
mod hook;
mod hooked_bindings;
mod hooked_provider;
mod memory_attestor;
mod memory_bindings;
mod memory_provider;
mod operation;
mod postgres;
mod random;
pub mod samples;
mod swtpm;
pub mod vectors;

pub use assembly::Assembly;
pub use children::ended;
pub use clock::FixedClock;
pub use hook::{Event, Faults, Gate, Hook, Recorder, StopAt, UnknownStop};
pub use hooked_bindings::HookedBindings;
pub use hooked_provider::HookedProvider;
pub use memory_attestor::credential_for;
pub use memory_bindings::MemoryBindings;
pub use memory_provider::{Corruption, MemoryProvider};
pub use operation::{
    BindingOperation, IntoProviderError, Moment, Operation, ProviderOperation, unavailable,
};
pub use postgres::Postgres;
pub use random::{BrokenRandom, SequenceRandom};
pub use swtpm::Swtpm;
