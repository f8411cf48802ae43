//! The input of a signature: bytes that passed every check.

use std::fmt;

use device_key_types::{DeviceKeyId, PublicKey, Sha256Digest, StorageParentName};

/// The message that a new key signs to prove that it works. No statement has the domain of this
/// message, so the signature is never valid for a statement.
pub const SELF_TEST_MESSAGE: &[u8] = br#"{"domain":"device-key-self-test/v1"}"#;

/// The only input that a provider signs: checked bytes and the one key that may sign them.
///
/// The fields are private. [`authorize`](crate::authorize) makes this value from a statement that
/// passed every check, and `create` makes it from a constant message. There is no third way.
pub struct SigningInput {
    key: KeyReference,
    message: Box<[u8]>,
    sha256: Sha256Digest,
}

impl SigningInput {
    /// Takes the canonical bytes of a statement. Only `authorize` may call this.
    pub(crate) fn from_authorized(key: KeyReference, message: Vec<u8>) -> Self {
        Self { key, sha256: Sha256Digest::of(&message), message: message.into() }
    }

    /// The constant message with which a new key proves that it signs.
    pub(crate) fn self_test(key: KeyReference) -> Self {
        Self::from_authorized(key, SELF_TEST_MESSAGE.to_vec())
    }

    /// The key that must sign.
    pub const fn key(&self) -> &KeyReference {
        &self.key
    }

    /// The bytes to sign.
    pub const fn message(&self) -> &[u8] {
        &self.message
    }

    /// Returns the bytes, once they are signed.
    pub(crate) fn into_message(self) -> Box<[u8]> {
        self.message
    }

    /// SHA-256 of the message, for providers that sign digests.
    pub const fn sha256(&self) -> &Sha256Digest {
        &self.sha256
    }
}

impl fmt::Debug for SigningInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningInput").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The facts by which a provider finds a key and recognises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The public key that was recorded at creation.
    pub public_key: PublicKey,
    /// The storage parent's Name at creation, for TPM keys.
    pub storage_parent: Option<StorageParentName>,
}
