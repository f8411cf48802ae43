//! The evidence of an attestation, as both sides of the wire use it.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding as _};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{Sha256Digest, UnknownName};

/// The kinds of endorsement keys. Each kind has one standard template (TCG EK Credential Profile
/// for TPM Family 2.0, annex B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EndorsementKeyKind {
    /// RSA of 2048 bits, template L-1.
    #[serde(rename = "rsa_2048")]
    Rsa2048,
    /// ECC on P-256, template L-2.
    #[serde(rename = "ecc_p256")]
    EccP256,
    /// ECC on P-384, template H-3.
    #[serde(rename = "ecc_p384")]
    EccP384,
}

impl EndorsementKeyKind {
    /// Every kind, in the order in which a device tries them if the backend asks for none. The ECC
    /// kinds come first, because a TPM makes an ECC key in a fraction of the time of an RSA key.
    pub const ALL: [Self; 3] = [Self::EccP256, Self::EccP384, Self::Rsa2048];

    /// The kind's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa_2048",
            Self::EccP256 => "ecc_p256",
            Self::EccP384 => "ecc_p384",
        }
    }
}

impl fmt::Display for EndorsementKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EndorsementKeyKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownName)
    }
}

/// The text is not standard, padded base64 of at most [`TpmBytes::MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base64 of a TPM structure")]
pub struct InvalidEvidence;

/// The bytes of a TPM structure or a certificate, which this type does not parse. The text form is
/// standard, padded base64. `Debug` shows only the length, because some structures identify a
/// machine for good.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TpmBytes(Box<[u8]>);

impl TpmBytes {
    /// The largest number of bytes: a TPM's largest message (`TPM_PT_MAX_RESPONSE_SIZE`).
    pub const MAX: usize = 4096;

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for TpmBytes {
    type Error = InvalidEvidence;

    fn try_from(bytes: Vec<u8>) -> Result<Self, InvalidEvidence> {
        if bytes.len() > Self::MAX { Err(InvalidEvidence) } else { Ok(Self(bytes.into())) }
    }
}

impl FromStr for TpmBytes {
    type Err = InvalidEvidence;

    fn from_str(text: &str) -> Result<Self, InvalidEvidence> {
        if text.len() > Self::MAX.div_ceil(3) * 4 {
            return Err(InvalidEvidence);
        }
        Base64::decode_vec(text).map_err(|_| InvalidEvidence)?.try_into()
    }
}

impl fmt::Debug for TpmBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TpmBytes({} bytes)", self.0.len())
    }
}

impl Serialize for TpmBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Base64::encode_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for TpmBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The identity of a TPM, and the keys in it that an attestation is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The kind of the endorsement key.
    pub endorsement_key: EndorsementKeyKind,
    /// The endorsement key's `TPMT_PUBLIC`.
    #[serde(rename = "endorsementKeyPublicBase64")]
    pub endorsement_key_public: TpmBytes,
    /// The endorsement key's certificate, then the other certificates that the TPM stores with it,
    /// X.509 in DER. Empty if the TPM stores none.
    #[serde(rename = "endorsementKeyCertificatesBase64")]
    pub endorsement_key_certificates: Vec<TpmBytes>,
    /// `TPMT_PUBLIC` of the attestation key, which is made only for this device key.
    #[serde(rename = "attestationKeyPublicBase64")]
    pub attestation_key_public: TpmBytes,
    /// The attestation key's `TPMS_CREATION_DATA`.
    #[serde(rename = "attestationKeyCreationDataBase64")]
    pub attestation_key_creation_data: TpmBytes,
    /// `TPMS_ATTEST` of `TPM2_CertifyCreation` of the attestation key by itself, with
    /// [`Claim::identity_digest`](super::Claim::identity_digest) as `extraData`.
    #[serde(rename = "attestationKeyCreationAttestBase64")]
    pub attestation_key_creation_attest: TpmBytes,
    /// `TPMT_SIGNATURE` over `attestation_key_creation_attest`.
    #[serde(rename = "attestationKeyCreationSignatureBase64")]
    pub attestation_key_creation_signature: TpmBytes,
    /// The device key's `TPMT_PUBLIC`.
    #[serde(rename = "keyPublicBase64")]
    pub key_public: TpmBytes,
}

/// An encrypted secret, made by `TPM2_MakeCredential` (Part 1, section "Credential Protection").
///
/// Only the TPM with the endorsement key gives up the secret, and only while the attestation key is
/// loaded in this TPM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The content of `TPM2B_ID_OBJECT`: an integrity HMAC and the encrypted secret.
    #[serde(rename = "credentialBlob")]
    pub blob: TpmBytes,
    /// The content of `TPM2B_ENCRYPTED_SECRET`: the seed of the keys of `blob`, encrypted to the
    /// endorsement key.
    #[serde(rename = "encryptedSecret")]
    pub encrypted_secret: TpmBytes,
}

/// The secret of an activated credential, and the certification of the device key made with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    /// The backend's secret.
    #[serde(rename = "secretBase64")]
    pub secret: ActivatedSecret,
    /// `TPMS_ATTEST` of `TPM2_Certify` of the device key by the attestation key, with
    /// [`Claim::certification_digest`](super::Claim::certification_digest) as `extraData`.
    #[serde(rename = "attestBase64")]
    pub attest: TpmBytes,
    /// `TPMT_SIGNATURE` over `attest`.
    #[serde(rename = "attestSignatureBase64")]
    pub signature: TpmBytes,
}

/// The secret of a credential, 1 to [`ActivatedSecret::MAX`] bytes. The text form is standard,
/// padded base64. `Debug` hides the secret, and its memory is wiped when it is dropped. Compare
/// digests of secrets, not their bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct ActivatedSecret(Zeroizing<Vec<u8>>);

impl ActivatedSecret {
    /// The length in bytes of the longest secret that an endorsement key can carry: a digest of its
    /// name algorithm, at most SHA-384 (`TPM2_MakeCredential`, Part 3, 12.6).
    pub const MAX: usize = 48;

    /// Keeps the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidEvidence> {
        if bytes.is_empty() || bytes.len() > Self::MAX {
            return Err(InvalidEvidence);
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the bytes, as the digest of a certification contains it.
    pub fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&self.0)
    }
}

impl fmt::Debug for ActivatedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivatedSecret(…)")
    }
}

impl Serialize for ActivatedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(Base64::encode_string(&self.0)))
    }
}

impl<'de> Deserialize<'de> for ActivatedSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = Base64::decode_vec(&text).map(Zeroizing::new);
        Self::from_bytes(&bytes.map_err(|_| D::Error::custom(InvalidEvidence))?)
            .map_err(D::Error::custom)
    }
}
