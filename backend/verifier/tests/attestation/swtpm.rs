//! Tests with a real swtpm. Another program issued its certificates, and tpm2-tools checks the
//! credentials independently.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use device_key_testing::{Swtpm, samples};
use device_key_tpm2::{
    AuthValue, AuthorizedObject, EccP256Public, EccP256Template, EndorsementAuthorization,
    EndorsementTemplate, Hierarchy, Primary, Tpm, TpmAddress, storage_key,
};
use device_key_types::attestation::{
    ActivatedSecret, Activation, Claim, EndorsementKeyKind, Identity,
};
use device_key_types::{DeviceKeyId, OsRandom, ProtectionClass, PublicKey, Sha256Digest, UnixTime};
use device_key_verifier::attestation::{
    CertificateError, Credential, EndorsementPublic, Name, RevocationPolicy, RootKind, TrustRoots,
    make_credential, verify_identity,
};

use crate::software_tpm::{SECRET, bytes};
use crate::tpm_structures::sized;

/// A time within the validity of swtpm's certificates, which are valid from their creation to
/// the year 9999.
const NOW: UnixTime = UnixTime::from_seconds(4_000_000_000);

const KINDS: [(EndorsementKeyKind, EndorsementTemplate); 3] = [
    (EndorsementKeyKind::Rsa2048, EndorsementTemplate::Rsa2048),
    (EndorsementKeyKind::EccP256, EndorsementTemplate::EccP256),
    (EndorsementKeyKind::EccP384, EndorsementTemplate::EccP384),
];

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn connect(swtpm: &Swtpm) -> Tpm {
    let transport = swtpm.address().parse::<TpmAddress>().unwrap().connect(soon()).unwrap();
    Tpm::new(transport, Box::new(OsRandom))
}

/// The content of a file in PEM (RFC 7468).
fn pem(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    Base64::decode_vec(&body).unwrap()
}

fn roots(swtpm: &Swtpm) -> TrustRoots {
    let (root, issuer) = (pem(&swtpm.root_certificate()), pem(&swtpm.issuer_certificate()));
    TrustRoots::new([(root.as_slice(), RootKind::Simulated)])
        .unwrap()
        .with_intermediates([issuer.as_slice()])
        .unwrap()
}

fn public_key(public: &EccP256Public) -> PublicKey {
    PublicKey::from_coordinates(&public.point().x(), &public.point().y()).unwrap()
}

fn claim(public_key: PublicKey) -> Claim {
    let mut challenge = samples::attestation_challenge();
    challenge.challenge_expires_at = NOW.saturating_add(60);
    Claim {
        challenge,
        key_id: DeviceKeyId::from_random_bytes([9; 32]),
        public_key,
        protection_class: ProtectionClass::HardwareTpm,
    }
}

fn attestation_key(tpm: &mut Tpm) -> Primary<EccP256Public> {
    let template = EccP256Template::attestation_key();
    tpm.create_primary(Hierarchy::Endorsement, &template, &[1; 32], soon()).unwrap()
}

