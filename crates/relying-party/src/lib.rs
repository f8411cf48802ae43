//! The registry of a relying party.
#![forbid(unsafe_code)]

mod postgres;
mod registry;
mod sqlite;

pub use postgres::{LocalConfig, NotLocal, PostgresRegistry};
pub use registry::{
    BegunAttestation, ConnectionChallenge, DamagedRecord, Device, EnrollmentChallenge,
    OpenEnrollment, Registry, RegistryError, VerifiedKind,
};
pub use sqlite::SqliteRegistry;
