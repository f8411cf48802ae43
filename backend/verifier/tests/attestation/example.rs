//! The example of a backend that has keys attested does what it says.

use device_key_verifier::attestation::{AttestationError, StatementError, TpmStatement};

#[path = "../../examples/attest.rs"]
#[expect(dead_code, unreachable_pub, reason = "a program of its own, included to be tested")]
mod attest;

#[tokio::test]
async fn the_key_that_was_attested_is_verified_and_no_other() {
    let attest::Outcome { kind, error } = attest::attest().await.unwrap();
    assert_eq!(kind.as_str(), "simulated_tpm");
    assert_eq!(kind.tpm().unwrap().model(), "swtpm");
    // The first statement was made for the claim about the attested key.
    let expected = AttestationError::Statement(TpmStatement::Creation, StatementError::ExtraData);
    assert_eq!(error, expected);
}
