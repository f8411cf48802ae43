//! The registry of a relying party.
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
