//! The operations of the two traits, and the moments at which a hook can act.

use std::fmt;

use device_key::{BindingStoreError, ProviderError, ProviderErrorKind};

/// The moment before an operation reaches the wrapped implementation, or after it succeeded there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing is done yet.
    Before,
    /// The work is done, but the caller does not know yet.
    After,
}

impl Moment {
    /// Both moments, in order.
    pub const ALL: &[Self] = &[Self::Before, Self::After];

    /// The moment's name in a crash point.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// The operations of one trait, and the trait's error.
pub trait Operation: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The trait's error.
    type Error;
    /// Every operation.
    const ALL: &[Self];

    /// The operation's name in a crash point.
    fn as_str(self) -> &'static str;
}

/// Operations of a [`device_key::DeviceKeyProvider`] that may reach the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderOperation {
    /// `presence`
    Presence,
    /// `availability`
    Availability,
    /// `create`
    Create,
    /// `sign`
    Sign,
    /// `identity` of the provider's attestor
    Identify,
    /// `activate` of the provider's attestor
    Activate,
    /// `delete`
    Delete,
    /// `list`
    List,
}

impl Operation for ProviderOperation {
    type Error = ProviderError;
    const ALL: &[Self] = &[
        Self::Presence,
        Self::Availability,
        Self::Create,
        Self::Sign,
        Self::Identify,
        Self::Activate,
        Self::Delete,
        Self::List,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Availability => "availability",
            Self::Create => "create",
            Self::Sign => "sign",
            Self::Identify => "identify",
            Self::Activate => "activate",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

/// Operations of a [`device_key::DeviceKeyBindingStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingOperation {
    /// `begin`
    Begin,
    /// `complete`
    Complete,
    /// `get`
    Get,
    /// `list`
    List,
    /// `begin_deletion`
    BeginDeletion,
    /// `remove`
    Remove,
    /// `abandoned`
    Abandoned,
}

impl Operation for BindingOperation {
    type Error = BindingStoreError;
    const ALL: &[Self] = &[
        Self::Begin,
        Self::Complete,
        Self::Get,
        Self::List,
        Self::BeginDeletion,
        Self::Remove,
        Self::Abandoned,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Complete => "complete",
            Self::Get => "get",
            Self::List => "list",
            Self::BeginDeletion => "begin_deletion",
            Self::Remove => "remove",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Makes an error of a kind, for tests for which the cause does not matter.
pub trait IntoProviderError {
    /// Returns the error, with a made-up cause.
    fn into_error(self) -> ProviderError;
}

impl IntoProviderError for ProviderErrorKind {
    fn into_error(self) -> ProviderError {
        ProviderError::new(self, "injected fault")
    }
}

/// Returns the error of a binding store that cannot be used, with a made-up cause.
pub fn unavailable() -> BindingStoreError {
    BindingStoreError::Unavailable("injected fault".into())
}
