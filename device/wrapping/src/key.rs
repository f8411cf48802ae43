//! The wrapping key, and how secrets are encrypted under it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize as _, Zeroizing};

/// What a wrapped secret begins with: a name, and the version of all that follows.
const HEADER: [u8; 4] = *b"DKW\x01";
/// The name alone, by which a later version is told from damage.
const MAGIC: &[u8] = b"DKW";
/// GCM's tag in bytes (NIST SP 800-38D section 5.2.1.2).
const TAG_LEN: usize = 16;

/// How many bytes longer a wrapped secret is: header, nonce and tag.
const OVERHEAD_BYTES: usize = HEADER.len() + NONCE_LEN + TAG_LEN;

/// A key under which secrets are kept.
///
/// Nonces are 96 random bits, so one key should wrap at most 2^32 secrets (NIST SP 800-38D section
/// 8.3). A service wraps one for each device key.
pub struct WrappingKey(Zeroizing<[u8; WrappingKey::BYTES]>);

/// Why a secret could not be wrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// The secret is longer than AES-GCM takes, or memory ran out.
    #[error("AES-GCM failed")]
    Cipher,
}

/// Why a wrapped secret could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnwrapError {
    /// It does not begin like a wrapped secret: most likely it was never wrapped.
    #[error("not a wrapped secret")]
    NotWrapped,
    /// A later version wrote it.
    #[error("wrapped in a form that this version does not know")]
    UnknownVersion,
    /// Another key, another context, or damage; these cannot be told apart.
    #[error("wrapped under another key or for another purpose, or damaged")]
    NotAuthentic,
}

/// Whether these bytes are a wrapped secret, in any version.
pub fn is_wrapped(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl WrappingKey {
    /// The length of a key in bytes.
    pub const BYTES: usize = 32;

    /// Takes a key, which must come from a cryptographically secure generator. The caller's copy is
    /// the caller's to wipe.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Encrypts a secret for this context: header, nonce, AES-256-GCM ciphertext, tag. Header and
    /// context are authenticated.
    pub fn wrap(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, WrapError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(WrapError::Random)?;
        // Allocated at its final size: growing would leave a copy of the secret behind.
        let mut wrapped = Vec::with_capacity(secret.len().saturating_add(OVERHEAD_BYTES));
        wrapped.extend_from_slice(&HEADER);
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(secret);
        let (_, body) = wrapped.split_at_mut(HEADER.len().saturating_add(NONCE_LEN));
        let sealed = self.cipher().and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher.seal_in_place_separate_tag(nonce, Aad::from(authenticated(context)), body).ok()
        });
        let Some(tag) = sealed else {
            wrapped.zeroize();
            return Err(WrapError::Cipher);
        };
        wrapped.extend_from_slice(tag.as_ref());
        Ok(wrapped)
    }

    /// Opens what [`wrap`](Self::wrap) wrote with the same key and context.
    pub fn unwrap(
        &self,
        context: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let Some(rest) = wrapped.strip_prefix(&HEADER) else {
            let is_later = is_wrapped(wrapped) && wrapped.len() >= HEADER.len();
            return Err(if is_later {
                UnwrapError::UnknownVersion
            } else {
                UnwrapError::NotWrapped
            });
        };
        let (nonce, sealed) =
            rest.split_first_chunk::<NONCE_LEN>().ok_or(UnwrapError::NotAuthentic)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let length = self
            .cipher()
            .and_then(|cipher| {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let aad = Aad::from(authenticated(context));
                cipher.open_in_place(nonce, aad, &mut opened).ok().map(|secret| secret.len())
            })
            .ok_or(UnwrapError::NotAuthentic)?;
        opened.truncate(length);
        Ok(opened)
    }

    /// Made for each use: it is a key schedule, far cheaper than reading the file that it is for,
    /// and so only one copy of the key stays in memory.
    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &*self.0).ok().map(LessSafeKey::new)
    }
}

/// The header has a fixed length, so header and context cannot run into each other.
fn authenticated(context: &[u8]) -> Vec<u8> {
    [&HEADER, context].concat()
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTEXT: &[u8] = b"device-key-test/v1 dk_1";

    fn key() -> WrappingKey {
        WrappingKey::from_bytes([1; 32])
    }

    fn unwrap(context: &[u8], wrapped: &[u8]) -> Result<Vec<u8>, UnwrapError> {
        key().unwrap(context, wrapped).map(|secret| secret.to_vec())
    }

    #[test]
    fn another_key_or_context_opens_nothing() {
        let wrapped = key().wrap(CONTEXT, b"secret").unwrap();
        assert_eq!(wrapped.len(), 6 + OVERHEAD_BYTES);
        assert_eq!(unwrap(CONTEXT, &wrapped).unwrap(), b"secret");
        let other = WrappingKey::from_bytes([2; 32]);
        assert_eq!(other.unwrap(CONTEXT, &wrapped).unwrap_err(), UnwrapError::NotAuthentic);
        for context in [&b"device-key-test/v1 dk_2"[..], b""] {
            assert_eq!(unwrap(context, &wrapped), Err(UnwrapError::NotAuthentic));
        }
    }

    #[test]
    fn every_byte_counts() {
        let wrapped = key().wrap(CONTEXT, b"secret").unwrap();
        for place in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[place] ^= 1;
            let expected = match place {
                0..3 => UnwrapError::NotWrapped,
                3 => UnwrapError::UnknownVersion,
                _ => UnwrapError::NotAuthentic,
            };
            assert_eq!(unwrap(CONTEXT, &changed), Err(expected), "byte {place}");
        }
        for length in 0..wrapped.len() {
            unwrap(CONTEXT, &wrapped[..length]).unwrap_err();
        }
        unwrap(CONTEXT, &[&wrapped[..], b"\0"].concat()).unwrap_err();
    }

    #[test]
    fn what_was_never_wrapped_says_so() {
        for plain in [&b""[..], b"DK", b"DKW", b"-----BEGIN", &[0x30; 138]] {
            assert_eq!(unwrap(CONTEXT, plain), Err(UnwrapError::NotWrapped), "{plain:?}");
        }
        assert!(is_wrapped(b"DKW\x02"));
        assert!(!is_wrapped(&[0x30; 138]));
    }

    #[test]
    fn the_same_secret_is_never_wrapped_alike() {
        assert_ne!(key().wrap(CONTEXT, b"").unwrap(), key().wrap(CONTEXT, b"").unwrap());
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", key()), "WrappingKey");
    }

    proptest! {
        #[test]
        fn whatever_is_wrapped_opens(context: Vec<u8>, secret: Vec<u8>) {
            let wrapped = key().wrap(&context, &secret).unwrap();
            prop_assert_eq!(unwrap(&context, &wrapped).unwrap(), secret);
        }
    }
}
