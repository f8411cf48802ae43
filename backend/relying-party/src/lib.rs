//! A reference backend for device keys: it enrolls them, opens connections for their proofs, and
//! closes the connections of those that are revoked.
//!
//! [`RelyingParty`] decides; [`Listening`] puts HTTP/1.1 and WebSocket in front of it; a [`Registry`]
//! remembers, in a file ([`SqliteRegistry`]) or for a fleet ([`PostgresRegistry`]). What is verified
//! about proofs and TPMs is `device-key-verifier`'s. It has no TLS, no rate limits by address and no
//! accounts of its own ([`Accounts`]): a deployment has those already. What an open connection is for
//! is not its matter either: it answers each text with the same text.
//!
//! # The resources
//!
//! All below the origin's path prefix and `/remote/control/client`, as JSON; but for the last, with an
//! account's access token (`Authorization: Bearer`).
//!
//! | resource | request | answer |
//! |---|---|---|
//! | `POST …/enroll/challenge` | `clientId` | the enrollment statement without `deviceIdentitySha256Base64url`; in `attestation`, the challenge for the TPM, if one is asked for |
//! | `POST …/enroll/attestation` | `challengeId`, `keyId`, `publicKeySpkiDerBase64`, `protectionClass`, `identity` | `credentialBlob`, `encryptedSecret` |
//! | `POST …/enroll` | `challengeId`, `keyId`, `publicKeySpkiDerBase64`, `protectionClass`, `algorithm`, `signedPayloadBase64`, `signatureDerBase64`, `activation?` | 201 and the device with its `verifiedKind` |
//! | `POST …/challenge` | `keyId` | the connection statement with `token` in place of its digest |
//! | `GET …/devices` | | `devices` |
//! | `DELETE …/devices/KEY_ID` | | 204 |
//! | `GET …` | WebSocket; `Authorization: Bearer` and the connection token, `device-key-id`, `device-key-signed-payload` and `device-key-signature` (base64) | an open connection |
//!
//! `GET /healthz` says whether the store answers. A refusal is `{reason, field?}`: the reason is a
//! stable code, of this crate ([`Refusal`]) or of the verifier.
//!
//! # Decisions
//!
//! - **A challenge is tried once.** It is closed before its answer is looked at, so of any number of
//!   answers, in any number of processes, one is verified. What cannot be an answer (JSON of another
//!   shape, a header that is missing) is refused before that and closes nothing.
//! - **Rows, not lists of used numbers.** See [`Registry`]: answering deletes the row. Who was first
//!   is the database's to say, and a commit has reached the disk before anybody is told.
//! - **A nonce is stored as it is**, for it is no secret and the expected statement is made from it. A
//!   connection token and a credential's secret are stored as SHA-256 alone.
//! - **No silent downgrade.** Attestation is asked for where a root is trusted, and only there. A
//!   client that never begins one is `unattested`, if that is accepted; one that begins must finish,
//!   and what fails enrolls nothing. Simulated TPMs are accepted by name only.
//! - **An endorsement key is forgotten.** It names a machine for good, so a TPM's identity lives as
//!   long as its challenge; a device keeps the kind that was verified.
//! - **Revoked for good.** A key that was enrolled once is refused under any name and account.
//! - **Open connections are polled for**, every 250 ms, and closed (1008, `device_revoked`). When the
//!   store does not answer for five seconds they are closed too (1013): it might hold a revocation.
//! - **What an account may leave open is bounded**, and so are its devices; counted by the store, so
//!   that two processes do not both give out the last place.
//!
//! ```
//! use std::sync::Arc;
//!
//! use device_key_types::{OsRandom, SystemClock};
//! use device_key_relying_party::{
//!     AccountsFile, AttestationPolicy, Backend, Limits, Listening, Parts, RelyingParty,
//!     SqliteRegistry,
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let relying_party = RelyingParty::new(Parts {
//!     registry: Arc::new(SqliteRegistry::open(&folder.join("devices.sqlite"))?),
//!     backend: Backend::new(&"https://backend.example".parse()?, &"/wham".parse()?)?,
//!     attestation: AttestationPolicy::without_attestation(),
//!     limits: Limits::default(),
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
mod http;
mod limits;
mod open_connections;
mod postgres;
mod refusal;
mod registry;
mod relying_party;
mod sqlite;

pub use accounts::{AccessToken, Accounts, AccountsFile, AccountsFileError, AccountsUnavailable};
pub use attestation_policy::{AttestationPolicy, InvalidPolicy, Requirement};
pub use backend::Backend;
pub use http::Listening;
pub use limits::Limits;
pub use open_connections::Ending;
pub use postgres::{LocalConfig, NotLocal, PostgresRegistry};
pub use refusal::Refusal;
pub use registry::{
    BegunAttestation, ConnectionChallenge, DamagedRecord, Device, DeviceKind, EnrollmentChallenge,
    OpenEnrollment, Registry, RegistryError,
};
pub use relying_party::{
    ConnectionInvitation, ConnectionProof, ConnectionToken, EnrollmentAnswer, EnrollmentInvitation,
    IdentityAnswer, OpenConnection, Parts, RelyingParty,
};
pub use sqlite::SqliteRegistry;