#[test]
fn both_rounds_with_each_endorsement_key() {
    let swtpm = Swtpm::start_with_endorsement();
    swtpm.certify_p256_endorsement_key();
    let roots = roots(&swtpm);
    let mut tpm = connect(&swtpm);
    let parent = storage_key::provision(&mut tpm, soon()).unwrap();
    let mut session = tpm.start_session(parent.object.handle, &parent.public, soon()).unwrap();
    let empty = AuthValue::empty();
    let under = AuthorizedObject { object: &parent.object, auth_value: &empty };
    let template = EccP256Template::device_key();
    let created = tpm.create(&mut session, under, &template, &empty, soon()).unwrap();
    let device_key =
        tpm.load(&mut session, under, &created.private, &created.public, soon()).unwrap();
    let claim = claim(public_key(&created.public));
    let attestation_key = attestation_key(&mut tpm);
    let digest = claim.identity_digest().unwrap();
    let creation = tpm
        .certify_creation(
            &attestation_key.object,
            &attestation_key.object,
            &attestation_key.evidence,
            digest.as_bytes(),
            soon(),
        )
        .unwrap();

    for (kind, template) in KINDS {
        let index = tpm.nv_read_public(template.certificate_index(), soon()).unwrap();
        let certificate = tpm.nv_read(&index, soon()).unwrap();
        let endorsement_key = tpm.create_endorsement_key(template, soon()).unwrap();
        let identity = Identity {
            endorsement_key: kind,
            endorsement_key_public: bytes(endorsement_key.public.as_bytes()),
            endorsement_key_certificates: vec![bytes(&certificate)],
            attestation_key_public: bytes(attestation_key.public.as_bytes()),
            attestation_key_creation_data: bytes(attestation_key.evidence.data.as_bytes()),
            attestation_key_creation_attest: bytes(creation.attest.as_bytes()),
            attestation_key_creation_signature: bytes(&creation.signature.to_tpmt()),
            key_public: bytes(created.public.as_bytes()),
        };
        let identity = verify_identity(&identity, claim.clone(), &roots, NOW).unwrap();

        let credential = identity.make_credential(&SECRET, &OsRandom).unwrap();
        let credential = device_key_tpm2::Credential {
            blob: credential.blob.as_bytes(),
            encrypted_secret: credential.encrypted_secret.as_bytes(),
        };
        let policy = tpm.start_policy_session(soon()).unwrap();
        tpm.policy_secret(&policy, Hierarchy::Endorsement, soon()).unwrap();
        let authorization = match kind {
            EndorsementKeyKind::EccP384 => EndorsementAuthorization::EmptyPassword,
            _ => EndorsementAuthorization::Policy(&policy),
        };
        let secret = tpm
            .activate_credential(
                &mut session,
                &attestation_key.object,
                (&endorsement_key.object, authorization),
                credential,
                soon(),
            )
            .unwrap();
        tpm.flush_policy_session(&policy, soon()).unwrap();
        tpm.flush(endorsement_key.object.handle, soon()).unwrap();

        let digest = claim.certification_digest(&Sha256Digest::of(&secret)).unwrap();
        let with = AuthorizedObject { object: &device_key, auth_value: &empty };
        let certification = tpm
            .certify(&mut session, with, &attestation_key.object, digest.as_bytes(), soon())
            .unwrap();
        let activation = Activation {
            secret: ActivatedSecret::from_bytes(&secret).unwrap(),
            attest: bytes(certification.attest.as_bytes()),
            signature: bytes(&certification.signature.to_tpmt()),
        };
        let expected = Sha256Digest::of(&SECRET);
        let key = identity.verify_activation(&activation, &expected, NOW).unwrap();
        assert_eq!(key.kind().as_str(), "simulated_tpm");
        let described = key.kind().tpm().unwrap();
        assert_eq!(described.manufacturer(), "id:00001014");
        assert_eq!(described.model(), "swtpm");
        assert_eq!(described.version(), "id:20191023");
        let firmware = tpm.properties(soon()).unwrap().firmware_version;
        assert_eq!(described.firmware_version(), firmware);
    }
}

#[test]
fn the_policy_can_require_revocation_lists_of_real_issuers() {
    let swtpm = Swtpm::start_with_endorsement();
    let mut tpm = connect(&swtpm);
    let template = EndorsementTemplate::EccP384;
    let index = tpm.nv_read_public(template.certificate_index(), soon()).unwrap();
    let certificate = tpm.nv_read(&index, soon()).unwrap();
    let roots = roots(&swtpm).with_revocation_lists([], RevocationPolicy::Everywhere).unwrap();
    let other = crate::software_tpm::SoftwareTpm::p256();
    let mut evidence = other.evidence(&other.claim());
    evidence.certificates = vec![certificate];
    let (identity, _) = other.signed(&evidence);
    let refused = verify_identity(&identity, other.claim(), &roots, samples::NOW).unwrap_err();
    assert_eq!(refused.reason(), CertificateError::RevocationUnknown.reason());
}

