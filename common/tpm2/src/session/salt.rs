//! The secret that salts a session: a one-pass ECDH key agreement between an ephemeral key of this
//! crate and the storage root key (Part 1, annex C.6.1; "Secret Sharing" with the label "SECRET").

use device_key_types::{RandomSource, RandomUnavailable};
use p256::SecretKey;
use zeroize::Zeroizing;

use crate::constants::SHA256_SIZE;
use crate::error::Error;
use crate::kdf::{self, HashAlgorithm};
use crate::marshal::Writer;
use crate::structures::EccPoint;

/// How many random numbers to try as the ephemeral scalar. A random 32-byte number is not a valid
/// scalar with a probability of 2^-32, so three failures in a row mean that the source is broken.
const SCALAR_ATTEMPTS: usize = 3;

/// A fresh salt, and the data with which the holder of the salting key can compute it.
pub(crate) struct Salt {
    /// The salt itself.
    pub(crate) secret: Zeroizing<[u8; 32]>,
    /// The content of `TPM2B_ENCRYPTED_SECRET`: the ephemeral point as a `TPMS_ECC_POINT`.
    pub(crate) encrypted: Vec<u8>,
}

impl Salt {
    /// Makes a salt for the key whose public point is `point`.
    pub(crate) fn agree(point: &EccPoint, random: &dyn RandomSource) -> Result<Self, Error> {
        let ephemeral = ephemeral_key(random)?;
        let shared = p256::ecdh::diffie_hellman(
            ephemeral.to_nonzero_scalar(),
            point.public_key().as_affine(),
        );
        let ours = EccPoint::from(ephemeral.public_key());
        let secret = secret(shared.raw_secret_bytes(), &ours, point);
        let mut encrypted = Writer::new();
        ours.build(&mut encrypted).map_err(Error::Input)?;
        Ok(Self { secret, encrypted: encrypted.as_bytes().to_vec() })
    }
}

fn secret(shared: &[u8], ephemeral: &EccPoint, storage: &EccPoint) -> Zeroizing<[u8; SHA256_SIZE]> {
    let mut secret = Zeroizing::new([0; SHA256_SIZE]);
    let (u, v) = (ephemeral.x(), storage.x());
    kdf::kdfe(HashAlgorithm::Sha256, shared, "SECRET", &u, &v, secret.as_mut_slice());
    secret
}

fn ephemeral_key(random: &dyn RandomSource) -> Result<SecretKey, RandomUnavailable> {
    let mut bytes = Zeroizing::new([0; 32]);
    for _ in 0..SCALAR_ATTEMPTS {
        random.fill(bytes.as_mut_slice())?;
        if let Ok(key) = SecretKey::from_slice(bytes.as_slice()) {
            return Ok(key);
        }
    }
    Err(RandomUnavailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marshal::Reader;

    struct ConstantRandom(u8);

    impl RandomSource for ConstantRandom {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn the_holder_of_the_salting_key_computes_the_same_salt() {
        let parent = SecretKey::from_slice(&[5; 32]).unwrap();
        let point = EccPoint::from(parent.public_key());
        let salt = Salt::agree(&point, &ConstantRandom(9)).unwrap();
        let mut reader = Reader::new(&salt.encrypted);
        let theirs = EccPoint::parse(&mut reader).unwrap();
        reader.finish().unwrap();
        let shared =
            p256::ecdh::diffie_hellman(parent.to_nonzero_scalar(), theirs.public_key().as_affine());
        let secret = secret(shared.raw_secret_bytes(), &theirs, &point);
        assert_eq!(secret, salt.secret);
    }

    #[test]
    fn a_source_that_gives_no_valid_scalar_is_an_error() {
        let point = EccPoint::from(SecretKey::from_slice(&[5; 32]).unwrap().public_key());
        for byte in [0x00, 0xff] {
            assert!(matches!(
                Salt::agree(&point, &ConstantRandom(byte)),
                Err(Error::Random(RandomUnavailable))
            ));
        }
    }
}
