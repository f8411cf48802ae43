//! Tests with damaged, oversized and arbitrary input.

use device_key_testing::samples::{self, NOW};
use device_key_types::InvalidPublicKey;
use device_key_verifier::{MAX_SIGNED_BYTES, Proof, ProofError, ProofKey, verify_connection};
use proptest::prelude::*;

use crate::signer::{Signer, connection_bytes};

#[test]
fn no_byte_can_be_changed() {
    let signer = Signer::new();
    let expected = samples::connection();
    let bytes = connection_bytes(&expected);
    let signature = signer.sign(&bytes);
    let verify = |signed_bytes: &[u8], signature_der: &[u8]| {
        let proof = Proof { signed_bytes, signature_der, public_key: &signer.public_key };
        verify_connection(&proof, &expected, NOW)
    };
    assert!(verify(&bytes, &signature).is_ok());
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert_eq!(verify(&changed, &signature), Err(ProofError::InvalidSignature), "byte {index}");
        // The changed bytes are refused too if the key itself signs them.
        assert!(verify(&changed, &signer.sign(&changed)).is_err(), "byte {index}");
    }
    for index in 0..signature.len() {
        let mut changed = signature.clone();
        changed[index] ^= 1;
        assert_eq!(verify(&bytes, &changed), Err(ProofError::InvalidSignature), "byte {index}");
    }
    let longer = [signature.as_slice(), &[0]].concat();
    assert_eq!(verify(&bytes, &longer), Err(ProofError::InvalidSignature));
    assert_eq!(verify(&bytes, &[]), Err(ProofError::InvalidSignature));
}

#[test]
fn another_key_is_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let expected = samples::connection();
    let signed_bytes = &connection_bytes(&expected);
    let signature_der = &signer.sign(signed_bytes);
    let proof = Proof { signed_bytes, signature_der, public_key: &other.public_key };
    assert_eq!(verify_connection(&proof, &expected, NOW), Err(ProofError::InvalidSignature));
}

#[test]
fn input_that_is_longer_than_any_statement_is_refused_unread() {
    let signer = Signer::new();
    for (length, error) in [
        (MAX_SIGNED_BYTES, ProofError::InvalidSignature),
        (MAX_SIGNED_BYTES + 1, ProofError::TooLarge),
    ] {
        let proof = Proof {
            signed_bytes: &vec![b' '; length],
            signature_der: &[],
            public_key: &signer.public_key,
        };
        assert_eq!(verify_connection(&proof, &samples::connection(), NOW), Err(error));
    }
}

#[test]
fn a_statement_of_the_longest_fields_fits() {
    let signer = Signer::new();
    let longest = "\"".repeat(512);
    let mut payload = samples::connection();
    payload.nonce = format!("{}w", "A".repeat(341)).parse().unwrap();
    payload.session_id = longest.parse().unwrap();
    payload.account_user_id = longest.parse().unwrap();
    payload.client_id = longest.parse().unwrap();
    payload.target.path = format!("/{}", "a".repeat(511)).parse().unwrap();
    assert!(signer.connect(&connection_bytes(&payload), &payload, NOW).is_ok());
}

#[test]
fn a_public_key_has_one_encoding() {
    let signer = Signer::new();
    let spki = signer.public_key.public_key().spki_der().to_vec();
    assert_eq!(spki.len(), 91);
    assert!(ProofKey::from_spki_der(&spki).is_ok());
    let mut compressed = spki[..59].to_vec();
    (compressed[1], compressed[24], compressed[26]) = (0x39, 0x22, 2 + (spki[90] & 1));
    let mut off_the_curve = spki.clone();
    off_the_curve[90] ^= 1;
    let mut other_curve = spki.clone();
    other_curve[22] ^= 1;
    for der in [compressed, off_the_curve, other_curve, [&spki[..], &[0]].concat(), Vec::new()] {
        let refused = ProofKey::from_spki_der(&der).err();
        assert_eq!(refused, Some(InvalidPublicKey), "{der:02x?}");
    }
    assert_eq!(ProofError::from(InvalidPublicKey).reason(), "invalid_public_key");
    assert_eq!(format!("{:?}", signer.public_key), "ProofKey(P-256)");
}

proptest! {
    #[test]
    fn no_signed_bytes_panic_or_pass(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Signer::new().connect(&bytes, &samples::connection(), NOW).is_err());
    }

    #[test]
    fn no_signature_or_key_panics(
        signature_der in prop::collection::vec(any::<u8>(), 0..100),
        spki in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let signer = Signer::new();
        let expected = samples::connection();
        let signed_bytes = &connection_bytes(&expected);
        let proof = Proof {
            signed_bytes, signature_der: &signature_der, public_key: &signer.public_key,
        };
        prop_assert_eq!(verify_connection(&proof, &expected, NOW), Err(ProofError::InvalidSignature));
        let _ = ProofKey::from_spki_der(&spki);
    }

    #[test]
    fn only_the_expected_bytes_pass(
        from in 0_usize..600, length in 0_usize..20, text in "[ -~]{0,20}",
    ) {
        let expected = samples::connection();
        let mut bytes = connection_bytes(&expected);
        let from = from.min(bytes.len());
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, text.bytes());
        let verified = Signer::new().connect(&bytes, &expected, NOW);
        prop_assert_eq!(verified.is_ok(), bytes == connection_bytes(&expected));
    }
}
