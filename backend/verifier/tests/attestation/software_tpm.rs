//! A TPM in software, and a backend that talks to it. A test can change what the TPM says, before
//! the TPM signs it or after.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, PrivateKey};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use device_key_testing::samples::{self, NOW};
use device_key_types::attestation::{
    ActivatedSecret, Activation, Claim, EndorsementKeyKind, Identity, TpmBytes,
};
use device_key_types::{DeviceKeyId, ProtectionClass, PublicKey, Sha256Digest};
use device_key_verifier::attestation::{
    AttestationError, RootKind, TrustRoots, VerifiedIdentity, VerifiedKey, verify_identity,
};
use sha2::{Digest as _, Sha256};

use crate::authority::{Authority, Certificate, KEY_AGREEMENT, KEY_ENCIPHERMENT};
use crate::der;
use crate::tpm_structures::{
    self as tpm, Area, CERTIFY, CREATION, DEVICE_KEY, ENDORSEMENT, RESTRICTED, sized,
};

pub(crate) const SECRET: [u8; 32] = [0x5a; 32];
pub(crate) const FIRMWARE: u64 = 0x0007_0055_0000_1234;

/// `PolicyA` with SHA-256 and `PolicyB` with SHA-384 (TCG "EK Credential Profile", annex B), as
/// hexadecimal.
const POLICY_A: &str = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa";
const POLICY_B: &str = "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419ca\
                        cb47ba09699646150f9fc000f3f80e12";

/// A public endorsement key.
#[derive(Clone)]
pub(crate) struct EndorsementKey {
    pub(crate) kind: EndorsementKeyKind,
    /// `TPMT_PUBLIC`.
    pub(crate) area: Vec<u8>,
    /// `SubjectPublicKeyInfo`.
    pub(crate) spki: Vec<u8>,
    pub(crate) usage: [u8; 4],
}

impl EndorsementKey {
    pub(crate) fn new(kind: EndorsementKeyKind) -> Self {
        match kind {
            EndorsementKeyKind::Rsa2048 => Self::rsa(),
            EndorsementKeyKind::EccP256 => Self::ecc(kind, &ECDH_P256, POLICY_A, 32),
            EndorsementKeyKind::EccP384 => Self::ecc(kind, &ECDH_P384, POLICY_B, 48),
        }
    }

    fn rsa() -> Self {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap().public_key();
        let spki = key.as_der().unwrap().as_ref().to_vec();
        // The modulus follows its header and a zero byte. The exponent, 5 bytes, follows the
        // modulus.
        let modulus = &spki[spki.len() - 5 - 256..spki.len() - 5];
        let area = [
            &hex("0001000b000300b20020")[..],
            &hex(POLICY_A),
            &hex("0006008000430010080000000000"),
            &sized(modulus),
        ]
        .concat();
        Self { kind: EndorsementKeyKind::Rsa2048, area, spki, usage: KEY_ENCIPHERMENT }
    }

    fn ecc(
        kind: EndorsementKeyKind,
        algorithm: &'static agreement::Algorithm,
        policy: &str,
        coordinate: usize,
    ) -> Self {
        let key = PrivateKey::generate(algorithm).unwrap().compute_public_key().unwrap();
        let (x, y) = key.as_ref()[1..].split_at(coordinate);
        let [head, tail, curve] = match kind {
            EndorsementKeyKind::EccP384 => {
                ["0023000c000300f20030", "00060100004300100004", "1.3.132.0.34"]
            }
            _ => ["0023000b000300b20020", "00060080004300100003", "1.2.840.10045.3.1.7"],
        };
        let area =
            [&hex(head)[..], &hex(policy), &hex(tail), &hex("0010"), &sized(x), &sized(y)].concat();
        let algorithm = der::sequence(&[&der::oid("1.2.840.10045.2.1"), &der::oid(curve)]);
        let spki = der::sequence(&[&algorithm, &der::bit_string(key.as_ref())]);
        Self { kind, area, spki, usage: KEY_AGREEMENT }
    }
}

/// Decodes hexadecimal text.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A key that signs in the TPM.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
}

impl SigningKey {
    pub(crate) fn new() -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    pub(crate) fn point(&self) -> [Vec<u8>; 2] {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        [x.to_vec(), y.to_vec()]
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::from_spki_der(self.pair.public_key().as_der().unwrap().as_ref()).unwrap()
    }

    /// r and s.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

/// A TPM with its certificate. A test may change every public field.
pub(crate) struct SoftwareTpm {
    pub(crate) endorsement_key: EndorsementKey,
    pub(crate) root: Authority,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) attestation_key: SigningKey,
    pub(crate) device_key: SigningKey,
    pub(crate) attestation_area: Area,
    pub(crate) device_area: Area,
    /// The hierarchy in which the attestation key was created.
    pub(crate) hierarchy: u32,
}

impl SoftwareTpm {
    pub(crate) fn new(kind: EndorsementKeyKind) -> Self {
        let endorsement_key = EndorsementKey::new(kind);
        let root = Authority::root();
        let certificate =
            Certificate::endorsement(endorsement_key.spki.clone(), &endorsement_key.usage);
        let (attestation_key, device_key) = (SigningKey::new(), SigningKey::new());
        Self {
            certificates: vec![root.issue(certificate)],
            endorsement_key,
            root,
            attestation_area: Area::new(DEVICE_KEY | RESTRICTED, attestation_key.point()),
            device_area: Area::new(DEVICE_KEY, device_key.point()),
            attestation_key,
            device_key,
            hierarchy: ENDORSEMENT,
        }
    }

