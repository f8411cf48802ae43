//! The platform side of a key: where key material is made, kept and used.

use std::error::Error;
use std::fmt;

use device_key_types::{
    DeviceKeyId, OsProtectionCondition, ProtectionClass, PublicKey, Reason, Signature,
    StorageParentName, TpmKind,
};

use crate::{KeyAttestor, KeyReference, LocalPeer, SigningInput};

/// Holds key material on one kind of platform. A provider knows no binding, account or policy.
///
/// Every method may block for as long as the platform takes. Callers therefore call the methods off
/// the async threads, and at most [`ProviderDescription::concurrency`] at a time.
pub trait DeviceKeyProvider: Send + Sync {
    /// Describes the provider. The answer never changes.
    fn description(&self) -> ProviderDescription;

    /// Says whether the provider is available to this caller, as far as the provider knows without
    /// asking its key device. Every connection's handshake calls this method, so it must take well
    /// under a millisecond.
    fn presence(&self, caller: &LocalPeer) -> Result<(), ProviderError>;

    /// Asks the platform whether keys can be created for this caller now.
    fn availability(&self, caller: &LocalPeer) -> Result<(), ProviderError>;

    /// Says whether this caller may use keys of this provider, as far as
    /// [`presence`](Self::presence) and [`availability`](Self::availability) have found out. Every
    /// signature calls this method, so it must make no system call.
    fn serves(&self, caller: &LocalPeer) -> Result<(), ProviderError>;

    /// Creates a key under this name and stores it durably.
    ///
    /// If the name is taken, this is an error and the existing key stays. After any other error,
    /// [`DeviceKeyProvider::delete`] removes everything that is left.
    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError>;

    /// Says whether [`sign`](Self::sign) would now take only microseconds of processor time,
    /// because the key is in memory and there is no device, file or person to wait for. If so, the
    /// caller signs on the thread that received the request. This method must make no system call.
    fn signs_at_once(&self, key: &KeyReference) -> bool;

    /// Signs with exactly the key that the input names. If the key's public part differs from the
    /// recorded public key, the error is [`ProviderErrorKind::KeyLost`].
    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError>;

    /// The attestor of the provider's keys; `None` if nothing on this platform vouches for them.
    fn attestor(&self) -> Option<&dyn KeyAttestor>;

    /// Removes the key and everything that an interrupted creation left. It is not an error if
    /// there is nothing to remove.
    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError>;

    /// Lists every key that is stored here, in ascending order.
    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError>;
}

/// The constant properties of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderDescription {
    /// The provider's stable name, which is recorded with each key.
    pub name: &'static str,
    /// The protection class of every key of the provider.
    pub protection_class: ProtectionClass,
    /// The number of operations that the platform can run at a time, at least 1.
    pub concurrency: usize,
    /// When the provider's signatures are verified before they are returned.
    pub signature_check: SignatureCheck,
}

/// When a provider's signatures are verified under the recorded public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureCheck {
    /// Every signature is verified, because software cannot look into the device with the key.
    Each,
    /// Only the self-test at creation is verified. The provider compares the loaded public key each
    /// time, and a verification would cost more than the signature.
    AtCreation,
}

/// The facts about a key that a provider created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedKey {
    /// The key's public part.
    pub public_key: PublicKey,
    /// The kind of TPM, for TPM keys.
    pub tpm_kind: Option<TpmKind>,
    /// The storage parent's Name, for TPM keys.
    pub storage_parent: Option<StorageParentName>,
}

/// Why a provider could not do what it was asked. The source is for the log, never for a client.
#[derive(Debug)]
pub struct ProviderError {
    kind: ProviderErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl ProviderError {
    /// Gives a platform error its kind.
    pub fn new(kind: ProviderErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The kind of the error.
    pub const fn kind(&self) -> ProviderErrorKind {
        self.kind
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.reason().message())
    }
}

impl Error for ProviderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The kinds of provider errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderErrorKind {
    /// The platform has no such hardware, or its hardware is a simulator that was not allowed.
    HardwareUnavailable,
    /// A condition of the OS-protected class does not hold.
    OsProtectionUnavailable(OsProtectionCondition),
    /// Another program is using the device.
    Busy,
    /// The device is in dictionary-attack lockout.
    LockedOut,
    /// The device is gone or restarting.
    Unavailable,
    /// The key exists here, but the platform can no longer load it.
    KeyLost,
    /// Nothing on this platform can vouch for keys, either ever or at the moment.
    AttestationUnavailable,
    /// The credential was not made for this key on this device.
    CredentialNotActivated,
    /// The person at the machine denied the request. No provider of this version asks a person.
    UserDenied,
    /// The deadline passed.
    Timeout,
    /// Any other error.
    Failed,
}

impl ProviderErrorKind {
    /// The condition that does not hold, if the kind is [`Self::OsProtectionUnavailable`].
    pub const fn os_protection_condition(self) -> Option<OsProtectionCondition> {
        match self {
            Self::OsProtectionUnavailable(condition) => Some(condition),
            _ => None,
        }
    }

    /// The code that a client sees.
    pub const fn reason(self) -> Reason {
        match self {
            Self::HardwareUnavailable => Reason::HardwareUnavailable,
            Self::OsProtectionUnavailable(_) => Reason::OsProtectionUnavailable,
            Self::Busy => Reason::ProviderBusy,
            Self::LockedOut => Reason::ProviderLockedOut,
            Self::Unavailable => Reason::ProviderUnavailable,
            Self::KeyLost => Reason::KeyLost,
            Self::AttestationUnavailable => Reason::AttestationUnavailable,
            Self::CredentialNotActivated => Reason::CredentialNotActivated,
            Self::UserDenied => Reason::UserDenied,
            Self::Timeout => Reason::Timeout,
            Self::Failed => Reason::ProviderFailed,
        }
    }
}
