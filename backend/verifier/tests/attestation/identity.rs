//! Tests of the first round trip. For each check, exactly one part of the evidence is wrong.

use device_key_testing::samples::NOW;
use device_key_types::attestation::{Claim, EndorsementKeyKind, Identity, TpmBytes};
use device_key_types::{Field, FieldError, ProtectionClass, Reason};
use device_key_verifier::attestation::{
    AttestationError, CertificateError, MAX_CERTIFICATES, RootKind, StatementError, TpmStatement,
    verify_identity,
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::software_tpm::{Evidence, SigningKey, SoftwareTpm, bytes};
use crate::tpm_structures::{
    self as tpm, CERTIFY, DECRYPT, DEVICE_KEY, ENDORSEMENT, RESTRICTED, SIGN, sized,
};

/// Changes the evidence before the TPM signs it, and returns the error.
fn refused(change: impl FnOnce(&mut Evidence)) -> AttestationError {
    SoftwareTpm::p256().identify(change).unwrap_err()
}

fn creation(fault: StatementError) -> AttestationError {
    AttestationError::Statement(TpmStatement::Creation, fault)
}

#[test]
fn a_good_identity_of_each_kind_is_verified() {
    for kind in EndorsementKeyKind::ALL {
        let tpm = SoftwareTpm::new(kind);
        let verified = tpm.identify(|_| ()).unwrap();
        assert_eq!(verified.claim(), &tpm.claim());
        assert_eq!(verified.endorsement_key().as_bytes(), tpm.endorsement_key.area);
        let name = tpm::name(&tpm.attestation_area.to_bytes());
        assert_eq!(verified.attestation_key_name().as_bytes(), name);
    }
}

#[test]
fn the_claim_must_be_about_a_key_in_a_tpm() {
    let tpm = SoftwareTpm::p256();
    for class in
        [ProtectionClass::OsProtectedNonextractable, ProtectionClass::HardwareSecureEnclave]
    {
        let claim = Claim { protection_class: class, ..tpm.claim() };
        let (identity, _) = tpm.signed(&tpm.evidence(&claim));
        let refused = verify_identity(&identity, claim, &tpm.roots(RootKind::Hardware), NOW);
        assert_eq!(refused.unwrap_err(), AttestationError::ProtectionClass);
    }
}

#[test]
fn the_challenge_must_not_have_expired() {
    let tpm = SoftwareTpm::p256();
    for (seconds, reason) in
        [(0, Some(Reason::Expired)), (1, None), (900, None), (901, Some(Reason::ExpiresTooLate))]
    {
        let mut claim = tpm.claim();
        claim.challenge.challenge_expires_at = NOW.saturating_add(seconds);
        let (identity, _) = tpm.signed(&tpm.evidence(&claim));
        let verified = verify_identity(&identity, claim, &tpm.roots(RootKind::Hardware), NOW);
        let error = reason.map(|reason| {
            AttestationError::Expiry(FieldError { field: Field::ChallengeExpiresAt, reason })
        });
        assert_eq!(verified.err(), error, "{seconds}");
    }
}

#[test]
fn there_must_be_a_certificate() {
    assert_eq!(refused(|evidence| evidence.certificates.clear()), AttestationError::NoCertificate);
    let many = |evidence: &mut Evidence, count| {
        evidence.certificates = vec![evidence.certificates[0].clone(); count];
    };
    assert!(SoftwareTpm::p256().identify(|evidence| many(evidence, MAX_CERTIFICATES)).is_ok());
    assert_eq!(
        refused(|evidence| many(evidence, MAX_CERTIFICATES + 1)),
        AttestationError::TooManyCertificates
    );
}

#[test]
fn the_endorsement_key_must_be_the_certified_key() {
    for kind in EndorsementKeyKind::ALL {
        let (tpm, other) = (SoftwareTpm::new(kind), SoftwareTpm::new(kind));
        let area = other.endorsement_key.area;
        let refused = tpm.identify(|evidence| evidence.endorsement_area = area).unwrap_err();
        assert_eq!(refused, AttestationError::Certificate(CertificateError::OtherKey), "{kind}");
    }
    // The key is of another kind than the certified key.
    let other = SoftwareTpm::new(EndorsementKeyKind::EccP384).endorsement_key;
    let refused = refused(|evidence| {
        evidence.kind = other.kind;
        evidence.endorsement_area = other.area;
    });
    assert_eq!(refused, AttestationError::Certificate(CertificateError::OtherKey));
}

#[test]
fn the_endorsement_key_must_be_of_the_kind_that_the_client_says() {
    for kind in [EndorsementKeyKind::EccP384, EndorsementKeyKind::Rsa2048] {
        assert_eq!(refused(|evidence| evidence.kind = kind), AttestationError::EndorsementKeyKind);
    }
}

#[test]
fn the_endorsement_key_must_match_a_standard_template() {
    for kind in EndorsementKeyKind::ALL {
        let tpm = SoftwareTpm::new(kind);
        // Changes every byte of the area except the key, which is compared with the certificate.
        let key = match kind {
            EndorsementKeyKind::Rsa2048 => 2 + 256,
            EndorsementKeyKind::EccP256 => 4 + 64,
            EndorsementKeyKind::EccP384 => 4 + 96,
        };
        for index in 0..tpm.endorsement_key.area.len() - key {
            let refused = tpm.identify(|evidence| evidence.endorsement_area[index] ^= 1);
            assert_eq!(
                refused.unwrap_err(),
                AttestationError::EndorsementKeyTemplate,
                "{kind}, byte {index}"
            );
        }
        let longer = tpm.identify(|evidence| evidence.endorsement_area.push(0));
        assert_eq!(longer.unwrap_err(), AttestationError::EndorsementKeyTemplate);
    }
}

#[test]
fn the_attestation_key_must_match_its_template() {
    let refused = |change: &dyn Fn(&mut tpm::Area)| {
        let mut tpm = SoftwareTpm::p256();
        change(&mut tpm.attestation_area);
        tpm.identify(|_| ()).unwrap_err()
    };
    let changes: [fn(&mut tpm::Area); 5] = [
        |area| area.name_algorithm = 0x000c,
        |area| area.policy = vec![0; 32],
        |area| area.scheme = vec![0x00, 0x10],
        |area| area.scheme = vec![0x00, 0x18, 0x00, 0x0c],
        |area| area.curve = 4,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert_eq!(refused(&change), AttestationError::AttestationKeyTemplate, "{index}");
    }
    for bit in 0..32 {
        let refused = refused(&|area| area.attributes ^= 1 << bit);
        assert_eq!(refused, AttestationError::AttestationKeyTemplate, "bit {bit}");
    }
}

#[test]
fn the_attestation_key_must_be_well_formed() {
    for change in [
        |area: &mut Vec<u8>| area.push(0),
        |area: &mut Vec<u8>| area.truncate(area.len() - 1),
        // The point is not on the curve.
        |area: &mut Vec<u8>| *area.last_mut().unwrap() ^= 1,
        |area: &mut Vec<u8>| area.clear(),
    ] {
        assert_eq!(
            refused(|evidence| change(&mut evidence.attestation_area)),
            AttestationError::AttestationKeyMalformed
        );
    }
}

#[test]
fn the_attestation_key_must_be_created_in_the_endorsement_hierarchy() {
    // The key is in the owner hierarchy, and its creation data says so.
    for hierarchy in [0x4000_0001, 0x4000_0007, 0x4000_000C] {
        let mut tpm = SoftwareTpm::p256();
        tpm.hierarchy = hierarchy;
        let refused = tpm.identify(|_| ()).unwrap_err();
        assert_eq!(refused, creation(StatementError::Signer));
    }
    // The creation data names another hierarchy, then the parent of a child object, then fields
    // that contradict each other. Each has its own hash.
    let with = |data: Vec<u8>| {
        refused(|evidence| {
            evidence.creation.attested[1] = Sha256::digest(&data).to_vec();
            evidence.creation_data = data;
        })
    };
    let endorsement = ENDORSEMENT.to_be_bytes();
    for data in [
        tpm::creation_data(0x0010, &0x4000_0001_u32.to_be_bytes()),
        tpm::creation_data(0x000b, &tpm::name(b"parent")),
        tpm::creation_data(0x000b, &endorsement),
    ] {
        assert_eq!(with(data), AttestationError::CreationParent);
    }
    let good = tpm::creation_data(0x0010, &endorsement);
    assert_eq!(with([&good[..], &[0]].concat()), AttestationError::CreationDataMalformed);
    assert_eq!(with(Vec::new()), AttestationError::CreationDataMalformed);
}

#[test]
fn the_creation_data_must_be_what_the_tpm_attested() {
    let refused = refused(|evidence| evidence.creation.attested[1][0] ^= 1);
    assert_eq!(refused, AttestationError::CreationData);
    // Valid creation data of another key, which differs in its outside info.
    let refused = self::refused(|evidence| {
        let length = evidence.creation_data.len();
        evidence.creation_data.truncate(length - 2);
        evidence.creation_data.extend(sized(b"other"));
    });
    assert_eq!(refused, AttestationError::CreationData);
}

#[test]
fn the_creation_must_be_about_the_attestation_key() {
    let refused = refused(|evidence| {
        evidence.creation.attested[0] = tpm::name(b"another key");
    });
    assert_eq!(refused, creation(StatementError::Name));
}

#[test]
fn a_tpm_must_have_made_the_creation_statement() {
    for change in [
        |statement: &mut tpm::Statement| statement.magic ^= 1,
        |statement: &mut tpm::Statement| statement.tag = 0x8018,
        |statement: &mut tpm::Statement| statement.behind.push(0),
        |statement: &mut tpm::Statement| statement.signer.clear(),
    ] {
        assert_eq!(
            refused(|evidence| change(&mut evidence.creation)),
            creation(StatementError::Malformed)
        );
    }
    let refused = refused(|evidence| {
        evidence.creation.tag = CERTIFY;
        evidence.creation.attested[1] = tpm::name(b"qualified");
    });
    assert_eq!(refused, creation(StatementError::Type));
}

#[test]
fn the_creation_statement_must_be_made_for_this_claim() {
    let refused = refused(|evidence| evidence.creation.extra_data[31] ^= 1);
    assert_eq!(refused, creation(StatementError::ExtraData));
    // The digest of the certification does not fit either.
    let refused = self::refused(|evidence| {
        evidence.creation.extra_data = evidence.certification.extra_data.clone();
    });
    assert_eq!(refused, creation(StatementError::ExtraData));
}

#[test]
fn the_creation_statement_must_name_its_signer() {
    let refused = refused(|evidence| {
        evidence.creation.signer = tpm::qualified(ENDORSEMENT, &tpm::name(b"another key"));
    });
    assert_eq!(refused, creation(StatementError::Signer));
}

#[test]
fn the_creation_statement_must_be_signed_by_the_attestation_key() {
    let tpm = SoftwareTpm::p256();
    let verify = |change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let (mut identity, _) = tpm.signed(&tpm.evidence(&tpm.claim()));
        let statement = identity.attestation_key_creation_attest.as_bytes();
        identity.attestation_key_creation_signature = bytes(&change(statement));
        verify_identity(&identity, tpm.claim(), &tpm.roots(RootKind::Hardware), NOW).err()
    };
    let sign = |statement: &[u8]| tpm.attestation_key.sign(statement);
    let signature = |algorithm, hash, r_and_s: &[u8]| tpm::signature(algorithm, hash, r_and_s);
    assert_eq!(verify(&|statement| signature(0x0018, 0x000b, &sign(statement))), None);

    let malformed = Some(creation(StatementError::SignatureMalformed));
    // RSASSA, ECDAA, SM2 and HMAC; SHA-1 and SHA-384; bytes behind the signature; no signature.
    for algorithm in [0x0014, 0x001a, 0x001b, 0x0005] {
        let refused = verify(&|statement| signature(algorithm, 0x000b, &sign(statement)));
        assert_eq!(refused, malformed, "{algorithm:#x}");
    }
    for hash in [0x0004, 0x000c] {
        let refused = verify(&|statement| signature(0x0018, hash, &sign(statement)));
        assert_eq!(refused, malformed, "{hash:#x}");
    }
    let longer =
        |statement: &[u8]| [&signature(0x0018, 0x000b, &sign(statement))[..], &[0]].concat();
    assert_eq!(verify(&longer), malformed);
    assert_eq!(verify(&|_| Vec::new()), malformed);

    let invalid = Some(creation(StatementError::Signature));
    let of = |statement: &[u8], key: &SigningKey| signature(0x0018, 0x000b, &key.sign(statement));
    assert_eq!(verify(&|statement| of(statement, &SigningKey::new())), invalid);
    assert_eq!(verify(&|statement| of(statement, &tpm.device_key)), invalid);
    assert_eq!(verify(&|_| of(b"another statement", &tpm.attestation_key)), invalid);
    assert_eq!(verify(&|_| signature(0x0018, 0x000b, &[0; 64])), invalid);
}

