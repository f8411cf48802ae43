//! Attestation keys, credentials and certifications in a real swtpm. tpm2-tools and OpenSSL check
//! the results.

use std::fs;

use crate::common::attestation::{OwnedCredential, activate, attestation_key, openssl_verifies};
use crate::common::cross_check::CrossCheckedTransport;
use crate::common::keys::Keys;
use crate::common::swtpm::{Connect as _, Swtpm, soon};
use device_key_tpm2::{
    Attest, Attested, AuthValue, AuthorizedObject, CommandCode, CreationData, EcdsaSignature,
    EndorsementAuthorization, EndorsementKey, EndorsementPublic, EndorsementTemplate, Error,
    Handle, HandleRange, HashAlgorithm, Hierarchy, PcrSelection, ResponseClass, Tpm,
};
use device_key_types::OsRandom;

const SECRET: [u8; 32] = *b"one-use secret of thirty-two byt";
const QUALIFYING: [u8; 32] = [0x3c; 32];

#[test]
fn every_command_is_read_by_the_independent_crate_and_three_objects_suffice() {
    let swtpm = Swtpm::start_with_endorsement();
    let (transport, seen) = CrossCheckedTransport::new(swtpm.connect());
    let mut tpm = Tpm::new(Box::new(transport), Box::new(OsRandom));
    let mut keys = Keys::make(&mut tpm, &[0x77; 32], soon());
    let ak = attestation_key(&mut tpm, 1);
    for template in EndorsementTemplate::ALL {
        let ek = tpm.create_endorsement_key(template, soon()).unwrap();
        assert_eq!(tpm.handles(HandleRange::Transient, soon()).unwrap().len(), 3);
        let made = OwnedCredential::from_tpm2_tools(&swtpm, &SECRET, &ek.public, &ak.object.name);
        let secret = activate(&mut tpm, &mut keys.session, &ak.object, &ek, &made).unwrap();
        assert_eq!(*secret, SECRET, "{template:?}");
        tpm.flush(ek.object.handle, soon()).unwrap();
    }
    let device_key = AuthorizedObject { object: &keys.loaded, auth_value: &keys.secret };
    tpm.certify(&mut keys.session, device_key, &ak.object, &QUALIFYING, soon()).unwrap();
    tpm.certify_creation(&ak.object, &ak.object, &ak.evidence, &QUALIFYING, soon()).unwrap();
    let index = EndorsementTemplate::EccP384.certificate_index();
    let public = tpm.nv_read_public(index, soon()).unwrap();
    tpm.nv_read(&public, soon()).unwrap();

    let expected = [
        CommandCode::ActivateCredential,
        CommandCode::Certify,
        CommandCode::CertifyCreation,
        CommandCode::NvRead,
        CommandCode::NvReadPublic,
        CommandCode::PolicySecret,
    ];
    let seen = seen.lock().unwrap();
    for command in expected {
        assert!(seen.contains(&command.value()), "{command:?}");
    }
}

#[test]
fn persistent_endorsement_keys_match_the_templates() {
    let swtpm = Swtpm::start_with_endorsement();
    let mut tpm = swtpm.tpm();
    for template in [EndorsementTemplate::Rsa2048, EndorsementTemplate::EccP384] {
        let kept = tpm.read_public(template.persistent_handle(), soon()).unwrap();
        let kept = EndorsementPublic::parse(kept.as_bytes()).unwrap();
        let made = tpm.create_endorsement_key(template, soon()).unwrap();
        assert_eq!(made.public, kept);
        assert_eq!(made.object.name, kept.name());
        assert_eq!(made.evidence.hash, made.evidence.data.hash(template.name_algorithm()));
        tpm.flush(made.object.handle, soon()).unwrap();
    }
    let error = tpm.read_public(EndorsementTemplate::EccP256.persistent_handle(), soon());
    assert_eq!(error.unwrap_err().class(), Some(ResponseClass::HandleMissing));
}

#[test]
fn an_attestation_key_is_the_same_for_the_same_unique_value() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let [first, other, again] = [1, 2, 1].map(|unique| {
        let key = attestation_key(&mut tpm, unique);
        tpm.flush(key.object.handle, soon()).unwrap();
        key
    });
    assert_eq!(first.object.name, again.object.name);
    assert_ne!(first.object.name, other.object.name);
    assert_ne!(first.public, other.public);
}

#[test]
fn a_device_key_with_a_secret_is_certified() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let mut keys = Keys::make(&mut tpm, &[0x77; 32], soon());
    let ak = attestation_key(&mut tpm, 1);
    let with = AuthorizedObject { object: &keys.loaded, auth_value: &keys.secret };
    let said = tpm.certify(&mut keys.session, with, &ak.object, &QUALIFYING, soon()).unwrap();
    assert!(openssl_verifies(&swtpm, &ak.public, &said));

    let attest = Attest::parse(said.attest.as_bytes()).unwrap();
    assert_eq!(attest, said.attest);
    assert_eq!(attest.extra_data, QUALIFYING);
    assert_eq!(attest.qualified_signer, ak.object.name.qualified_in(Handle::ENDORSEMENT));
    let Attested::Certify { name, .. } = &attest.attested else {
        panic!("{attest:?}");
    };
    assert_eq!(name, &keys.created.public.name());
    // In the endorsement hierarchy the attested firmware version is not obfuscated: it is the one
    // that the TPM returns as a property.
    assert_eq!(attest.firmware_version, tpm.properties(soon()).unwrap().firmware_version);

    let signature = EcdsaSignature::from_tpmt(&said.signature.to_tpmt()).unwrap();
    assert_eq!(signature, said.signature);
    let mut forged = said;
    forged.signature.s[31] ^= 1;
    assert!(!openssl_verifies(&swtpm, &ak.public, &forged));
}

