//! Tests of the second round trip. For each check, exactly one part of the evidence is wrong.

use device_key_testing::samples::NOW;
use device_key_types::Sha256Digest;
use device_key_types::attestation::EndorsementKeyKind;
use device_key_verifier::attestation::{
    AttestationError, RootKind, StatementError, TpmStatement, VerifiedKind, verify_identity,
};

use crate::software_tpm::{Evidence, FIRMWARE, SECRET, SigningKey, SoftwareTpm, bytes};
use crate::tpm_structures::{self as tpm, CREATION, ENDORSEMENT};

fn refused(change: impl FnOnce(&mut Evidence)) -> AttestationError {
    SoftwareTpm::p256().attest(change).unwrap_err()
}

fn certification(fault: StatementError) -> AttestationError {
    AttestationError::Statement(TpmStatement::Certification, fault)
}

#[test]
fn a_root_decides_the_verified_kind() {
    for (root, code) in [
        (RootKind::Hardware, "hardware_tpm"),
        (RootKind::Virtual, "virtual_tpm"),
        (RootKind::Simulated, "simulated_tpm"),
    ] {
        let tpm = SoftwareTpm::p256();
        let (identity, activation) = tpm.signed(&tpm.evidence(&tpm.claim()));
        let key = verify_identity(&identity, tpm.claim(), &tpm.roots(root), NOW)
            .unwrap()
            .verify_activation(&activation, &Sha256Digest::of(&SECRET), NOW)
            .unwrap();
        assert_eq!(key.claim(), &tpm.claim());
        assert_eq!(key.kind().as_str(), code);
        assert_eq!(key.kind().to_string(), code);
        assert!(match root {
            RootKind::Hardware => matches!(key.kind(), VerifiedKind::HardwareTpm(_)),
            RootKind::Virtual => matches!(key.kind(), VerifiedKind::VirtualTpm(_)),
            RootKind::Simulated => matches!(key.kind(), VerifiedKind::SimulatedTpm(_)),
        });
        let described = key.kind().tpm().unwrap();
        assert_eq!(described.manufacturer(), "id:49465800");
        assert_eq!(described.model(), "SLB 9672");
        assert_eq!(described.version(), "id:000F0017");
        assert_eq!(described.firmware_version(), FIRMWARE);
    }
    assert_eq!(VerifiedKind::Unattested.as_str(), "unattested");
    assert_eq!(VerifiedKind::Unattested.tpm(), None);
}

#[test]
fn every_kind_of_endorsement_key_attests() {
    for kind in EndorsementKeyKind::ALL {
        assert!(SoftwareTpm::new(kind).attest(|_| ()).is_ok(), "{kind}");
    }
}

#[test]
fn the_secret_must_match_the_credential() {
    for index in 0..SECRET.len() {
        assert_eq!(refused(|evidence| evidence.secret[index] ^= 1), AttestationError::Secret);
    }
    assert_eq!(refused(|evidence| evidence.secret.push(0)), AttestationError::Secret);
    assert_eq!(refused(|evidence| evidence.secret.truncate(31)), AttestationError::Secret);
}

#[test]
fn the_challenge_must_not_have_expired() {
    let tpm = SoftwareTpm::p256();
    let (identity, activation) = tpm.signed(&tpm.evidence(&tpm.claim()));
    let identity =
        verify_identity(&identity, tpm.claim(), &tpm.roots(RootKind::Hardware), NOW).unwrap();
    let expires_at = tpm.claim().challenge.challenge_expires_at;
    let verify = |now| identity.verify_activation(&activation, &Sha256Digest::of(&SECRET), now);
    assert!(verify(expires_at.saturating_add(-1)).is_ok());
    let refused = verify(expires_at).unwrap_err();
    assert_eq!(refused.reason(), "expired");
    assert_eq!(refused.field().unwrap().as_str(), "challengeExpiresAt");
    assert_eq!(verify(expires_at.saturating_add(-901)).unwrap_err().reason(), "expires_too_late");
}

#[test]
fn a_tpm_must_have_made_the_certification() {
    for change in [
        |statement: &mut tpm::Statement| statement.magic ^= 1,
        |statement: &mut tpm::Statement| statement.tag = 0x8014,
        |statement: &mut tpm::Statement| statement.behind.push(0),
        |statement: &mut tpm::Statement| statement.attested[0].clear(),
    ] {
        assert_eq!(
            refused(|evidence| change(&mut evidence.certification)),
            certification(StatementError::Malformed)
        );
    }
    let refused = refused(|evidence| evidence.certification.tag = CREATION);
    assert_eq!(refused, certification(StatementError::Type));
}

