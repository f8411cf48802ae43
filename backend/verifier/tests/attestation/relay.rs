//! Tests of a relay: an allowed backend passes another backend's challenge on to the device.

use device_key_testing::samples::{self, NOW};
use device_key_types::attestation::{Challenge, Claim};
use device_key_types::{Binding, DeviceKeyId, Sha256Digest};
use device_key_verifier::attestation::{
    AttestationError, RootKind, StatementError, TpmStatement, verify_identity,
};

use crate::software_tpm::{SECRET, SoftwareTpm};

const ANOTHER_NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// The device answers for the origin that asked. The backend that issued the challenge sees that
/// the answer was made for another origin.
#[test]
fn a_relayed_challenge_is_refused_in_both_rounds() {
    let tpm = SoftwareTpm::p256();
    let ours = tpm.claim();
    let mut relayed = ours.clone();
    relayed.challenge.target =
        samples::target("https://other.example", ours.challenge.target.path.as_str());
    let (identity, activation) = tpm.signed(&tpm.evidence(&relayed));

    // The other backend accepts the answer, because the device did nothing wrong.
    let roots = tpm.roots(RootKind::Hardware);
    let theirs = verify_identity(&identity, relayed, &roots, NOW).unwrap();
    assert!(theirs.verify_activation(&activation, &Sha256Digest::of(&SECRET), NOW).is_ok());

    let extra_data = |statement| AttestationError::Statement(statement, StatementError::ExtraData);
    let refused = verify_identity(&identity, ours.clone(), &roots, NOW).unwrap_err();
    assert_eq!(refused, extra_data(TpmStatement::Creation));

    // The relay fails too if the other backend has an identity for our origin, for example from an
    // earlier enrollment, and relays only the second round.
    let (identity, _) = tpm.signed(&tpm.evidence(&ours));
    let ours = verify_identity(&identity, ours, &roots, NOW).unwrap();
    let refused = ours.verify_activation(&activation, &Sha256Digest::of(&SECRET), NOW);
    assert_eq!(refused.unwrap_err(), extra_data(TpmStatement::Certification));
}

/// Both digests cover every field of the claim, so an answer for a claim that differs in one field
/// is not an answer for our claim.
#[test]
fn an_answer_for_another_claim_is_refused_in_both_rounds() {
    let tpm = SoftwareTpm::p256();
    let (ours, roots) = (tpm.claim(), tpm.roots(RootKind::Hardware));
    let another: Binding = Binding {
        account_user_id: "another".parse().unwrap(),
        client_id: "another".parse().unwrap(),
    };
    let changes: [&dyn Fn(&mut Claim); 7] = [
        &|claim| claim.key_id = DeviceKeyId::from_random_bytes([4; 32]),
        &|claim| claim.challenge.nonce = ANOTHER_NONCE.parse().unwrap(),
        &|claim| claim.challenge.challenge_id = "another".parse().unwrap(),
        &|claim| claim.challenge.account_user_id = another.account_user_id.clone(),
        &|claim| claim.challenge.client_id = another.client_id.clone(),
        &|claim| {
            let Challenge { target, .. } = &mut claim.challenge;
            target.path = "/api/codex/remote/control/client/enroll/attestation".parse().unwrap();
        },
        &|claim| {
            let expires_at = &mut claim.challenge.challenge_expires_at;
            *expires_at = expires_at.saturating_add(1);
        },
    ];
    let (identity, _) = tpm.signed(&tpm.evidence(&ours));
    let first = verify_identity(&identity, ours.clone(), &roots, NOW).unwrap();
    for (index, change) in changes.into_iter().enumerate() {
        let mut theirs = ours.clone();
        change(&mut theirs);
        let (identity, activation) = tpm.signed(&tpm.evidence(&theirs));
        let refused = verify_identity(&identity, ours.clone(), &roots, NOW).unwrap_err();
        assert_eq!(refused.reason(), "creation_extra_data_mismatch", "change {index}");
        let refused = first.verify_activation(&activation, &Sha256Digest::of(&SECRET), NOW);
        let reason = refused.unwrap_err().reason();
        assert_eq!(reason, "certification_extra_data_mismatch", "change {index}");
    }
}
