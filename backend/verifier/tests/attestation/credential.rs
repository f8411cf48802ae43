//! Tests of making credentials. `swtpm.rs` tests that a TPM opens them.

use std::sync::atomic::{AtomicU8, Ordering};

use device_key_types::attestation::{Credential, EndorsementKeyKind};
use device_key_types::{RandomSource, RandomUnavailable};
use device_key_verifier::attestation::{CredentialError, EndorsementPublic, Name, make_credential};

use crate::software_tpm::{EndorsementKey, SECRET};
use crate::tpm_structures as tpm;

/// A source of randomness that always returns this byte.
struct Constant(u8);

impl RandomSource for Constant {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(self.0);
        Ok(())
    }
}

/// A source of randomness that always fails.
struct Broken;

impl RandomSource for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
        Err(RandomUnavailable)
    }
}

/// A source that first returns this many numbers beyond a curve's order, then valid numbers.
struct Unlucky(AtomicU8);

impl RandomSource for Unlucky {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        let count_down = |left: u8| left.checked_sub(1);
        let unlucky = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down).is_ok();
        bytes.fill(if unlucky { 0xff } else { 1 });
        Ok(())
    }
}

fn key(kind: EndorsementKeyKind) -> EndorsementPublic {
    EndorsementPublic::parse(&EndorsementKey::new(kind).area).unwrap()
}

fn name(of: &[u8]) -> Name {
    Name::try_from(tpm::name(of).as_slice()).unwrap()
}

fn make(key: &EndorsementPublic, random: &dyn RandomSource) -> Result<Credential, CredentialError> {
    make_credential(key, &name(b"key"), &SECRET, random)
}

#[test]
fn a_credential_has_the_sizes_of_its_key() {
    for (kind, hmac, encrypted_secret) in [
        (EndorsementKeyKind::Rsa2048, 32, 256),
        (EndorsementKeyKind::EccP256, 32, 4 + 64),
        (EndorsementKeyKind::EccP384, 48, 4 + 96),
    ] {
        let credential = make(&key(kind), &Constant(1)).unwrap();
        assert_eq!(credential.blob.as_bytes().len(), 2 + hmac + 2 + SECRET.len(), "{kind}");
        assert_eq!(credential.encrypted_secret.as_bytes().len(), encrypted_secret, "{kind}");
        let blob = credential.blob.as_bytes();
        assert_eq!(blob[..2], [0, u8::try_from(hmac).unwrap()]);
        assert!(!blob.windows(SECRET.len()).any(|window| window == SECRET), "{kind}");
    }
}

#[test]
fn randomness_comes_from_the_caller() {
    for kind in [EndorsementKeyKind::EccP256, EndorsementKeyKind::EccP384] {
        let key = key(kind);
        let first = make(&key, &Constant(1)).unwrap();
        assert_eq!(make(&key, &Constant(1)).unwrap(), first);
        assert_ne!(make(&key, &Constant(2)).unwrap(), first);
        // If a number is not a valid private key, another number is drawn, up to a limit that
        // chance does not reach.
        assert_eq!(make(&key, &Unlucky(7.into())).unwrap(), first);
        assert_eq!(make(&key, &Unlucky(8.into())), Err(CredentialError::Random(RandomUnavailable)));
        assert_eq!(make(&key, &Constant(0)), Err(CredentialError::Random(RandomUnavailable)));
    }
    // aws-lc pads the seed of an RSA key with its own random numbers.
    let key = key(EndorsementKeyKind::Rsa2048);
    let [first, second] = [1, 1].map(|byte| make(&key, &Constant(byte)).unwrap());
    assert_eq!(first.blob, second.blob);
    assert_ne!(first.encrypted_secret, second.encrypted_secret);
    assert_ne!(make(&key, &Constant(2)).unwrap().blob, first.blob);
    for kind in EndorsementKeyKind::ALL {
        assert_eq!(
            make(&self::key(kind), &Broken),
            Err(CredentialError::Random(RandomUnavailable))
        );
    }
}

#[test]
fn a_credential_depends_on_name_and_secret() {
    let key = key(EndorsementKeyKind::EccP256);
    let made = |name: &Name, secret: u8| {
        make_credential(&key, name, &[secret; 32], &Constant(1)).unwrap().blob
    };
    let blob = made(&name(b"key"), 1);
    assert_ne!(made(&name(b"another"), 1), blob);
    assert_ne!(made(&name(b"key"), 2), blob);
}

#[test]
fn an_invalid_key_is_refused() {
    let mut area = EndorsementKey::new(EndorsementKeyKind::Rsa2048).area;
    *area.last_mut().unwrap() &= 0xfe;
    let even = EndorsementPublic::parse(&area).unwrap();
    assert_eq!(make(&even, &Constant(1)), Err(CredentialError::EndorsementKey));
}
