//! The key derivation functions of Part 1, section "Key Derivation Functions", with the two hash
//! algorithms that storage keys and endorsement keys use.
//!
//! Sessions need these functions, and so does a backend that makes a credential for an endorsement
//! key (Part 1, section "Credential Protection").

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

use crate::constants::{ALG_SHA256, ALG_SHA384};

/// A hash algorithm. The name algorithm of a key determines which one is used with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-256: the name algorithm of device keys and of the RSA-2048 and P-256 endorsement keys.
    Sha256,
    /// SHA-384: the name algorithm of the P-384 endorsement key.
    Sha384,
}

impl HashAlgorithm {
    /// The size of a digest in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// The `TPM_ALG_ID` (Part 2, 6.3): 0x000B or 0x000C.
    pub const fn identifier(self) -> u16 {
        match self {
            Self::Sha256 => ALG_SHA256,
            Self::Sha384 => ALG_SHA384,
        }
    }

    /// Hashes the concatenation of `parts`.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => hash::<Sha256>(parts).to_vec(),
            Self::Sha384 => hash::<Sha384>(parts).to_vec(),
        }
    }

    /// Computes the HMAC of the concatenation of `parts`. The key can have any length.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => authenticate(mac256(key), parts).to_vec(),
            Self::Sha384 => authenticate(mac384(key), parts).to_vec(),
        }
    }
}

/// `KDFa` (Part 1, 11.4.10.2; NIST SP 800-108 in counter mode with HMAC).
///
/// Derives `output`, of at most 8191 bytes, from `key`. Write `label` without its terminating zero
/// byte: this function adds it. The number of requested bits is an input of the derivation, so a
/// shorter output is not a prefix of a longer one.
pub fn kdfa(
    hash: HashAlgorithm,
    key: &[u8],
    label: &str,
    context_u: &[u8],
    context_v: &[u8],
    output: &mut [u8],
) {
    let context = [context_u, context_v];
    match hash {
        HashAlgorithm::Sha256 => {
            let mac = mac256(key);
            counter_mode(|parts| authenticate(mac.clone(), parts), label, context, output);
        }
        HashAlgorithm::Sha384 => {
            let mac = mac384(key);
            counter_mode(|parts| authenticate(mac.clone(), parts), label, context, output);
        }
    }
}

/// `KDFe` (Part 1, 11.4.10.3; NIST SP 800-56A).
///
/// Derives `output`, of at most 8191 bytes, from the shared secret `z`, which is the x coordinate
/// of the shared point. `party_u` is the x coordinate of the ephemeral key, and `party_v` is the x
/// coordinate of the static key. All three are padded to the size of the curve. Write `label`
/// without its terminating zero byte.
pub fn kdfe(
    hash: HashAlgorithm,
    z: &[u8],
    label: &str,
    party_u: &[u8],
    party_v: &[u8],
    output: &mut [u8],
) {
    for (counter, block) in (1u32..).zip(output.chunks_mut(hash.size())) {
        let parts: [&[u8]; 6] =
            [&counter.to_be_bytes(), z, label.as_bytes(), &[0], party_u, party_v];
        let derived = Zeroizing::new(hash.digest(&parts));
        copy(block, &derived);
    }
}

