//! Why a store refuses an operation or fails.

use std::error::Error as StdError;

use thiserror::Error;

/// The result of an operation of a store.
pub(crate) type Outcome<T> = Result<T, RegistryError>;

/// Why a store refused an operation or failed. Programs match the variant or
/// [`reason`](Self::reason). The texts contain nothing from a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The account has reached its limit of open challenges, unused tokens or devices.
    #[error("the account has reached its limit")]
    QuotaExceeded,
    /// A device of any account already has the key id or the public key.
    #[error("the key is enrolled already")]
    AlreadyEnrolled,
    /// A revoked device of any account has the key id or the public key.
    #[error("the key was revoked")]
    Revoked,
    /// A newer version of the program has migrated the store.
    #[error("schema version {found} is newer than {known}")]
    TooNew {
        /// The schema version of the store.
        found: u32,
        /// The newest schema version of this program.
        known: u32,
    },
    /// A record cannot be parsed.
    #[error(transparent)]
    Damaged(#[from] DamagedRecord),
    /// The store cannot be read or written.
    #[error("the store cannot be used")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

/// A column of a record cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("column {0} of a record cannot be parsed")]
pub struct DamagedRecord(pub(crate) &'static str);

impl RegistryError {
    /// The stable code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::QuotaExceeded => "quota_exceeded",
            Self::AlreadyEnrolled => "already_enrolled",
            Self::Revoked => "device_revoked",
            Self::TooNew { .. } => "registry_too_new",
            Self::Damaged(_) => "registry_damaged",
            Self::Unavailable(_) => "registry_unavailable",
        }
    }

    /// Why a device was not enrolled. `holder_is_revoked` says whether the device that already has
    /// the key is revoked. It is `None` if no device has the key; then the quota is reached.
    pub(crate) fn not_enrolled(holder_is_revoked: Option<bool>) -> Self {
        match holder_is_revoked {
            Some(true) => Self::Revoked,
            Some(false) => Self::AlreadyEnrolled,
            None => Self::QuotaExceeded,
        }
    }
}
