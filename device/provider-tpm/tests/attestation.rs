//! Tests attestation, also with programs that share no code with us.

use std::fs;
use std::process::Command;

use device_key::{AttestationInput, KeyAttestor as _, ProviderErrorKind, authorize_attestation};
use device_key_testing::{Swtpm, samples};
use device_key_tpm2::{
    Attest, Attested, EcdsaSignature, EndorsementKey, EndorsementPublic, PublicArea,
};
use device_key_types::attestation::{
    Activation, Credential, EndorsementKeyKind, Identity, TpmBytes,
};
use device_key_types::{PublicKey, Signature, StorageParentName};

use crate::common::{Key, Keystore, assert_nothing_left, client, kind, put_storage_key, soon};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn input(key: &Key) -> AttestationInput {
    let challenge = samples::attestation_challenge();
    let policy = samples::policy();
    authorize_attestation(&policy, samples::NOW, &key.binding(), &challenge).unwrap()
}

fn identity(keystore: &Keystore, key: &Key, asked: Option<EndorsementKeyKind>) -> Identity {
    keystore.provider.identity(&input(key), asked).unwrap()
}

/// Makes a credential with tpm2-tools.
fn credential(swtpm: &Swtpm, identity: &Identity) -> Credential {
    let name = PublicArea::parse(identity.attestation_key_public.as_bytes()).unwrap().name();
    let (blob, encrypted_secret) = swtpm.make_credential(
        identity.endorsement_key_public.as_bytes(),
        name.unwrap().as_bytes(),
        SECRET,
    );
    let bytes = |bytes: Vec<u8>| TpmBytes::try_from(bytes).unwrap();
    Credential { blob: bytes(blob), encrypted_secret: bytes(encrypted_secret) }
}

fn attestation_key(identity: &Identity) -> PublicKey {
    match PublicArea::parse(identity.attestation_key_public.as_bytes()).unwrap() {
        PublicArea::EccP256(public) => {
            PublicKey::from_coordinates(&public.point().x(), &public.point().y()).unwrap()
        }
        PublicArea::Other(_) => panic!("an attestation key of another kind"),
    }
}

/// Verifies the signature with OpenSSL, and returns the parsed statement.
fn openssl_verified(
    swtpm: &Swtpm,
    by: &PublicKey,
    attest: &TpmBytes,
    signature: &TpmBytes,
) -> Attest {
    let [key, message, file] = ["ak", "attest", "signature"].map(|name| swtpm.path(name));
    let EcdsaSignature { r, s } = EcdsaSignature::from_tpmt(signature.as_bytes()).unwrap();
    fs::write(&key, by.spki_der()).unwrap();
    fs::write(&message, attest.as_bytes()).unwrap();
    fs::write(&file, Signature::from_scalars(r, s).unwrap().to_der()).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-keyform", "DER", "-verify", &key, "-signature", &file]);
    assert!(openssl.arg(&message).output().unwrap().status.success());
    Attest::parse(attest.as_bytes()).unwrap()
}

fn assert_attested(swtpm: &Swtpm, keystore: &Keystore, key: &Key, asked: EndorsementKeyKind) {
    let identity = identity(keystore, key, Some(asked));
    assert_eq!(identity.endorsement_key, asked);
    let attestation_key = attestation_key(&identity);
    let creation = openssl_verified(
        swtpm,
        &attestation_key,
        &identity.attestation_key_creation_attest,
        &identity.attestation_key_creation_signature,
    );
    assert_eq!(creation.extra_data, input(key).identity_digest().unwrap().as_bytes());
    assert!(matches!(creation.attested, Attested::Creation { .. }));

    let credential = credential(swtpm, &identity);
    // Signing loads the key, which takes an object slot.
    keystore.assert_signs(key);
    let activated = keystore.provider.activate(&input(key), &credential, Some(asked));
    let Activation { secret, attest, signature } = activated.unwrap();
    assert_eq!(secret.as_bytes(), SECRET);
    let certification = openssl_verified(swtpm, &attestation_key, &attest, &signature);
    let digest = input(key).certification_digest(&secret).unwrap();
    assert_eq!(certification.extra_data, digest.as_bytes());
    let Attested::Certify { name, .. } = certification.attested else {
        panic!("another kind of statement");
    };
    let area = PublicArea::parse(identity.key_public.as_bytes()).unwrap();
    assert_eq!(Some(name), area.name());
    assert_eq!(area.as_bytes(), keystore.read(key).public.as_bytes());
}