/// The file that `tpm2_activatecredential` reads: a header that only the tools use, then both
/// TPM2Bs.
fn tool_file(credential: &Credential) -> Vec<u8> {
    [
        &0xbadc_c0de_u32.to_be_bytes()[..],
        &1_u32.to_be_bytes(),
        &sized(credential.blob.as_bytes()),
        &sized(credential.encrypted_secret.as_bytes()),
    ]
    .concat()
}

/// Activates a credential with the tools. Returns the secret, or `None` if the tools refuse.
fn activated_by_tool(
    swtpm: &Swtpm,
    kind: EndorsementKeyKind,
    [attestation_key, endorsement_key]: [&str; 2],
    credential: &Credential,
) -> Option<Vec<u8>> {
    let [file, secret, session] = ["credential", "secret", "session"].map(|name| swtpm.path(name));
    fs::write(&file, tool_file(credential)).unwrap();
    let mut arguments = vec!["-c", attestation_key, "-C", endorsement_key, "-i", &file];
    arguments.extend(["-o", &secret]);
    let with_session = format!("session:{session}");
    if kind != EndorsementKeyKind::EccP384 {
        swtpm.run_tool("tpm2_startauthsession", &["--policy-session", "-S", &session]);
        swtpm.run_tool("tpm2_policysecret", &["-S", &session, "-c", "e"]);
        arguments.extend(["-P", &with_session]);
    }
    let output = swtpm.tools("tpm2_activatecredential").args(arguments).output().unwrap();
    if kind != EndorsementKeyKind::EccP384 {
        swtpm.run_tool("tpm2_flushcontext", &[&session]);
    }
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
    output.status.success().then(|| fs::read(&secret).unwrap())
}

#[test]
fn tpm2_tools_open_our_credentials() {
    let swtpm = Swtpm::start_with_endorsement();
    let [p256, key, other_key] = ["ek-p256", "key", "other-key"].map(|name| swtpm.path(name));
    swtpm.run_tool("tpm2_createek", &["-G", "ecc", "-c", &p256]);
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";
    for (hierarchy, file) in [("e", &key), ("o", &other_key)] {
        let shape = ["-G", "ecc256:ecdsa-sha256:null", "-a", attributes];
        let to = ["-C", hierarchy, "-c", file];
        swtpm.run_tool("tpm2_createprimary", &[&to[..], &shape].concat());
        swtpm.run_tool("tpm2_flushcontext", &["-t"]);
    }
    let read = |object: &str, option: &str| {
        let file = swtpm.path("read");
        let format = if option == "-o" { &["-f", "tss"][..] } else { &[] };
        swtpm.run_tool(
            "tpm2_readpublic",
            &[&["-c", object, option, file.as_str()], format].concat(),
        );
        swtpm.run_tool("tpm2_flushcontext", &["-t"]);
        fs::read(&file).unwrap()
    };
    let name = Name::try_from(read(&key, "-n").as_slice()).unwrap();
    for (kind, endorsement_key) in [
        (EndorsementKeyKind::Rsa2048, "0x81010001"),
        (EndorsementKeyKind::EccP256, p256.as_str()),
        (EndorsementKeyKind::EccP384, "0x81010016"),
    ] {
        let public = EndorsementPublic::parse(&read(endorsement_key, "-o")[2..]).unwrap();
        // Each credential uses other random numbers.
        for _ in 0..2 {
            let credential = make_credential(&public, &name, &SECRET, &OsRandom).unwrap();
            let opened = activated_by_tool(&swtpm, kind, [&key, endorsement_key], &credential);
            assert_eq!(opened.as_deref(), Some(&SECRET[..]), "{kind}");
            // The tools succeed only while the key with the right Name is loaded.
            let refused =
                activated_by_tool(&swtpm, kind, [&other_key, endorsement_key], &credential);
            assert_eq!(refused, None, "{kind}");
        }
    }
}
