//! The `SQLite` state of device-key: which keys exist, and to which user, account and client each
//! key belongs.
//!
//! [`StateRuntime`] is the [`DeviceKeyBindingStore`](device_key::DeviceKeyBindingStore) of the
//! service. It keeps the table `device_key_bindings` in `state.sqlite` of a private folder, with a
//! write-ahead log and `synchronous = FULL`, so a change that was confirmed survives a loss of
//! power. The record of a key that is being created names a lease, a locked file in `lock/`. When
//! the process of the lease has ended, for any reason, the key is reported as abandoned, but never
//! before.
//!
//! The database holds no key material, and this crate makes no decisions. Accounts and clients are
//! stored unencrypted, so only the mode of the folder keeps other users from reading them.
//!
//! ```
//! use device_key::{OwnerUid, Page};
//! use device_key_private_fs::PrivateDir;
//! use device_key_state::StateRuntime;
//!
//! # let scratch = tempfile::tempdir()?;
//! let home = PrivateDir::open_or_create(&scratch.path().join("device-key"))?;
//! let state = StateRuntime::open(&home)?;
//! let page = Page { account_user_id: None, client_id: None, after: None, limit: 10 };
//! assert!(state.list_bindings(OwnerUid::new(1000), &page)?.keys.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod abandoned;
mod binding_store;
mod bindings;
mod database;
mod error;
mod leases;
mod migrations;
mod names;
mod owners;
mod placement;
mod record;
mod reserve;
mod runtime;
mod sys;

#[cfg(test)]
mod child;
#[cfg(test)]
mod sample;

pub use bindings::PhaseCounts;
pub use error::{DatabaseError, StateError, StateErrorKind};
pub use runtime::StateRuntime;