#[test]
fn every_kind_of_endorsement_key_opens_credentials() {
    let swtpm = Swtpm::start_with_endorsement();
    for keystore in [Keystore::at(&swtpm.address()), Keystore::service(&swtpm.address())] {
        let key = keystore.create(1);
        for asked in EndorsementKeyKind::ALL {
            assert_attested(&swtpm, &keystore, &key, asked);
            assert_nothing_left(&swtpm);
        }
        keystore.assert_signs(&key);
    }
}

/// A transient storage root key always takes one of the three object slots.
#[test]
fn attestation_works_with_a_transient_parent_in_three_slots() {
    let swtpm = Swtpm::start();
    put_storage_key(&swtpm, "rsa2048");
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    keystore.assert_signs(&key);
    for asked in EndorsementKeyKind::ALL {
        assert_attested(&swtpm, &keystore, &key, asked);
    }
    assert_nothing_left(&swtpm);
}

#[test]
fn an_endorsement_key_with_a_certificate_is_preferred() {
    let without = Swtpm::start();
    let keystore = Keystore::at(&without.address());
    let identity = identity(&keystore, &keystore.create(1), None);
    assert_eq!(identity.endorsement_key, EndorsementKeyKind::EccP256);
    assert_eq!(identity.endorsement_key_certificates, []);

    assert_eq!(keystore.provider.facts().unwrap().certified_endorsement_keys, []);

    let swtpm = Swtpm::start_with_endorsement();
    let keystore = Keystore::at(&swtpm.address());
    let certified = keystore.provider.facts().unwrap().certified_endorsement_keys;
    assert_eq!(certified, [EndorsementKeyKind::EccP384, EndorsementKeyKind::Rsa2048]);
    let key = keystore.create(1);
    let taken = || {
        let identity = self::identity(&keystore, &key, None);
        let credential = credential(&swtpm, &identity);
        keystore.provider.activate(&input(&key), &credential, None).unwrap();
        assert_eq!(identity.endorsement_key_certificates.len(), 1);
        identity.endorsement_key
    };
    assert_eq!(taken(), EndorsementKeyKind::EccP384);
    assert_nothing_left(&swtpm);
    swtpm.certify_p256_endorsement_key();
    assert_eq!(taken(), EndorsementKeyKind::EccP256);
}

/// Checks with OpenSSL that the certificate holds the endorsement key, and that the chain leads to
/// the root.
#[test]
fn certificates_belong_to_the_endorsement_keys() {
    let swtpm = Swtpm::start_with_endorsement();
    swtpm.certify_p256_endorsement_key();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    for asked in EndorsementKeyKind::ALL {
        let identity = identity(&keystore, &key, Some(asked));
        let [certificate] = &*identity.endorsement_key_certificates else {
            panic!("one certificate of {asked}");
        };
        let file = swtpm.path("certificate");
        fs::write(&file, certificate.as_bytes()).unwrap();
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}");
            output.stdout
        };
        let der = openssl(&["x509", "-inform", "DER", "-in", &file, "-outform", "DER"]);
        assert_eq!(der, certificate.as_bytes(), "there are no bytes after the certificate");
        let public = openssl(&["x509", "-inform", "DER", "-in", &file, "-noout", "-pubkey"]);
        fs::write(swtpm.path("spki.pem"), public).unwrap();
        let spki = swtpm.path("spki.pem");
        let spki = openssl(&["pkey", "-pubin", "-in", &spki, "-outform", "DER"]);
        let ours = EndorsementPublic::parse(identity.endorsement_key_public.as_bytes()).unwrap();
        let number = match ours.key() {
            EndorsementKey::Rsa2048(modulus) => modulus.to_vec(),
            EndorsementKey::EccP256(point) => point.y().to_vec(),
            EndorsementKey::EccP384(point) => point.y().to_vec(),
        };
        assert!(spki.windows(number.len()).any(|window| window == number), "{asked}");

        let [root, issuer] = [swtpm.root_certificate(), swtpm.issuer_certificate()];
        let [root, issuer] = [root, issuer].map(|path| path.to_str().unwrap().to_owned());
        // OpenSSL does not know the names in the critical SAN, and does not know this purpose.
        let verify = ["verify", "-ignore_critical", "-CAfile", &root, "-untrusted", &issuer, &file];
        openssl(&verify);
    }
}

#[test]
fn each_key_always_has_its_own_attestation_key() {
    let mut swtpm = Swtpm::start_with_endorsement();
    let keystore = Keystore::at(&swtpm.address());
    let (first, second) = (keystore.create(1), keystore.create(2));
    let public = |key| identity(&keystore, key, None).attestation_key_public;
    let (of_first, of_second) = (public(&first), public(&second));
    assert_ne!(of_first, of_second);
    swtpm.restart();
    assert_eq!((public(&first), public(&second)), (of_first, of_second));
}