#[test]
fn the_certification_is_about_the_device_key() {
    let refused = refused(|evidence| {
        evidence.certification.attested[0] = tpm::name(b"another key");
    });
    assert_eq!(refused, certification(StatementError::Name));
    // The device key's public area with another name algorithm has another Name.
    let refused = self::refused(|evidence| {
        let digest = <sha2::Sha384 as sha2::Digest>::digest(&evidence.device_area);
        evidence.certification.attested[0] = [&[0x00, 0x0c][..], &digest].concat();
    });
    assert_eq!(refused, certification(StatementError::Name));
    // The statement is about the attestation key.
    let refused = self::refused(|evidence| {
        evidence.certification.attested[0] = tpm::name(&evidence.attestation_area);
    });
    assert_eq!(refused, certification(StatementError::Name));
}

#[test]
fn the_certification_is_made_for_this_claim_and_secret() {
    let refused = refused(|evidence| evidence.certification.extra_data[0] ^= 1);
    assert_eq!(refused, certification(StatementError::ExtraData));
    let refused = self::refused(|evidence| evidence.certification.extra_data.push(0));
    assert_eq!(refused, certification(StatementError::ExtraData));

    // The certification was made for an earlier credential; the secret is the right one.
    let tpm = SoftwareTpm::p256();
    let earlier = tpm.claim().certification_digest(&Sha256Digest::of(b"earlier secret")).unwrap();
    let refused = tpm
        .attest(|evidence| evidence.certification.extra_data = earlier.as_bytes().to_vec())
        .unwrap_err();
    assert_eq!(refused, certification(StatementError::ExtraData));
}

#[test]
fn the_certification_names_its_signer() {
    for hierarchy in [0x4000_0001, 0x4000_0007] {
        let refused = refused(|evidence| {
            let name = tpm::name(&evidence.attestation_area);
            evidence.certification.signer = tpm::qualified(hierarchy, &name);
        });
        assert_eq!(refused, certification(StatementError::Signer));
    }
    let refused = refused(|evidence| {
        evidence.certification.signer = tpm::qualified(ENDORSEMENT, &tpm::name(b"another key"));
    });
    assert_eq!(refused, certification(StatementError::Signer));
}

#[test]
fn the_certification_is_signed_by_the_attestation_key() {
    let tpm = SoftwareTpm::p256();
    let verify = |algorithm, hash, r_and_s: &dyn Fn(&[u8]) -> Vec<u8>| {
        let (identity, mut activation) = tpm.signed(&tpm.evidence(&tpm.claim()));
        let r_and_s = r_and_s(activation.attest.as_bytes());
        activation.signature = bytes(&tpm::signature(algorithm, hash, &r_and_s));
        verify_identity(&identity, tpm.claim(), &tpm.roots(RootKind::Hardware), NOW)
            .unwrap()
            .verify_activation(&activation, &Sha256Digest::of(&SECRET), NOW)
            .err()
    };
    let right = |statement: &[u8]| tpm.attestation_key.sign(statement);
    assert_eq!(verify(0x0018, 0x000b, &right), None);
    let malformed = Some(certification(StatementError::SignatureMalformed));
    assert_eq!(verify(0x0014, 0x000b, &right), malformed);
    assert_eq!(verify(0x0018, 0x000c, &right), malformed);
    let invalid = Some(certification(StatementError::Signature));
    assert_eq!(verify(0x0018, 0x000b, &|statement| SigningKey::new().sign(statement)), invalid);
    assert_eq!(verify(0x0018, 0x000b, &|statement| tpm.device_key.sign(statement)), invalid);
}

#[test]
fn no_byte_of_the_certification_can_be_changed_after_its_signature() {
    let tpm = SoftwareTpm::p256();
    let (identity, activation) = tpm.signed(&tpm.evidence(&tpm.claim()));
    let identity =
        verify_identity(&identity, tpm.claim(), &tpm.roots(RootKind::Hardware), NOW).unwrap();
    for index in 0..activation.attest.as_bytes().len() {
        let mut changed = activation.clone();
        let mut statement = changed.attest.as_bytes().to_vec();
        statement[index] ^= 1;
        changed.attest = bytes(&statement);
        let refused = identity.verify_activation(&changed, &Sha256Digest::of(&SECRET), NOW);
        assert_eq!(refused.unwrap_err(), certification(StatementError::Signature));
    }
}