#[test]
fn the_device_key_must_match_its_template() {
    let changes: [fn(&mut tpm::Area); 5] = [
        |area| area.name_algorithm = 0x000c,
        |area| area.policy = vec![0; 32],
        |area| area.scheme = vec![0x00, 0x10],
        |area| area.scheme = vec![0x00, 0x1a, 0x00, 0x0b, 0, 0],
        |area| area.curve = 4,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut tpm = SoftwareTpm::p256();
        change(&mut tpm.device_area);
        let refused = tpm.identify(|_| ()).unwrap_err();
        assert_eq!(refused, AttestationError::DeviceKeyTemplate, "change {index}");
    }
    let attributes = (0..32).map(|bit| DEVICE_KEY ^ (1 << bit));
    for bits in attributes.chain([DEVICE_KEY | RESTRICTED, DEVICE_KEY ^ SIGN | DECRYPT]) {
        let mut tpm = SoftwareTpm::p256();
        tpm.device_area.attributes = bits;
        let refused = tpm.identify(|_| ()).unwrap_err();
        assert_eq!(refused, AttestationError::DeviceKeyTemplate, "{bits:#x}");
    }
}

#[test]
fn the_device_key_must_be_well_formed_and_the_claimed_key() {
    for change in [
        |area: &mut Vec<u8>| area.push(0),
        |area: &mut Vec<u8>| *area.last_mut().unwrap() ^= 1,
        |area: &mut Vec<u8>| area.clear(),
    ] {
        assert_eq!(
            refused(|evidence| change(&mut evidence.device_area)),
            AttestationError::DeviceKeyMalformed
        );
    }
    let mut tpm = SoftwareTpm::p256();
    [tpm.device_area.x, tpm.device_area.y] = SigningKey::new().point();
    assert_eq!(tpm.identify(|_| ()).unwrap_err(), AttestationError::OtherDeviceKey);
}

