//! The errors of key operations and the reason codes that clients see.

use std::error::Error;

use device_key_types::{
    Field, FieldError, OsProtectionCondition, ProtectionClass, RandomUnavailable, Reason,
};

use crate::{AuthorizeError, BindingStoreError, ProviderError};

/// Why a key operation did not succeed.
///
/// [`DeviceKeyError::reason`] is for the client. The chain of sources is for the log.
#[derive(Debug, thiserror::Error)]
pub enum DeviceKeyError {
    /// A field of the request was refused.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The key is bound to another account or client.
    #[error("{}", Reason::BindingMismatch.message())]
    BindingMismatch,
    /// The owner has no such key.
    #[error("{}", Reason::KeyNotFound.message())]
    KeyNotFound,
    /// No provider offers a protection class that the caller accepts.
    #[error("{}", reason.message())]
    NoProtection {
        /// The code that says which kind of protection is missing.
        reason: Reason,
        /// The classes that a caller with another policy could have.
        available: Vec<ProtectionClass>,
        /// The condition of the OS-protected class that does not hold, if that class is missing.
        cause: Option<OsProtectionCondition>,
    },
    /// Too many operations wait for this provider.
    #[error("{}", Reason::Overloaded.message())]
    Overloaded,
    /// The operation did not end before its deadline.
    #[error("{}", Reason::Timeout.message())]
    TimedOut,
    /// The caller gave the operation up before it took effect.
    #[error("{}", Reason::ClientLeft.message())]
    GivenUp,
    /// The provider failed.
    #[error("provider {name}")]
    Provider {
        /// The provider's name.
        name: &'static str,
        /// What happened.
        #[source]
        source: ProviderError,
    },
    /// The binding store failed.
    #[error(transparent)]
    Bindings(#[from] BindingStoreError),
    /// A fault in this software.
    #[error("internal error")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl DeviceKeyError {
    /// The stable code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Field(error) => error.reason,
            Self::BindingMismatch => Reason::BindingMismatch,
            Self::KeyNotFound => Reason::KeyNotFound,
            Self::NoProtection { reason, .. } => *reason,
            Self::Overloaded => Reason::Overloaded,
            Self::TimedOut => Reason::Timeout,
            Self::GivenUp => Reason::ClientLeft,
            Self::Provider { source, .. } => source.kind().reason(),
            Self::Bindings(BindingStoreError::QuotaExceeded) => Reason::QuotaExceeded,
            Self::Bindings(BindingStoreError::TooNew) => Reason::StateTooNew,
            Self::Bindings(BindingStoreError::Replaced(_)) => Reason::StateReplaced,
            Self::Bindings(BindingStoreError::Unavailable(_) | BindingStoreError::Damaged(_)) => {
                Reason::StateUnavailable
            }
            Self::Bindings(BindingStoreError::Conflict | BindingStoreError::NotBegun)
            | Self::Internal(_) => Reason::Internal,
        }
    }

    /// The condition of the OS-protected class that does not hold, if that is the reason.
    pub fn os_protection_condition(&self) -> Option<OsProtectionCondition> {
        match self {
            Self::NoProtection { cause, .. } => *cause,
            Self::Provider { source, .. } => source.kind().os_protection_condition(),
            _ => None,
        }
    }

    /// The field that was refused, if one field was.
    pub const fn field(&self) -> Option<Field> {
        match self {
            Self::Field(error) => Some(error.field),
            _ => None,
        }
    }
}

impl From<AuthorizeError> for DeviceKeyError {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Field(error) => Self::Field(error),
            AuthorizeError::BindingMismatch => Self::BindingMismatch,
            AuthorizeError::Unserializable(error) => Self::Internal(error.into()),
        }
    }
}

impl From<RandomUnavailable> for DeviceKeyError {
    fn from(error: RandomUnavailable) -> Self {
        Self::Internal(error.into())
    }
}