    /// A TPM with the kind of endorsement key that takes the least time to create.
    pub(crate) fn p256() -> Self {
        Self::new(EndorsementKeyKind::EccP256)
    }

    /// The backend's record of the device key and its challenge.
    pub(crate) fn claim(&self) -> Claim {
        Claim {
            challenge: samples::attestation_challenge(),
            key_id: DeviceKeyId::from_random_bytes([3; 32]),
            public_key: self.device_key.public_key(),
            protection_class: ProtectionClass::HardwareTpm,
        }
    }

    pub(crate) fn roots(&self, kind: RootKind) -> TrustRoots {
        TrustRoots::new([(self.root.self_signed().as_slice(), kind)]).unwrap()
    }

    /// The evidence for this claim, before it is signed.
    pub(crate) fn evidence(&self, claim: &Claim) -> Evidence {
        let (attestation_area, device_area) =
            (self.attestation_area.to_bytes(), self.device_area.to_bytes());
        let attestation_name = tpm::name(&attestation_area);
        let creation_data = tpm::creation_data(0x0010, &self.hierarchy.to_be_bytes());
        let statement = |tag, extra_data: Sha256Digest, attested| tpm::Statement {
            magic: 0xff54_4347,
            tag,
            signer: tpm::qualified(self.hierarchy, &attestation_name),
            extra_data: extra_data.as_bytes().to_vec(),
            firmware_version: FIRMWARE,
            attested,
            behind: Vec::new(),
        };
        let creation_hash = Sha256::digest(&creation_data).to_vec();
        let secret = Sha256Digest::of(&SECRET);
        Evidence {
            kind: self.endorsement_key.kind,
            endorsement_area: self.endorsement_key.area.clone(),
            certificates: self.certificates.clone(),
            creation: statement(
                CREATION,
                claim.identity_digest().unwrap(),
                [attestation_name.clone(), creation_hash],
            ),
            certification: statement(
                CERTIFY,
                claim.certification_digest(&secret).unwrap(),
                [tpm::name(&device_area), tpm::name(b"qualified")],
            ),
            attestation_area,
            device_area,
            creation_data,
            secret: SECRET.to_vec(),
        }
    }

    /// Signs the statements and returns the client's two answers.
    pub(crate) fn signed(&self, evidence: &Evidence) -> (Identity, Activation) {
        let sign = |statement: &[u8]| {
            tpm::signature(0x0018, 0x000b, &self.attestation_key.sign(statement))
        };
        let (creation, certification) =
            (evidence.creation.to_bytes(), evidence.certification.to_bytes());
        let identity = Identity {
            endorsement_key: evidence.kind,
            endorsement_key_public: bytes(&evidence.endorsement_area),
            endorsement_key_certificates: evidence
                .certificates
                .iter()
                .map(|der| bytes(der))
                .collect(),
            attestation_key_public: bytes(&evidence.attestation_area),
            attestation_key_creation_data: bytes(&evidence.creation_data),
            attestation_key_creation_signature: bytes(&sign(&creation)),
            attestation_key_creation_attest: bytes(&creation),
            key_public: bytes(&evidence.device_area),
        };
        let activation = Activation {
            secret: ActivatedSecret::from_bytes(&evidence.secret).unwrap(),
            signature: bytes(&sign(&certification)),
            attest: bytes(&certification),
        };
        (identity, activation)
    }

    /// Runs the first round trip with evidence that is changed before it is signed.
    pub(crate) fn identify(
        &self,
        change: impl FnOnce(&mut Evidence),
    ) -> Result<VerifiedIdentity, AttestationError> {
        let mut evidence = self.evidence(&self.claim());
        change(&mut evidence);
        let (identity, _) = self.signed(&evidence);
        verify_identity(&identity, self.claim(), &self.roots(RootKind::Hardware), NOW)
    }

    /// Runs both round trips with evidence that is changed before it is signed.
    pub(crate) fn attest(
        &self,
        change: impl FnOnce(&mut Evidence),
    ) -> Result<VerifiedKey, AttestationError> {
        let mut evidence = self.evidence(&self.claim());
        change(&mut evidence);
        let (identity, activation) = self.signed(&evidence);
        verify_identity(&identity, self.claim(), &self.roots(RootKind::Hardware), NOW)?
            .verify_activation(&activation, &Sha256Digest::of(&SECRET), NOW)
    }
}

/// The evidence of a TPM, before it is signed.
pub(crate) struct Evidence {
    pub(crate) kind: EndorsementKeyKind,
    pub(crate) endorsement_area: Vec<u8>,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) attestation_area: Vec<u8>,
    pub(crate) creation_data: Vec<u8>,
    pub(crate) creation: tpm::Statement,
    pub(crate) device_area: Vec<u8>,
    pub(crate) certification: tpm::Statement,
    pub(crate) secret: Vec<u8>,
}

pub(crate) fn bytes(bytes: &[u8]) -> TpmBytes {
    bytes.to_vec().try_into().unwrap()
}
