//! The HMAC key of a session and the functions that use it.

use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::constants::SHA256_SIZE;
use crate::kdf;

/// Bytes in a SHA-256 block, which is the native size of an HMAC-SHA-256 key.
const BLOCK: usize = 64;

/// An HMAC key of at most one block. A shorter key is padded with zeros, as HMAC itself would pad
/// it (RFC 2104, 2).
pub(super) struct HmacKey(Zeroizing<[u8; BLOCK]>);

impl HmacKey {
    /// Concatenates a session key and the authValue of an object (`sessionKey ‖ authValue`, Part 1,
    /// section "Session-Based Authorizations"). Each has at most 32 bytes.
    pub(super) fn join(first: &[u8; SHA256_SIZE], second: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; BLOCK]);
        for (to, from) in key.iter_mut().zip(first.iter().chain(second)) {
            *to = *from;
        }
        Self(key)
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new((&*self.0).into())
    }

    /// Computes the HMAC-SHA-256 of the concatenation of `parts`.
    pub(super) fn authenticate(&self, parts: &[&[u8]]) -> [u8; SHA256_SIZE] {
        kdf::authenticate(self.mac(), parts)
    }

    /// Whether `tag` is the HMAC of the concatenation of `parts`. Compares in constant time.
    pub(super) fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.authenticate(parts).ct_eq(tag).into()
    }

    /// [`kdf::kdfa`] with SHA-256 and this key.
    pub(super) fn kdfa(&self, label: &str, context_u: &[u8], context_v: &[u8], output: &mut [u8]) {
        kdf::counter_mode(|parts| self.authenticate(parts), label, [context_u, context_v], output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_key_gives_the_hmac_of_the_rfc() {
        // RFC 4231, test case 2, has the key "Jefe". Padding it to 32 bytes gives the same HMAC.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let tag = HmacKey::join(&key, &[]).authenticate(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(tag[28..], [0x64, 0xec, 0x38, 0x43]);
    }

    #[test]
    fn a_tag_with_any_changed_bit_is_refused() {
        let key = HmacKey::join(&[7; 32], b"auth");
        let tag = key.authenticate(&[b"message"]);
        assert!(key.verify(&[b"message"], &tag));
        for bit in 0..256 {
            let mut changed = tag;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(&[b"message"], &changed));
        }
        assert!(!key.verify(&[b"message"], &tag[..31]));
        assert!(!key.verify(&[b"message"], &[]));
    }

    #[test]
    fn the_joined_key_derives_what_the_public_function_does() {
        let key = HmacKey::join(&[1; 32], b"auth");
        let (mut ours, mut theirs) = ([0; 48], [0; 48]);
        key.kdfa("CFB", b"u", b"v", &mut ours);
        let joined = [&[1; 32], &b"auth"[..]].concat();
        kdf::kdfa(kdf::HashAlgorithm::Sha256, &joined, "CFB", b"u", b"v", &mut theirs);
        assert_eq!(ours, theirs);
    }
}