#[test]
fn a_credential_for_another_key_or_tpm_is_not_opened() {
    let swtpm = Swtpm::start_with_endorsement();
    let keystore = Keystore::at(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    let elsewhere = Swtpm::start();
    let foreign = Keystore::at(&elsewhere.address());
    let foreign_key = foreign.create(1);
    let activate = |key: &Key, credential: &Credential, asked| {
        kind(keystore.provider.activate(&input(key), credential, Some(asked)))
    };
    let refused = ProviderErrorKind::CredentialNotActivated;
    for asked in EndorsementKeyKind::ALL {
        let good = credential(&swtpm, &identity(&keystore, &other, Some(asked)));
        assert_eq!(activate(&key, &good, asked), refused, "{asked}");
        let of_elsewhere = identity(&foreign, &foreign_key, Some(asked));
        let foreign = credential(&elsewhere, &of_elsewhere);
        assert_eq!(activate(&key, &foreign, asked), refused, "{asked}");
        let bytes = |bytes: Vec<u8>| TpmBytes::try_from(bytes).unwrap();
        let mut flipped = good.blob.as_bytes().to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [
            Credential { blob: bytes(Vec::new()), ..good.clone() },
            Credential { blob: bytes(vec![0; 2000]), ..good.clone() },
            Credential { encrypted_secret: bytes(vec![1; 300]), ..good.clone() },
            Credential { encrypted_secret: bytes(Vec::new()), ..good.clone() },
            Credential { blob: bytes(flipped), ..good.clone() },
        ] {
            assert_eq!(activate(&other, &damaged, asked), refused, "{asked}");
        }
        keystore.provider.activate(&input(&other), &good, Some(asked)).unwrap();
    }
    assert_nothing_left(&swtpm);
    keystore.assert_signs(&key);
}

#[test]
fn a_tpm_with_a_locked_endorsement_hierarchy_cannot_attest() {
    let swtpm = Swtpm::start_with_endorsement();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    let credential = credential(&swtpm, &identity(&keystore, &key, None));
    assert_nothing_left(&swtpm);
    swtpm.run_tool("tpm2_changeauth", &["-c", "e", "secret"]);
    let unavailable = ProviderErrorKind::AttestationUnavailable;
    assert_eq!(kind(keystore.provider.identity(&input(&key), None)), unavailable);
    assert_eq!(kind(keystore.provider.activate(&input(&key), &credential, None)), unavailable);
    keystore.assert_signs(&key);
    assert_nothing_left(&swtpm);
}

#[test]
fn a_key_that_is_not_the_recorded_one_is_not_attested() {
    let swtpm = Swtpm::start_with_endorsement();
    let keystore = Keystore::at(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    let credential = credential(&swtpm, &identity(&keystore, &key, None));
    fs::copy(keystore.file(&other), keystore.file(&key)).unwrap();
    let lost = ProviderErrorKind::KeyLost;
    assert_eq!(kind(keystore.provider.identity(&input(&key), None)), lost);
    assert_eq!(kind(keystore.provider.activate(&input(&key), &credential, None)), lost);
    assert_nothing_left(&swtpm);
    client(&swtpm).get_random(1, soon()).unwrap();
}

/// Another key is at the handle of the storage root key, so an impostor could read the session.
#[test]
fn a_key_under_another_parent_is_not_attested() {
    let swtpm = Swtpm::start_with_endorsement();
    let keystore = Keystore::at(&swtpm.address());
    let mut key = keystore.create(1);
    let credential = credential(&swtpm, &identity(&keystore, &key, None));
    key.created.storage_parent = Some(StorageParentName::from_bytes(&[0; 34]));
    let lost = ProviderErrorKind::KeyLost;
    assert_eq!(kind(keystore.provider.identity(&input(&key), None)), lost);
    assert_eq!(kind(keystore.provider.activate(&input(&key), &credential, None)), lost);
}

/// The TPM asks for the secret of a key before it certifies the key, as it does before it signs.
#[test]
fn a_key_without_its_secret_is_not_certified() {
    let swtpm = Swtpm::start_with_endorsement();
    let keystore = Keystore::service(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    let credential = credential(&swtpm, &identity(&keystore, &key, None));
    fs::copy(keystore.secret_file(&other), keystore.secret_file(&key)).unwrap();
    let activated = keystore.provider.activate(&input(&key), &credential, None);
    assert_eq!(kind(activated), ProviderErrorKind::KeyLost);
    fs::remove_file(keystore.secret_file(&key)).unwrap();
    let activated = keystore.provider.activate(&input(&key), &credential, None);
    assert_eq!(kind(activated), ProviderErrorKind::KeyLost);
    assert_nothing_left(&swtpm);
}
