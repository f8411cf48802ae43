use std::error::Error as StdError;

use thiserror::Error;

/// Why the registry did not do what it was asked. Programs match the variant or
/// [`reason`](Self::reason). The texts hold nothing of a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The account has as many of these as it may have.
    #[error("the account has as many of these as it may have")]
    QuotaExceeded,
    /// The key id or the public key is that of a device already, whoever's.
    #[error("the key is enrolled already")]
    AlreadyEnrolled,
    /// The key id or the public key is that of a device that was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// A newer version has migrated the store.
    #[error("schema version {found} is newer than {known}")]
    TooNew {
        /// The schema version of the store.
        found: u32,
        /// The newest schema version of this program.
        known: u32,
    },
    /// A record does not parse.
    #[error(transparent)]
    Damaged(#[from] DamagedRecord),
    /// The store cannot be read or written.
    #[error("the store cannot be used")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

/// A column of a record that does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("column {0} of a record does not parse")]
pub struct DamagedRecord(pub(crate) &'static str);

impl RegistryError {
    /// A stable code.
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

    /// Why a device was not enrolled: the key's holder, revoked or not, or else the quota.
    pub(crate) fn not_enrolled(holder_is_revoked: Option<bool>) -> Self {
        match holder_is_revoked {
            Some(true) => Self::Revoked,
            Some(false) => Self::AlreadyEnrolled,
            None => Self::QuotaExceeded,
        }
    }
}
