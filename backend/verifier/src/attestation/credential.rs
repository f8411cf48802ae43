//! `TPM2_MakeCredential` in software (TPM 2.0 Library, Part 1, section "Credential Protection";
//! Part 3, section "`TPM2_MakeCredential`").

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents,
};
use device_key_tpm2::kdf::{kdfa, kdfe};
use device_key_tpm2::marshal::{MarshalError, Writer};
use device_key_tpm2::{EndorsementKey, EndorsementPublic, HashAlgorithm, Name};
use device_key_types::attestation::{Credential, InvalidEvidence};
use device_key_types::{RandomSource, RandomUnavailable};
use zeroize::Zeroizing;

/// The length of a credential's secret in bytes. A secret can be as long as a digest of the
/// endorsement key's name algorithm, and the shortest of these digests has 32 bytes.
pub const SECRET_BYTES: usize = 32;

/// The labels of the key derivations (Part 1, section "Credential Protection"). A label ends with a
/// zero byte. The key derivations add the zero byte; OAEP does not.
const IDENTITY: &str = "IDENTITY";
const IDENTITY_WITH_ZERO: &[u8] = b"IDENTITY\0";
const STORAGE: &str = "STORAGE";
const INTEGRITY: &str = "INTEGRITY";

/// How many random numbers are tried as a private key. About one number in 2^32 is not a valid key.
const SCALAR_ATTEMPTS: usize = 8;

/// Why no credential could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The endorsement key matches a standard template but cannot be used. An RSA modulus that is
    /// even is an example.
    #[error("the endorsement key cannot be used")]
    EndorsementKey,
    /// A structure is longer than its limit. The lengths of the inputs rule this out.
    #[error("the credential does not fit")]
    Size,
}

/// Wraps a secret for the TPM with this endorsement key. The TPM unwraps the secret
/// (`TPM2_ActivateCredential`) only while the object with the Name `attestation_key` is loaded.
///
/// The seed and the ephemeral key come from `random`. For an RSA key, aws-lc draws the padding of
/// the seed from its own source, which cannot be replaced.
pub fn make_credential(
    endorsement_key: &EndorsementPublic,
    attestation_key: &Name,
    secret: &[u8; SECRET_BYTES],
    random: &dyn RandomSource,
) -> Result<Credential, CredentialError> {
    let hash = endorsement_key.template().name_algorithm();
    let SharedSeed { seed, encrypted_secret } = match endorsement_key.key() {
        EndorsementKey::Rsa2048(modulus) => encrypted_seed(modulus, hash, random)?,
        EndorsementKey::EccP256(point) => {
            agreed_seed(&P256, [&point.x(), &point.y()], hash, random)?
        }
        EndorsementKey::EccP384(point) => agreed_seed(&P384, [point.x(), point.y()], hash, random)?,
    };
    let name = attestation_key.as_bytes();

    let mut identity = Writer::new();
    identity.put_sized(secret)?;
    let mut key = Zeroizing::new(vec![0; endorsement_key.template().symmetric_key_size()]);
    kdfa(hash, &seed, STORAGE, name, &[], &mut key);
    let encrypted = encrypt(&key, identity.as_bytes())?;

    let mut key = Zeroizing::new(vec![0; hash.size()]);
    kdfa(hash, &seed, INTEGRITY, &[], &[], &mut key);
    let mut blob = Writer::new();
    blob.put_sized(&hash.hmac(&key, &[&encrypted, name]))?.put(&encrypted)?;
    Ok(Credential {
        blob: blob.as_bytes().to_vec().try_into()?,
        encrypted_secret: encrypted_secret.try_into()?,
    })
}

/// A seed, and the encrypted form in which the TPM receives it (the content of
/// `TPM2B_ENCRYPTED_SECRET`).
struct SharedSeed {
    seed: Zeroizing<Vec<u8>>,
    encrypted_secret: Vec<u8>,
}

