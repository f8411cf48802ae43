//! Measures the verification of an attestation against its four signatures.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64ct::{Base64, Encoding as _};
use device_key::{
    DeviceKeyBinding, DeviceKeyProvider as _, KeyAttestor as _, OwnerUid, authorize_attestation,
};
use device_key_private_fs::PrivateDir;
use device_key_provider_tpm::{PROVIDER_NAME, TpmProvider, TpmSettings};
use device_key_testing::{SequenceRandom, Swtpm, samples};
use device_key_tpm2::{EcdsaSignature, PublicArea};
use device_key_types::attestation::{Activation, Claim, Identity, TpmBytes};
use device_key_types::{OsRandom, ProtectionClass, PublicKey, Sha256Digest, Signature, UnixTime};
use device_key_verifier::attestation::{RootKind, TrustRoots, verify_identity};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};

use crate::figures::{Figures, Samples};

const ATTESTATIONS: usize = 2_000;

/// A time at which the certificates of the simulator's authority are valid. They expire in the year
/// 9999.
const NOW: UnixTime = UnixTime::from_seconds(4_000_000_000);
const SECRET: [u8; 32] = [7; 32];

/// Measures how long a backend takes to verify both halves of an attestation, and how long the four
/// signatures alone take: of the endorsement certificate, of its issuer's certificate, and two of
/// the attestation key.
pub(crate) fn measure(figures: &mut Figures, scratch: &Path) -> Result<()> {
    let evidence = Evidence::gather(scratch)?;
    let signatures = evidence.signatures()?;
    let [mut bare, mut whole] = <[Samples; 2]>::default();
    for _ in 0..ATTESTATIONS {
        let verify =
            |signed: &SignedBytes| signed.key.verify_sig(&signed.message, &signed.signature);
        let verified = bare.time(|| signatures.iter().try_for_each(verify));
        ensure!(verified.is_ok(), "each signature is good");
        let Evidence { identity, activation, claim, roots, .. } = &evidence;
        let claim = claim.clone();
        let verified = whole.time(|| {
            let identity = verify_identity(identity, claim, roots, NOW)?;
            identity.verify_activation(activation, &Sha256Digest::of(&SECRET), NOW)
        });
        ensure!(verified?.kind().as_str() == "simulated_tpm", "the attestation is good");
    }
    let ratio = whole.median() / bare.median();
    figures.add("verify an attestation / its four signatures alone, p50", ratio, 1.5, "x");
    figures.detail("verify the four signatures of an attestation alone", &bare);
    figures.detail("verify an attestation", &whole);
    Ok(())
}

struct Evidence {
    identity: Identity,
    activation: Activation,
    claim: Claim,
    roots: TrustRoots,
    root: Vec<u8>,
    issuer: Vec<u8>,
}

struct SignedBytes {
    key: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Evidence {
    /// Runs a real attestation on a simulator whose endorsement keys have certificates.
    fn gather(scratch: &Path) -> Result<Self> {
        let swtpm = Swtpm::start_with_endorsement();
        let settings =
            TpmSettings { allow_simulated: true, ..TpmSettings::at(swtpm.address().parse()?) };
        let keys = PrivateDir::open_or_create(&scratch.join("attested-keys"))?;
        let provider = TpmProvider::new(settings, keys);
        let key_id = SequenceRandom::key_id(1);
        let created = provider.create(&key_id)?;
        let binding = DeviceKeyBinding {
            key_id,
            owner: OwnerUid::new(1000),
            binding: samples::binding(),
            provider: PROVIDER_NAME.into(),
            protection_class: ProtectionClass::HardwareTpm,
            tpm_kind: created.tpm_kind,
            public_key: created.public_key.clone(),
            storage_parent: created.storage_parent,
            created_at: NOW,
            updated_at: NOW,
        };
        let mut challenge = samples::attestation_challenge();
        challenge.challenge_expires_at = NOW.saturating_add(600);
        let policy = samples::policy();
        let input = authorize_attestation(&policy, NOW, &binding, &challenge)?;
        let identity = provider.identity(&input, None)?;

        let [root, issuer] =
            [swtpm.root_certificate(), swtpm.issuer_certificate()].map(|path| pem(&path));
        let (root, issuer) = (root?, issuer?);
        let roots =
            TrustRoots::new([(&*root, RootKind::Simulated)])?.with_intermediates([&*issuer])?;
        let claim = Claim {
            challenge,
            key_id,
            public_key: created.public_key,
            protection_class: ProtectionClass::HardwareTpm,
        };
        let credential = verify_identity(&identity, claim.clone(), &roots, NOW)?
            .make_credential(&SECRET, &OsRandom)?;
        let activation = provider.activate(&input, &credential, None)?;
        Ok(Self { identity, activation, claim, roots, root, issuer })
    }

    fn signatures(&self) -> Result<Vec<SignedBytes>> {
        let Self { identity, activation, .. } = self;
        let [leaf, ..] = &*identity.endorsement_key_certificates else { bail!("no certificate") };
        let attestation_key = match PublicArea::parse(identity.attestation_key_public.as_bytes())? {
            PublicArea::EccP256(public) => {
                PublicKey::from_coordinates(&public.point().x(), &public.point().y())?
            }
            PublicArea::Other(_) => bail!("the attestation key is not a P-256 key"),
        };
        let attest = |attest: &TpmBytes, signature: &TpmBytes| {
            let EcdsaSignature { r, s } = EcdsaSignature::from_tpmt(signature.as_bytes())?;
            Ok::<_, anyhow::Error>(SignedBytes {
                key: key(&ECDSA_P256_SHA256_ASN1, attestation_key.spki_der())?,
                message: attest.as_bytes().to_vec(),
                signature: Signature::from_scalars(r, s)?.to_der(),
            })
        };
        Ok(vec![
            certificate(leaf.as_bytes(), &self.issuer)?,
            certificate(&self.issuer, &self.root)?,
            attest(
                &identity.attestation_key_creation_attest,
                &identity.attestation_key_creation_signature,
            )?,
            attest(&activation.attest, &activation.signature)?,
        ])
    }
}

/// `sha256WithRSAEncryption` (RFC 8017, appendix C).
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// `ecdsa-with-SHA384` (RFC 5758, 3.2).
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

fn certificate(certificate: &[u8], issuer: &[u8]) -> Result<SignedBytes> {
    let [certificate, issuer] = [certificate, issuer].map(Certificate::from_der);
    let (certificate, issuer) = (certificate?, issuer?);
    let algorithm: &'static dyn VerificationAlgorithm = match certificate.signature_algorithm().oid
    {
        RSA_SHA256 => &RSA_PKCS1_2048_8192_SHA256,
        ECDSA_SHA384 => &ECDSA_P384_SHA384_ASN1,
        other => bail!("a certificate is signed with the unsupported algorithm {other}"),
    };
    Ok(SignedBytes {
        key: key(algorithm, &issuer.tbs_certificate().subject_public_key_info().to_der()?)?,
        message: certificate.tbs_certificate().to_der()?,
        signature: certificate.signature().as_bytes().context("whole bytes")?.to_vec(),
    })
}

fn key(algorithm: &'static dyn VerificationAlgorithm, spki: &[u8]) -> Result<ParsedPublicKey> {
    ParsedPublicKey::new(algorithm, spki).ok().context("a public key")
}

/// Reads a PEM file (RFC 7468) and decodes its content.
fn pem(path: &Path) -> Result<Vec<u8>> {
    let text = fs::read_to_string(path)?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    Base64::decode_vec(&body).ok().context("a certificate in PEM")
}
