//! The operations of providers and binding stores, and the moments at which a hook can act.

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

/// Declares the operations of a trait, each with its name.
macro_rules! operations {
    ($(#[$doc:meta])* $name:ident, $error:ty: $($operation:ident $text:literal)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("The operation `", $text, "`.")] $operation,)+
        }

        impl Operation for $name {
            type Error = $error;
            const ALL: &[Self] = &[$(Self::$operation),+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$operation => $text,)+
                }
            }
        }
    };
}

operations! {
    /// Operations of a [`device_key::DeviceKeyProvider`] that may reach the platform. `Identify`
    /// and `Activate` are operations of the provider's attestor.
    ProviderOperation, ProviderError:
    Presence "presence"
    Availability "availability"
    Create "create"
    Sign "sign"
    Identify "identify"
    Activate "activate"
    Delete "delete"
    List "list"
}

operations! {
    /// Operations of a [`device_key::DeviceKeyBindingStore`].
    BindingOperation, BindingStoreError:
    Begin "begin"
    Complete "complete"
    Get "get"
    List "list"
    BeginDeletion "begin_deletion"
    Owners "owners"
    BeginPurge "begin_purge"
    Remove "remove"
    CheckWrite "check_write"
    Abandoned "abandoned"
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
