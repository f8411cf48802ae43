//! The two key derivation functions of Part 1, section "Key Derivation Functions", with SHA-256, and the
//! HMAC that both sessions and `KDFa` use.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::constants::SHA256_SIZE;

/// Bytes in a SHA-256 block, the native size of an HMAC-SHA-256 key.
const BLOCK: usize = 64;

/// An HMAC key of at most one block: shorter ones are padded with zeros (RFC 2104, 2), which is what the
/// HMAC itself would do.
pub(super) struct HmacKey(Zeroizing<[u8; BLOCK]>);

impl HmacKey {
    /// Joins a session key with the authValue of the entity (`sessionKey ‖ authValue`, Part 1, section
    /// "Session-Based Authorizations"). Both have at most 32 bytes.
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

    /// HMAC-SHA-256 over the parts, one after the other.
    pub(super) fn authenticate(&self, parts: &[&[u8]]) -> [u8; SHA256_SIZE] {
        let mut mac = self.mac();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `tag` is the HMAC over the parts, compared in constant time.
    pub(super) fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.authenticate(parts).ct_eq(tag).into()
    }

    /// `KDFa` (Part 1, 11.4.10.2, NIST SP 800-108 counter mode): fills `output`, at most 65535 bits.
    pub(super) fn kdfa(&self, label: &str, context_u: &[u8], context_v: &[u8], output: &mut [u8]) {
        let bits = u32::from(bit_count(output)).to_be_bytes();
        for (counter, block) in (1u32..).zip(output.chunks_mut(SHA256_SIZE)) {
            let derived = Zeroizing::new(self.authenticate(&[
                &counter.to_be_bytes(),
                label.as_bytes(),
                &[0],
                context_u,
                context_v,
                &bits,
            ]));
            for (to, from) in block.iter_mut().zip(derived.iter()) {
                *to = *from;
            }
        }
    }
}

/// `KDFe` (Part 1, 11.4.10.3, NIST SP 800-56A): one block derived from the shared secret `z`.
/// `party_u` and `party_v` are x coordinates padded to the size of the curve.
pub(super) fn kdfe(z: &[u8], label: &str, party_u: &[u8], party_v: &[u8]) -> Zeroizing<[u8; 32]> {
    let digest = Sha256::new()
        .chain_update(1u32.to_be_bytes())
        .chain_update(z)
        .chain_update(label.as_bytes())
        .chain_update([0])
        .chain_update(party_u)
        .chain_update(party_v)
        .finalize();
    Zeroizing::new(digest.into())
}

fn bit_count(output: &[u8]) -> u16 {
    u16::try_from(output.len().saturating_mul(8)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_key_is_the_plain_hmac_key() {
        // RFC 4231, test case 2 pads "Jefe"; here its padding to 32 bytes is the same key.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let tag = HmacKey::join(&key, &[]).authenticate(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(tag[28..], [0x64, 0xec, 0x38, 0x43]);
    }

    #[test]
    fn every_bit_of_a_tag_counts() {
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
    fn kdfa_goes_on_past_one_block_and_binds_its_length() {
        let key = HmacKey::join(&[1; 32], &[]);
        let (mut one, mut two) = ([0; 32], [0; 48]);
        key.kdfa("ATH", b"u", b"v", &mut one);
        key.kdfa("ATH", b"u", b"v", &mut two);
        assert_ne!(one, two[..32]);
        let expected = key.authenticate(&[&[0, 0, 0, 2], b"ATH\0uv", &[0, 0, 1, 0x80]]);
        assert_eq!(two[32..], expected[..16]);
    }
}