#[test]
fn debug_shows_nothing_that_identifies_the_tpm() {
    let shown = format!("{:?}", SoftwareTpm::p256().identify(|_| ()).unwrap());
    assert!(shown.contains("ClientId(…)") && !shown.contains("cli_123"), "{shown}");
    assert!(!shown.to_lowercase().contains("endorsement"), "{shown}");
}

proptest! {
    #[test]
    fn no_evidence_panics(
        part in 0_usize..7,
        from in 0_usize..200,
        length in 0_usize..8,
        put in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let tpm = SoftwareTpm::p256();
        let mut evidence = tpm.evidence(&tpm.claim());
        let (mut creation, mut signature) = {
            let (identity, _) = tpm.signed(&evidence);
            let bytes = |part: &TpmBytes| part.as_bytes().to_vec();
            let Identity {
                attestation_key_creation_attest: attest,
                attestation_key_creation_signature: signature,
                ..
            } = identity;
            (bytes(&attest), bytes(&signature))
        };
        let changed = match part {
            0 => &mut evidence.endorsement_area,
            1 => &mut evidence.certificates[0],
            2 => &mut evidence.attestation_area,
            3 => &mut evidence.creation_data,
            4 => &mut evidence.device_area,
            5 => &mut creation,
            _ => &mut signature,
        };
        let before = changed.clone();
        let from = from.min(changed.len());
        let to = (from + length).min(changed.len());
        changed.splice(from..to, put);
        let unchanged = *changed == before;
        let (mut identity, _) = tpm.signed(&evidence);
        identity.attestation_key_creation_attest = bytes(&creation);
        identity.attestation_key_creation_signature = bytes(&signature);
        let verified = verify_identity(&identity, tpm.claim(), &tpm.roots(RootKind::Hardware), NOW);
        // Any bytes may follow a certificate.
        let padded = identity.endorsement_key_certificates[0].as_bytes().starts_with(&tpm.certificates[0]);
        prop_assert_eq!(verified.is_ok(), unchanged || part == 1 && padded);
    }
}