/// `KDFa` with any HMAC function.
pub(crate) fn counter_mode<const N: usize>(
    mac: impl Fn(&[&[u8]]) -> [u8; N],
    label: &str,
    [context_u, context_v]: [&[u8]; 2],
    output: &mut [u8],
) {
    let bits = u16::try_from(output.len().saturating_mul(8)).unwrap_or(u16::MAX);
    let bits = u32::from(bits).to_be_bytes();
    for (counter, block) in (1u32..).zip(output.chunks_mut(N)) {
        let counter = counter.to_be_bytes();
        let derived =
            Zeroizing::new(mac(&[&counter, label.as_bytes(), &[0], context_u, context_v, &bits]));
        copy(block, derived.as_slice());
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

fn hash<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    parts.iter().fold(D::new(), Digest::chain_update).finalize()
}

fn mac256(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new((&*block_key::<64>(HashAlgorithm::Sha256, key)).into())
}

fn mac384(key: &[u8]) -> Hmac<Sha384> {
    Hmac::new((&*block_key::<128>(HashAlgorithm::Sha384, key)).into())
}

/// Pads the key with zeros to one block of the hash. A longer key is hashed first (RFC 2104, 2).
fn block_key<const N: usize>(hash: HashAlgorithm, key: &[u8]) -> Zeroizing<[u8; N]> {
    let mut block = Zeroizing::new([0; N]);
    if key.len() > N {
        copy(block.as_mut_slice(), &Zeroizing::new(hash.digest(&[key])));
    } else {
        copy(block.as_mut_slice(), key);
    }
    block
}

/// Finishes `mac` over the concatenation of `parts`.
pub(crate) fn authenticate<M: Mac, const N: usize>(mut mac: M, parts: &[&[u8]]) -> [u8; N]
where
    hmac::digest::Output<M>: Into<[u8; N]>,
{
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [HashAlgorithm; 2] = [HashAlgorithm::Sha256, HashAlgorithm::Sha384];

    /// RFC 4231, test case 2 (a short key) and test case 6 (a key longer than a block): the first
    /// bytes of each HMAC.
    #[test]
    fn hmacs_match_the_test_cases_of_the_rfc() {
        let hmac = |hash: HashAlgorithm, key: &[u8], text: &[u8]| hash.hmac(key, &[text]);
        let [short, long] = [&b"Jefe"[..], &[0xaa; 131]];
        let question = b"what do ya want for nothing?";
        let hash_first = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hmac(BOTH[0], short, question)[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(hmac(BOTH[0], long, hash_first)[..4], [0x60, 0xe4, 0x31, 0x59]);
        assert_eq!(hmac(BOTH[1], short, question)[..4], [0xaf, 0x45, 0xd2, 0xe3]);
        assert_eq!(hmac(BOTH[1], long, hash_first)[..4], [0x4e, 0xce, 0x08, 0x44]);
    }

    #[test]
    fn digests_have_the_size_of_their_algorithm() {
        for hash in BOTH {
            assert_eq!(hash.digest(&[b"a", b"bc"]), hash.digest(&[b"abc"]));
            assert_eq!(hash.digest(&[]).len(), hash.size());
        }
        assert_eq!(BOTH.map(HashAlgorithm::identifier), [0x000B, 0x000C]);
    }

    #[test]
    fn kdfa_derives_more_than_one_block_and_depends_on_the_length() {
        for hash in BOTH {
            let size = hash.size();
            let (mut one, mut two) = (vec![0; size], vec![0; size + 8]);
            kdfa(hash, &[1; 32], "ATH", b"u", b"v", &mut one);
            kdfa(hash, &[1; 32], "ATH", b"u", b"v", &mut two);
            assert_ne!(one, two[..size]);
            let bits = u16::try_from((size + 8) * 8).unwrap().to_be_bytes();
            let expected = hash.hmac(&[1; 32], &[&[0, 0, 0, 2], b"ATH\0uv", &[0, 0], &bits]);
            assert_eq!(two[size..], expected[..8]);
        }
    }

    #[test]
    fn kdfe_derives_more_than_one_block() {
        for hash in BOTH {
            let size = hash.size();
            let mut output = vec![0; size + 8];
            kdfe(hash, &[1; 32], "IDENTITY", b"u", b"v", &mut output);
            let block = |number| hash.digest(&[&[0, 0, 0, number], &[1; 32], b"IDENTITY\0uv"]);
            assert_eq!(output[..size], block(1));
            assert_eq!(output[size..], block(2)[..8]);
        }
    }
}