/// Certifications made by tpm2-tools can be parsed.
#[test]
fn statements_and_signatures_of_tpm2_tools_are_parsed() {
    let swtpm = Swtpm::start();
    let [key, attest, signature] = ["key", "attest", "signature"].map(|name| swtpm.path(name));
    let [data, hash, ticket] = ["data", "hash", "ticket"].map(|name| swtpm.path(name));
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";
    swtpm.run_tool(
        "tpm2_createprimary",
        &["-C", "e", "-G", "ecc256:ecdsa-sha256:null", "-a", attributes, "-c", &key]
            .into_iter()
            .chain(["--creation-data", &data, "-d", &hash, "-t", &ticket, "-q", "0a0b"])
            .chain(["-l", "sha256:0,16"])
            .collect::<Vec<_>>(),
    );
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
    let read = |file: &str| fs::read(file).unwrap();
    let created = CreationData::parse(&read(&data)[2..]).unwrap();
    assert_eq!(created.hierarchy(), Some(Handle::ENDORSEMENT));
    assert_eq!(created.hash(HashAlgorithm::Sha256), read(&hash)[2..]);
    assert_eq!(created.outside_info, [0x0a, 0x0b]);
    let bank = PcrSelection { hash_algorithm: 0x000b, bitmap: vec![1, 0, 1] };
    assert_eq!(created.pcr_select, [bank]);

    let signed = ["-g", "sha256", "-o", &attest, "-f", "tss"];
    swtpm.run_tool(
        "tpm2_certify",
        &[&signed[..], &["-c", &key, "-C", &key, "-s", &signature]].concat(),
    );
    let certified = Attest::parse(&read(&attest)).unwrap();
    assert!(matches!(certified.attested, Attested::Certify { .. }));
    let parsed = EcdsaSignature::from_tpmt(&read(&signature)).unwrap();
    assert_eq!(parsed.to_tpmt(), read(&signature));
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);

    let about = ["-C", &key, "-c", &key, "-d", &hash, "-t", &ticket, "-g", "sha256"];
    let to = ["-o", &signature, "-f", "tss", "--attestation", &attest];
    swtpm.run_tool("tpm2_certifycreation", &[&about[..], &to].concat());
    let certified = Attest::parse(&read(&attest)).unwrap();
    let Attested::Creation { creation_hash, .. } = certified.attested else {
        panic!("{certified:?}");
    };
    assert_eq!(creation_hash, read(&hash)[2..]);
    EcdsaSignature::from_tpmt(&read(&signature)).unwrap();
}

#[test]
fn a_device_key_is_not_certified_without_its_secret() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let mut keys = Keys::make(&mut tpm, &[0x77; 32], soon());
    let ak = attestation_key(&mut tpm, 1);
    for wrong in [&[][..], &[0x77; 31]] {
        let wrong = AuthValue::try_from(wrong).unwrap();
        let with = AuthorizedObject { object: &keys.loaded, auth_value: &wrong };
        let refused = tpm.certify(&mut keys.session, with, &ak.object, &QUALIFYING, soon());
        assert_eq!(refused.unwrap_err().class(), Some(ResponseClass::Authorization));
    }
    // A refusal does not change the nonces, so the same session can continue.
    let with = AuthorizedObject { object: &keys.loaded, auth_value: &keys.secret };
    tpm.certify(&mut keys.session, with, &ak.object, &QUALIFYING, soon()).unwrap();
}

#[test]
fn an_attestation_key_certifies_its_own_creation() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let ak = attestation_key(&mut tpm, 1);
    let evidence = &ak.evidence;
    let data = CreationData::parse(evidence.data.as_bytes()).unwrap();
    assert_eq!(data, evidence.data);
    assert_eq!(data.hierarchy(), Some(Handle::ENDORSEMENT));
    assert_eq!(data.hash(HashAlgorithm::Sha256), evidence.hash);
    assert_eq!((data.pcr_select.len(), data.outside_info.len()), (0, 0));

    let said = tpm.certify_creation(&ak.object, &ak.object, evidence, &QUALIFYING, soon()).unwrap();
    assert!(openssl_verifies(&swtpm, &ak.public, &said));
    let name = &ak.object.name;
    assert_eq!(said.attest.extra_data, QUALIFYING);
    assert_eq!(said.attest.qualified_signer, name.qualified_in(Handle::ENDORSEMENT));
    let expected =
        Attested::Creation { object_name: name.clone(), creation_hash: evidence.hash.clone() };
    assert_eq!(said.attest.attested, expected);

    // The evidence of another key is refused.
    let other = attestation_key(&mut tpm, 2);
    let refused =
        tpm.certify_creation(&ak.object, &ak.object, &other.evidence, &QUALIFYING, soon());
    assert!(matches!(refused, Err(Error::Refused { .. })));
}

