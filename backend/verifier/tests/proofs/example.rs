//! Tests that the example `verify.rs` refuses a replayed proof.

use device_key_testing::samples::NOW;
use device_key_types::Field;
use device_key_verifier::ProofError;

#[path = "../../examples/verify.rs"]
#[expect(dead_code, unreachable_pub, reason = "a program of its own, included to be tested")]
mod verify;

#[test]
fn a_replayed_proof_is_refused_for_its_nonce() {
    let error = verify::enroll_and_connect(NOW).unwrap();
    assert_eq!(error, ProofError::Mismatch(Field::Nonce));
    assert_eq!(error.reason(), "field_mismatch");
}
