use std::{error::Error, fmt};

use device_key_types::{
    DeviceKeyId, OsProtectionCondition, ProtectionClass, PublicKey, Reason, Signature,
    StorageParentName, TpmKind,
};

use crate::{KeyAttestor, KeyReference, LocalPeer, SigningInput};

/// Owns key material on one kind of platform, and nothing else: no binding, no account, no policy.
///
/// Every method may block for as long as the platform takes; callers run them off the async
/// threads, and not more than [`ProviderDescription::concurrency`] at a time.
pub trait DeviceKeyProvider: Send + Sync {
    /// What the provider is. Constant for its lifetime.
    fn description(&self) -> ProviderDescription;

    /// What is known about availability for this caller without asking a key device. It is part of
    /// the handshake of every connection, so it takes well under a millisecond.
    fn presence(&self, caller: &LocalPeer) -> Result<(), ProviderError>;

    /// Asks the platform whether keys can be created for this caller now.
    fn availability(&self, caller: &LocalPeer) -> Result<(), ProviderError>;

    /// Whether keys of this provider may be used for this caller, as far as that is known from
    /// [`presence`](Self::presence) and [`availability`](Self::availability). Asked for every
    /// signature, so it makes no system call.
    fn serves(&self, caller: &LocalPeer) -> Result<(), ProviderError>;

    /// Creates a key under this name and stores it durably. A name that is taken is an error, and
    /// the key there stays. On any other error nothing is left that [`DeviceKeyProvider::delete`]
    /// does not remove.
    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError>;

    /// Loads the key and gives its public part, as the platform holds it; a provider may answer
    /// [`ProviderErrorKind::KeyLost`] if that is not the recorded one.
    fn public_key(&self, key: &KeyReference) -> Result<PublicKey, ProviderError>;

    /// Whether [`sign`](Self::sign) would now take microseconds of the processor and nothing else: the
    /// key is in memory, and there is no device, file or person to wait for. Then it is called where
    /// the request came in, without a trip to another thread and back. Makes no system call itself.
    fn signs_at_once(&self, key: &KeyReference) -> bool;

    /// Signs with exactly the key that the input names; a key whose public part differs from the
    /// recorded one is [`ProviderErrorKind::KeyLost`].
    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError>;

    /// What vouches for its keys, if anything on this platform does.
    fn attestor(&self) -> Option<&dyn KeyAttestor>;

    /// Removes the key and whatever an interrupted creation left. Not an error if nothing is there.
    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError>;

    /// Names every key that is stored here, in ascending order.
    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError>;
}

/// What a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderDescription {
    /// Stable name, kept with each key.
    pub name: &'static str,
    /// The class of every key that it makes.
    pub protection_class: ProtectionClass,
    /// How many operations the platform takes at a time; at least 1.
    pub concurrency: usize,
    /// When its signatures are verified before they leave.
    pub signature_check: SignatureCheck,
}

/// When a provider's signatures are verified under the recorded public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureCheck {
    /// Each one: the key sits in a device that software cannot look into.
    Each,
    /// The self-test at creation: the provider compares the loaded public key each time, and a
    /// verification costs more than the signature.
    AtCreation,
}

/// What a provider tells about a key that it created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedKey {
    /// The key's public part.
    pub public_key: PublicKey,
    /// The kind of TPM, for TPM keys.
    pub tpm_kind: Option<TpmKind>,
    /// The storage parent's Name, for TPM keys.
    pub storage_parent: Option<StorageParentName>,
}

/// A provider could not do what it was asked. The source is for the log, never for a client.
#[derive(Debug)]
pub struct ProviderError {
    kind: ProviderErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl ProviderError {
    /// Classifies a platform error.
    pub fn new(kind: ProviderErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// What happened.
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

/// What happened in a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderErrorKind {
    /// The platform has no such hardware, or it is a simulator that was not allowed.
    HardwareUnavailable,
    /// A condition of the OS-protected class does not hold.
    OsProtectionUnavailable(OsProtectionCondition),
    /// Another program holds the device.
    Busy,
    /// The device is in dictionary-attack lockout.
    LockedOut,
    /// The device is gone or restarting.
    Unavailable,
    /// The key exists here, but the platform can no longer load it.
    KeyLost,
    /// Nothing vouches for its keys, or not now.
    AttestationUnavailable,
    /// The credential was not made for this key on this device.
    CredentialNotActivated,
    /// The person at the machine said no.
    UserDenied,
    /// The deadline passed.
    Timeout,
    /// Anything else.
    Failed,
}

impl ProviderErrorKind {
    /// The condition that does not hold, if that is what happened.
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
