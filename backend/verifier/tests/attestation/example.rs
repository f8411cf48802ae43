//! Tests that the example `attest.rs` verifies one key and refuses the other.

use device_key_verifier::attestation::{AttestationError, StatementError, TpmStatement};

#[path = "../../examples/attest.rs"]
#[expect(dead_code, unreachable_pub, reason = "a program of its own, included to be tested")]
mod attest;

#[tokio::test]
async fn only_the_attested_key_is_verified() {
    let attest::Outcome { kind, error } = attest::attest().await.unwrap();
    assert_eq!(kind.as_str(), "simulated_tpm");
    assert_eq!(kind.tpm().unwrap().model(), "swtpm");
    // The first statement was made for the claim about the attested key.
    let expected = AttestationError::Statement(TpmStatement::Creation, StatementError::ExtraData);
    assert_eq!(error, expected);
}
