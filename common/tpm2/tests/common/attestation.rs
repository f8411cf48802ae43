//! Helpers for tests of attestations: attestation keys, and credentials made by another program.

use std::fs;
use std::process::Command;

use cfb_mode::cipher::KeyIvInit as _;
use device_key_testing::Swtpm;
use device_key_tpm2::{
    Certification, Credential, EccP256Public, EccP256Template, EccP384Point,
    EndorsementAuthorization, EndorsementPublic, EndorsementTemplate, Error, HashAlgorithm,
    Hierarchy, Name, Object, Primary, Session, Tpm, kdf,
};
use p256::pkcs8::EncodePublicKey as _;
use p384::elliptic_curve::sec1::ToSec1Point as _;
use zeroize::Zeroizing;

use crate::common::swtpm::soon;

/// Makes an attestation key with this unique value, which no other key in this TPM has.
pub(crate) fn attestation_key(tpm: &mut Tpm, unique: u8) -> Primary<EccP256Public> {
    let template = EccP256Template::attestation_key();
    tpm.create_primary(Hierarchy::Endorsement, &template, &[unique; 32], soon()).unwrap()
}

/// A credential that owns its two parts.
#[derive(Clone, Debug)]
pub(crate) struct OwnedCredential {
    pub(crate) blob: Vec<u8>,
    pub(crate) encrypted_secret: Vec<u8>,
}

impl OwnedCredential {
    /// Has tpm2-tools make a credential. This needs no TPM.
    pub(crate) fn from_tpm2_tools(
        swtpm: &Swtpm,
        secret: &[u8],
        endorsement_key: &EndorsementPublic,
        name: &Name,
    ) -> Self {
        let (blob, encrypted_secret) =
            swtpm.make_credential(endorsement_key.as_bytes(), name.as_bytes(), secret);
        Self { blob, encrypted_secret }
    }

    /// Makes a credential for a P-384 endorsement key with the key derivation functions of this
    /// crate (Part 1, section "Credential Protection"). The ephemeral key is fixed.
    pub(crate) fn from_public_kdfs(
        secret: &[u8],
        endorsement_key: &EccP384Point,
        name: &Name,
    ) -> Self {
        let hash = HashAlgorithm::Sha384;
        let ephemeral = p384::SecretKey::from_slice(&[9; 48]).unwrap();
        let ours = ephemeral.public_key().to_sec1_point(false);
        let (x, y) = (ours.x().unwrap(), ours.y().unwrap());
        let shared = p384::ecdh::diffie_hellman(
            ephemeral.to_nonzero_scalar(),
            endorsement_key.public_key().as_affine(),
        );
        let mut seed = [0; 48];
        let z = shared.raw_secret_bytes();
        kdf::kdfe(hash, z, "IDENTITY", x, endorsement_key.x(), &mut seed);

        let (mut storage, mut integrity) = ([0; 32], [0; 48]);
        kdf::kdfa(hash, &seed, "STORAGE", name.as_bytes(), &[], &mut storage);
        kdf::kdfa(hash, &seed, "INTEGRITY", &[], &[], &mut integrity);
        let mut identity = framed(secret);
        let encryptor = cfb_mode::Encryptor::<aes::Aes256>::new(&storage.into(), &[0; 16].into());
        encryptor.encrypt(&mut identity);
        let hmac = hash.hmac(&integrity, &[&identity, name.as_bytes()]);
        Self {
            blob: [framed(&hmac), identity].concat(),
            encrypted_secret: [framed(x), framed(y)].concat(),
        }
    }

    pub(crate) fn credential(&self) -> Credential<'_> {
        Credential { blob: &self.blob, encrypted_secret: &self.encrypted_secret }
    }
}

/// Encodes bytes as a `TPM2B`.
fn framed(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// Opens a credential with the endorsement key, with the authorization that the key's template
/// needs. Flushes the policy session that it opens.
pub(crate) fn activate(
    tpm: &mut Tpm,
    session: &mut Session,
    attestation_key: &Object,
    endorsement_key: &Primary<EndorsementPublic>,
    made: &OwnedCredential,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (object, credential) = (&endorsement_key.object, made.credential());
    if endorsement_key.public.template() == EndorsementTemplate::EccP384 {
        let with = (object, EndorsementAuthorization::EmptyPassword);
        return tpm.activate_credential(session, attestation_key, with, credential, soon());
    }
    let policy = tpm.start_policy_session(soon()).unwrap();
    tpm.policy_secret(&policy, Hierarchy::Endorsement, soon()).unwrap();
    let with = (object, EndorsementAuthorization::Policy(&policy));
    let secret = tpm.activate_credential(session, attestation_key, with, credential, soon());
    tpm.flush_policy_session(&policy, soon()).unwrap();
    secret
}

/// Whether OpenSSL accepts the key's signature over the statement.
pub(crate) fn openssl_verifies(
    swtpm: &Swtpm,
    key: &EccP256Public,
    certification: &Certification,
) -> bool {
    let [public, signature, statement] =
        ["ak.der", "signature", "attest"].map(|name| swtpm.path(name));
    let spki = key.point().public_key().to_public_key_der().unwrap();
    fs::write(&public, spki.as_bytes()).unwrap();
    let der = p256::ecdsa::Signature::from_slice(&certification.signature.to_bytes()).unwrap();
    fs::write(&signature, der.to_der().as_bytes()).unwrap();
    fs::write(&statement, certification.attest.as_bytes()).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-keyform", "DER", "-verify", &public]);
    openssl.args(["-signature", &signature, &statement]).output().unwrap().status.success()
}
