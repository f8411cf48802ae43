//! A reference backend for device keys: it enrolls device keys, opens connections for their proofs,
//! and closes the connections of revoked devices.
//!
//! [`RelyingParty`] makes the decisions. [`Listening`] serves it over HTTP/1.1 and WebSocket. A
//! [`Registry`] stores challenges and devices, either in a file ([`SqliteRegistry`]) or for a fleet
//! ([`PostgresRegistry`]). The crate `device-key-verifier` verifies proofs and attestations.
//!
//! The crate has no TLS, no rate limits by address and no accounts of its own ([`Accounts`]),
//! because a deployment has these already. An open connection only sends each text back; a real
//! backend would do its own work there.
//!
//! # Endpoints
//!
//! Every endpoint below is under the path prefix and `/remote/control/client`, and speaks JSON. A
//! request carries the account's access token (`Authorization: Bearer`); only the WebSocket request
//! carries a connection token instead.
//!
//! - `POST …/enroll/challenge` takes `clientId`. It answers with the enrollment statement without
//!   `deviceIdentitySha256Base64url`. If the backend asks for an attestation, `attestation` is the
//!   challenge for the TPM.
//! - `POST …/enroll/attestation` takes `challengeId`, `keyId`, `publicKeySpkiDerBase64`,
//!   `protectionClass` and `identity`. It answers with `credentialBlob` and `encryptedSecret`.
//! - `POST …/enroll` takes `challengeId`, `keyId`, `publicKeySpkiDerBase64`, `protectionClass`,
//!   `algorithm`, `signedPayloadBase64`, `signatureDerBase64` and optionally `activation`. It
//!   answers with 201 and the device with its `verifiedKind`.
//! - `POST …/challenge` takes `keyId`. It answers with the connection statement, which has `token`
//!   in place of the token's digest.
//! - `GET …/devices` answers with `devices`.
//! - `DELETE …/devices/KEY_ID` answers with 204.
//! - `GET …` as a WebSocket request carries `Authorization: Bearer` with the connection token, and
//!   the headers `device-key-id`, `device-key-signed-payload` and `device-key-signature` (base64).
//!   It opens a connection.
//!
//! `GET /healthz` says whether the store could be read and written. A refused request is answered
//! with `{reason, field?}`. The reason is a stable code of this crate ([`RelyingPartyError`]) or of
//! the verifier.
//!
//! # Decisions
//!
//! - **A challenge is tried once.** The challenge is closed before its answer is verified, so of
//!   any number of answers, in any number of processes, only one is verified. A request that cannot
//!   be an answer (JSON of another shape, a missing header) is refused earlier and closes nothing.
//! - **Challenges are rows; there is no list of used nonces.** Answering a challenge deletes its
//!   row (see [`Registry`]). The database decides which answer came first, and the transaction is
//!   on disk before any client is answered.
//! - **A nonce is stored in the clear**, because a nonce is not a secret and the expected statement
//!   is built from it. Of connection tokens and credential secrets, only the SHA-256 is
//!   stored.
//! - **There is no silent downgrade.** The backend asks for an attestation if it trusts a root, and
//!   only then. A client that never begins an attestation is enrolled as `unattested`, if the
//!   policy accepts that. A client that begins an attestation must finish it, and a failed
//!   attestation enrolls nothing. Simulated TPMs are accepted only by name.
//! - **An endorsement key is deleted soon.** It identifies a machine permanently, so the identity
//!   of a TPM is deleted together with its challenge. A device keeps only the verified kind.
//! - **A revocation is final.** A key that was enrolled once is never enrolled again, under any
//!   name or account.
//! - **Open connections are polled** every 250 ms. The connections of a revoked device are closed
//!   (1008, `device_revoked`). If the store does not answer for five seconds, all connections are
//!   closed (1013), because the store may hold a revocation.
//! - **Open challenges and devices are bounded for each account.** The store counts them, so that
//!   two processes cannot both use the last free place.
//!
//! ```
//! use std::sync::Arc;
//!
//! use device_key_types::{OsRandom, SystemClock};
//! use device_key_relying_party::{
//!     AccountsFile, AttestationPolicy, Backend, Listening, Parts, RelyingParty,
//!     RelyingPartyLimits, SqliteRegistry,
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let relying_party = RelyingParty::new(Parts {
//!     registry: Arc::new(SqliteRegistry::open(&folder.join("devices.sqlite"))?),
//!     backend: Backend::new(&"https://backend.example".parse()?, &"/wham".parse()?)?,
//!     attestation: AttestationPolicy::without_attestation(),
//!     limits: RelyingPartyLimits::default(),
//!     clock: Arc::new(SystemClock),
//!     random: Arc::new(OsRandom),
//! });
//! // SHA-256 of the token "token".
//! let accounts: AccountsFile =
//!     "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0 account-1".parse()?;
//! let listening = Listening::bind("127.0.0.1:0".parse()?)?;
//! let stop = CancellationToken::new();
//! # stop.cancel();
//! listening.serve(relying_party, Arc::new(accounts), stop).await?;
//! # Ok(())
//! # }
//! # let scratch = tempfile::tempdir().unwrap();
//! # tokio::runtime::Runtime::new().unwrap().block_on(run(scratch.path())).unwrap();
//! ```
#![forbid(unsafe_code)]

mod accounts;
mod attestation_policy;
mod backend;
mod error;
mod http;
mod limits;
mod open_connections;
mod postgres;
mod registry;
mod relying_party;
mod sqlite;

pub use accounts::file::{AccountsFile, AccountsFileError};
pub use accounts::{AccessToken, Accounts, AccountsUnavailable};
pub use attestation_policy::{AttestationPolicy, InvalidPolicy, Requirement};
pub use backend::Backend;
pub use device_key_types as types;
pub use error::RelyingPartyError;
pub use http::Listening;
pub use limits::RelyingPartyLimits;
pub use open_connections::CloseReason;
pub use postgres::PostgresRegistry;
pub use postgres::address::{LocalConfig, NotLocal};
pub use registry::Registry;
pub use registry::challenge::{
    BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment,
};
pub use registry::device::{Device, DeviceKind};
pub use registry::error::{DamagedRecord, RegistryError};
pub use relying_party::connection::{ConnectionInvitation, ConnectionProof, OpenConnection};
pub use relying_party::enrollment::{EnrollmentAnswer, EnrollmentInvitation, IdentityAnswer};
pub use relying_party::token::ConnectionToken;
pub use relying_party::{Parts, RelyingParty};
pub use sqlite::SqliteRegistry;
