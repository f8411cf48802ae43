//! Device keys: P-256 keys that cannot leave the device, each bound to one account and one client,
//! which sign only structured remote-control statements.
//!
//! Begin with [`DeviceKeyStore`]. Its caller supplies a [`RemoteControlPolicy`], a
//! [`Clock`](types::Clock), a [`RandomSource`](types::RandomSource), a [`DeviceKeyBindingStore`]
//! and the providers, because the store chooses none of them itself. Without a provider every call
//! fails with `hardware_unavailable`. This crate only decides: it opens no socket and no file and
//! makes no platform call.
//!
//! # The flow that gates signing
//!
//! ```text
//! SignPayload ──▶ policy: target, expiry ──▶ binding read from the store ──▶ authorize()
//!                                                                              │ SigningInput
//!   answer ◀── expiry and binding again ◀── signature verified ◀── provider.sign(&SigningInput)
//! ```
//!
//! A provider signs only a [`SigningInput`]. Its fields are private, and only [`authorize`] and the
//! constant self-test make one, so there is no way to sign arbitrary bytes. A platform that vouches
//! for its keys is asked in the same way, with an [`AttestationInput`].
//!
//! # Create, sign, verify
//!
//! The parts here are the test doubles of this project. `device-key-host` puts a store together
//! from the real ones: `SQLite`, the TPM, the system's clock.
//!
//! ```
//! use std::sync::Arc;
//!
//! use device_key::{
//!     DeviceKeyStore, LocalPeer, OwnerUid, Parts, RemoteControlPolicy, StoreLimits, Transport,
//! };
//! use device_key_testing::{MemoryBindings, MemoryProvider};
//! use device_key_types::{
//!     Binding, Clock as _, OsRandom, ProtectionPolicy, Reason, Sha256Digest, SignPayload,
//!     SystemClock, payload::{Connection, Target},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = DeviceKeyStore::new(Parts {
//!     policy: RemoteControlPolicy::default(),
//!     limits: StoreLimits::default(),
//!     clock: Arc::new(SystemClock),
//!     random: Arc::new(OsRandom),
//!     bindings: MemoryBindings::new(),
//!     providers: vec![Arc::new(MemoryProvider::hardware())],
//! });
//!
//! // Create: the key belongs to the caller's user and speaks for one account and client.
//! let caller = LocalPeer::from_transport(OwnerUid::new(1000), Transport::InProcess);
//! let binding = Binding { account_user_id: "account-1".parse()?, client_id: "client-1".parse()? };
//! let key = store.create(&caller, binding, ProtectionPolicy::HardwareOnly).await?;
//!
//! // Sign: the statement opens one connection to one allowed backend, and expires soon.
//! let statement = Connection {
//!     nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?,
//!     session_id: "session-1".parse()?,
//!     target: Target {
//!         origin: "https://chatgpt.com".parse()?,
//!         path: "/wham/remote/control/client".parse()?,
//!     },
//!     account_user_id: "account-1".parse()?,
//!     client_id: "client-1".parse()?,
//!     token_sha256: Sha256Digest::of(b"token"),
//!     token_expires_at: SystemClock.now().saturating_add(60),
//! };
//! let signed =
//!     store.sign(&caller, &key.key_id, SignPayload::Connection(statement.clone())).await?;
//!
//! // Verify: the signature is over the bytes that came with it.
//! key.public_key.verify(&signed.signed_bytes, &signed.signature)?;
//!
//! // The key does not speak for another account.
//! let other = Connection { account_user_id: "account-2".parse()?, ..statement };
//! let refused = store.sign(&caller, &key.key_id, SignPayload::Connection(other)).await;
//! assert_eq!(refused.unwrap_err().reason(), Reason::BindingMismatch);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod attestation_input;
mod authorize;
mod binding_store;
mod error;
mod fair_semaphore;
mod key_attestor;
mod peer;
mod policy;
mod provider;
mod signing_input;
mod store;

pub use device_key_types as types;

pub use attestation_input::AttestationInput;
pub use authorize::{AuthorizeError, authorize, authorize_attestation};
pub use binding_store::{
    AbandonedKey, BindingStoreError, CreatingKey, DELETIONS_PER_KEY, DeviceKeyBinding,
    DeviceKeyBindingStore, IsBeingCreated, KeyPhase, Listing, OwnerKeys, Page, UnknownKeyPhase,
};
pub use error::DeviceKeyError;
pub use fair_semaphore::{FairSemaphore, Permit, Requester};
pub use key_attestor::KeyAttestor;
pub use peer::{Administrator, ConnectionId, LocalPeer, OwnerUid, Peer, PeerProcess, Transport};
pub use policy::{AddedBackend, PolicyAt, RemoteControlPolicy};
pub use provider::{
    CreatedKey, DeviceKeyProvider, ProviderDescription, ProviderError, ProviderErrorKind,
    SignatureCheck,
};
pub use signing_input::{KeyReference, SELF_TEST_MESSAGE, SigningInput};
pub use store::{
    DeviceKey, DeviceKeyStore, KeyPage, Parts, ProviderStatus, SignedStatement, StoreLimits,
};
