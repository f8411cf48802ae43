//! The wrapping key, and the encryption of secrets under it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize as _, Zeroizing};

/// The header of a wrapped secret: a name, and the version of the format.
const HEADER: [u8; 4] = *b"DKW\x01";
/// The name without the version. A secret with this name and another version was written by a later
/// version of this software.
const MAGIC: &[u8] = b"DKW";
/// The length of a GCM tag in bytes (NIST SP 800-38D section 5.2.1.2).
const TAG_LEN: usize = 16;

/// The number of bytes that wrapping adds to a secret: header, nonce and tag.
pub(crate) const OVERHEAD_BYTES: usize = HEADER.len() + NONCE_LEN + TAG_LEN;

/// A key under which secrets are encrypted.
///
/// Nonces are 96 random bits, so one key should wrap at most 2^32 secrets (NIST SP 800-38D section
/// 8.3). A service wraps one secret for each device key.
pub struct WrappingKey(Zeroizing<[u8; WrappingKey::BYTES]>);

/// Why a secret could not be wrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// The secret is too long for AES-GCM, or memory ran out.
    #[error("the secret could not be encrypted with AES-GCM")]
    Cipher,
}

/// Why a wrapped secret could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnwrapError {
    /// The bytes do not begin like a wrapped secret. Most likely they were never wrapped.
    #[error("the bytes are not a wrapped secret")]
    NotWrapped,
    /// A later version of this software wrapped the secret.
    #[error("the secret is wrapped in a format that this version does not know")]
    UnknownVersion,
    /// The key or the context is wrong, or the bytes are damaged. These cases cannot be
    /// distinguished.
    #[error("the secret is damaged, or was wrapped under another key or for another purpose")]
    NotAuthentic,
}

/// Whether these bytes are a wrapped secret, in any version.
pub fn is_wrapped(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl WrappingKey {
    /// The length of a key in bytes.
    pub const BYTES: usize = 32;

    /// Makes a key from bytes, which must come from a cryptographically secure generator. The
    /// caller must wipe its own copy of the bytes.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Encrypts a secret for this context. The result consists of header, nonce, AES-256-GCM
    /// ciphertext and tag. The header and the context are authenticated.
    pub fn wrap(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, WrapError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(WrapError::Random)?;
        // The buffer is allocated at its final size, because a buffer that grows would leave a copy
        // of the secret in freed memory.
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

    /// Decrypts a secret that [`wrap`](Self::wrap) encrypted with the same key and context.
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

    /// Makes the cipher. The cipher is made for each use, so that only one copy of the key stays in
    /// memory. Its key schedule takes far less time than reading the file of the secret.
    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &*self.0).ok().map(LessSafeKey::new)
    }
}

/// Returns the authenticated data: the header and the context. The header has a fixed length, so
/// two different contexts never give the same data.
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
    fn a_secret_does_not_open_with_another_key_or_context() {
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
    fn a_secret_with_any_changed_byte_is_refused() {
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
    fn unwrapped_bytes_are_reported_as_not_wrapped() {
        for plain in [&b""[..], b"DK", b"DKW", b"-----BEGIN", &[0x30; 138]] {
            assert_eq!(unwrap(CONTEXT, plain), Err(UnwrapError::NotWrapped), "{plain:?}");
        }
        assert!(is_wrapped(b"DKW\x02"));
        assert!(!is_wrapped(&[0x30; 138]));
    }

    #[test]
    fn wrapping_a_secret_twice_gives_different_bytes() {
        assert_ne!(key().wrap(CONTEXT, b"").unwrap(), key().wrap(CONTEXT, b"").unwrap());
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(format!("{:?}", key()), "WrappingKey");
    }

    proptest! {
        #[test]
        fn every_wrapped_secret_opens(context: Vec<u8>, secret: Vec<u8>) {
            let wrapped = key().wrap(&context, &secret).unwrap();
            prop_assert_eq!(unwrap(&context, &wrapped).unwrap(), secret);
        }
    }
}