/// Draws a seed and encrypts it with RSA-OAEP, using the key's name algorithm (Part 1, annex "RSA",
/// section "Secret Sharing").
fn encrypted_seed(
    modulus: &[u8; 256],
    hash: HashAlgorithm,
    random: &dyn RandomSource,
) -> Result<SharedSeed, CredentialError> {
    let mut seed = Zeroizing::new(vec![0; hash.size()]);
    random.fill(&mut seed)?;
    let components = PublicKeyComponents { n: modulus.as_slice(), e: &[0x01, 0x00, 0x01] };
    let key: PublicEncryptingKey = components.try_into()?;
    let mut encrypted_secret = vec![0; modulus.len()];
    OaepPublicEncryptingKey::new(key)?.encrypt(
        &OAEP_SHA256_MGF1SHA256,
        &seed,
        &mut encrypted_secret,
        Some(IDENTITY_WITH_ZERO),
    )?;
    Ok(SharedSeed { seed, encrypted_secret })
}

/// A curve that endorsement keys use. `coordinate` is the length of a coordinate in bytes.
struct Curve {
    algorithm: &'static agreement::Algorithm,
    coordinate: usize,
}

static P256: Curve = Curve { algorithm: &ECDH_P256, coordinate: 32 };
static P384: Curve = Curve { algorithm: &ECDH_P384, coordinate: 48 };

/// Derives a seed by one-pass ECDH (Part 1, annex "ECC", section "Secret Sharing").
fn agreed_seed(
    curve: &Curve,
    [x, y]: [&[u8]; 2],
    hash: HashAlgorithm,
    random: &dyn RandomSource,
) -> Result<SharedSeed, CredentialError> {
    let ephemeral = ephemeral_key(curve, random)?;
    let public_key = ephemeral.compute_public_key()?;
    // SEC 1, 2.3.3: 0x04, x, y.
    let (_, point) =
        public_key.as_ref().split_at_checked(1).ok_or(CredentialError::EndorsementKey)?;
    let (ephemeral_x, ephemeral_y) =
        point.split_at_checked(curve.coordinate).ok_or(CredentialError::EndorsementKey)?;

    let mut seed = Zeroizing::new(vec![0; hash.size()]);
    let peer = UnparsedPublicKey::new(curve.algorithm, [&[0x04], x, y].concat());
    agreement::agree(&ephemeral, peer, CredentialError::EndorsementKey, |shared_x| {
        kdfe(hash, shared_x, IDENTITY, ephemeral_x, x, &mut seed);
        Ok(())
    })?;
    let mut encrypted_secret = Writer::new();
    encrypted_secret.put_sized(ephemeral_x)?.put_sized(ephemeral_y)?;
    Ok(SharedSeed { seed, encrypted_secret: encrypted_secret.as_bytes().to_vec() })
}

fn ephemeral_key(curve: &Curve, random: &dyn RandomSource) -> Result<PrivateKey, CredentialError> {
    let mut scalar = Zeroizing::new(vec![0; curve.coordinate]);
    for _ in 0..SCALAR_ATTEMPTS {
        random.fill(&mut scalar)?;
        if let Ok(key) = PrivateKey::from_private_key(curve.algorithm, &scalar) {
            return Ok(key);
        }
    }
    Err(RandomUnavailable.into())
}

/// Encrypts with AES in CFB mode. The initialization vector is zero, because the key is used only
/// once (Part 1, section "Credential Protection").
fn encrypt(key: &[u8], plain: &[u8]) -> Result<Vec<u8>, CredentialError> {
    let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    let vector = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    let key = UnboundCipherKey::new(algorithm, key)?;
    let mut encryption = StreamingEncryptingKey::less_safe_cfb128(key, vector)?;
    // The interface requires room for one more block. CFB is a stream mode and does not fill it.
    let mut encrypted = vec![0; plain.len().saturating_add(16)];
    let written = encryption.update(plain, &mut encrypted)?.written().len();
    encrypted.truncate(written);
    Ok(encrypted)
}

impl From<Unspecified> for CredentialError {
    fn from(_: Unspecified) -> Self {
        Self::EndorsementKey
    }
}

impl From<MarshalError> for CredentialError {
    fn from(_: MarshalError) -> Self {
        Self::Size
    }
}

impl From<InvalidEvidence> for CredentialError {
    fn from(_: InvalidEvidence) -> Self {
        Self::Size
    }
}