#[test]
fn credentials_for_another_tpm_or_another_key_are_refused() {
    let (here, elsewhere) = (Swtpm::start_with_endorsement(), Swtpm::start());
    let (mut tpm, mut other) = (here.tpm(), elsewhere.tpm());
    let mut keys = Keys::make(&mut tpm, &[], soon());
    let ak = attestation_key(&mut tpm, 1);
    for template in EndorsementTemplate::ALL {
        let ek = tpm.create_endorsement_key(template, soon()).unwrap();
        let foreign = other.create_endorsement_key(template, soon()).unwrap();
        assert_ne!(ek.public, foreign.public);
        other.flush(foreign.object.handle, soon()).unwrap();
        let good = OwnedCredential::from_tpm2_tools(&here, &SECRET, &ek.public, &ak.object.name);
        let mut damaged = good.clone();
        damaged.blob[40] ^= 1;
        for (what, made) in [
            (
                "endorsement key",
                OwnedCredential::from_tpm2_tools(&here, &SECRET, &foreign.public, &ak.object.name),
            ),
            (
                "name",
                OwnedCredential::from_tpm2_tools(&here, &SECRET, &ek.public, &keys.loaded.name),
            ),
            ("blob", damaged),
        ] {
            let error = activate(&mut tpm, &mut keys.session, &ak.object, &ek, &made).unwrap_err();
            assert!(matches!(error, Error::Credential { .. }), "{template:?} {what}: {error}");
            assert_eq!(error.reason(), "tpm_credential");
        }
        let secret = activate(&mut tpm, &mut keys.session, &ak.object, &ek, &good).unwrap();
        assert_eq!(*secret, SECRET);
        tpm.flush(ek.object.handle, soon()).unwrap();
    }
    // The policy sessions and the endorsement keys are flushed.
    let sessions = tpm.handles(HandleRange::LoadedSessions, soon()).unwrap();
    assert_eq!(sessions, [keys.session.handle()]);
    assert_eq!(tpm.handles(HandleRange::Transient, soon()).unwrap().len(), 2);
}

#[test]
fn a_credential_made_with_the_public_kdfs_opens() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let mut keys = Keys::make(&mut tpm, &[], soon());
    let ak = attestation_key(&mut tpm, 1);
    let ek = tpm.create_endorsement_key(EndorsementTemplate::EccP384, soon()).unwrap();
    let EndorsementKey::EccP384(point) = ek.public.key() else {
        panic!("{ek:?}");
    };
    let made = OwnedCredential::from_public_kdfs(&SECRET, point, &ak.object.name);
    let secret = activate(&mut tpm, &mut keys.session, &ak.object, &ek, &made).unwrap();
    assert_eq!(*secret, SECRET);
}

#[test]
fn a_low_range_endorsement_key_needs_its_policy() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let mut keys = Keys::make(&mut tpm, &[], soon());
    let ak = attestation_key(&mut tpm, 1);
    let ek = tpm.create_endorsement_key(EndorsementTemplate::EccP256, soon()).unwrap();
    let made = OwnedCredential::from_tpm2_tools(&swtpm, &SECRET, &ek.public, &ak.object.name);
    let policy = tpm.start_policy_session(soon()).unwrap();
    for with in [EndorsementAuthorization::EmptyPassword, EndorsementAuthorization::Policy(&policy)]
    {
        let with = (&ek.object, with);
        let credential = made.credential();
        let refused =
            tpm.activate_credential(&mut keys.session, &ak.object, with, credential, soon());
        assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    }
    tpm.policy_secret(&policy, Hierarchy::Endorsement, soon()).unwrap();
    let with = (&ek.object, EndorsementAuthorization::Policy(&policy));
    let credential = made.credential();
    let mut again =
        || tpm.activate_credential(&mut keys.session, &ak.object, with, credential, soon());
    assert_eq!(*again().unwrap(), SECRET);
    // An assertion is good for one use.
    assert!(matches!(again(), Err(Error::Refused { .. })));
}

#[test]
fn an_endorsement_hierarchy_with_a_password_cannot_be_used() {
    let swtpm = Swtpm::start();
    swtpm.run_tool("tpm2_changeauth", &["-c", "endorsement", "secret"]);
    let mut tpm = swtpm.tpm();
    let made = tpm.create_endorsement_key(EndorsementTemplate::EccP256, soon());
    assert_eq!(made.unwrap_err().class(), Some(ResponseClass::Authorization));
    let policy = tpm.start_policy_session(soon()).unwrap();
    let asserted = tpm.policy_secret(&policy, Hierarchy::Endorsement, soon());
    assert_eq!(asserted.unwrap_err().class(), Some(ResponseClass::Authorization));
    tpm.policy_secret(&policy, Hierarchy::Owner, soon()).unwrap();
}
