//! Device keys: P-256 keys that cannot leave the device, each bound to one account and one client,
//! which sign only structured remote-control statements.
//!
//! [`DeviceKeyStore`] is the entry. It is given a [`RemoteControlPolicy`], a
//! [`Clock`](device_key_types::Clock), a [`RandomSource`](device_key_types::RandomSource), a
//! [`DeviceKeyBindingStore`] and providers; it picks none of them itself, and
//! without a provider every call fails with `hardware_unavailable`. Here are the decisions only:
//! no socket, no file, no platform call.
//!
//! # The flow that gates signing
//!
//! ```text
//! SignPayload ──▶ policy: target, expiry ──▶ binding read from the store ──▶ authorize()
//!                                                                              │ SigningInput
//!   answer ◀── expiry and binding again ◀── signature verified ◀── provider.sign(&SigningInput)
//! ```
//!
//! A provider takes nothing but a [`SigningInput`], whose fields are private and which only
//! [`authorize`] and the constant self-test make. There is no way to sign arbitrary bytes. A platform
//! that vouches for its keys is asked in the same way, with an [`AttestationInput`].
//!
//! ```
//! use device_key::{
//!     RemoteControlPolicy,
//!     types::{Clock, SystemClock, payload::StatementPolicy},
//! };
//!
//! let policy = RemoteControlPolicy::default();
//! let policy = policy.at(SystemClock.now());
//! assert!(policy.origin(&"https://chatgpt.com".parse()?).is_ok());
//! assert!(policy.origin(&"https://chatgpt.com.evil.com".parse()?).is_err());
//! # Ok::<(), device_key::types::Reason>(())
//! ```
#![forbid(unsafe_code)]

mod attestation_input;
mod authorize;
mod binding_store;
mod error;
mod key_attestor;
mod lane;
mod peer;
mod policy;
mod provider;
mod signing_input;
mod store;

pub use device_key_types as types;

pub use attestation_input::AttestationInput;
pub use authorize::{AuthorizeError, authorize, authorize_attestation};
pub use binding_store::{
    AbandonedKey, BindingStoreError, CreatingKey, DeviceKeyBinding, DeviceKeyBindingStore, Page,
};
pub use error::DeviceKeyError;
pub use key_attestor::KeyAttestor;
pub use peer::{ConnectionId, LocalPeer, OwnerUid, Peer, PeerProcess, Transport};
pub use policy::{AddedBackend, PolicyAt, RemoteControlPolicy};
pub use provider::{
    CreatedKey, DeviceKeyProvider, ProviderDescription, ProviderError, ProviderErrorKind,
    SignatureCheck,
};
pub use signing_input::{KeyReference, SELF_TEST_MESSAGE, SigningInput};
pub use store::{
    DeviceKey, DeviceKeyStore, KeyPage, Limits, Parts, ProviderStatus, Recovery, SignedStatement,
};
