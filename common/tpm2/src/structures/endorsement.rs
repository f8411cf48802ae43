//! Endorsement keys made from three standard templates (TCG "EK Credential Profile for TPM Family
//! 2.0", annex B: templates L-1, L-2 and H-3).

use super::attributes::ObjectAttributes;
use super::ecc_p384_point::EccP384Point;
use super::ecc_point::EccPoint;
use super::name::Name;
use crate::constants::{
    ALG_AES, ALG_CFB, ALG_ECC, ALG_NULL, ALG_RSA, CURVE_P256, CURVE_P384, SHA256_SIZE,
};
use crate::handle::Handle;
use crate::kdf::HashAlgorithm;
use crate::marshal::{MarshalError, Reader, Writer};

#[cfg(test)]
mod tests;

/// Bytes in an RSA-2048 modulus.
const MODULUS: usize = 256;
/// Bits in an RSA-2048 modulus: the value of `keyBits` in a TPM structure.
const MODULUS_BITS: u16 = 2048;

/// The template from which a TPM derives an endorsement key.
///
/// The derived key is the same every time until the endorsement seed is changed, so the key
/// identifies the TPM. Do not show it to anyone who has no right to identify the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndorsementTemplate {
    /// L-1: RSA-2048, name algorithm SHA-256, AES-128. The key is used with a policy session.
    Rsa2048,
    /// L-2: ECC P-256, name algorithm SHA-256, AES-128. The key is used with a policy session.
    EccP256,
    /// H-3: ECC P-384, name algorithm SHA-384, AES-256. The key is used with its empty authValue or
    /// with a policy session.
    EccP384,
}

impl EndorsementTemplate {
    /// All templates.
    pub const ALL: [Self; 3] = [Self::Rsa2048, Self::EccP256, Self::EccP384];

    /// The NV index at which the manufacturer stores the key's certificate, if there is one (TCG
    /// "EK Credential Profile", section "NV Index Assignments", low and high range).
    pub const fn certificate_index(self) -> Handle {
        Handle::new(match self {
            Self::Rsa2048 => 0x01C0_0002,
            Self::EccP256 => 0x01C0_000A,
            Self::EccP384 => 0x01C0_0016,
        })
    }

    /// The handle at which the key usually is if somebody made it persistent (TCG "Registry of
    /// Reserved TPM 2.0 Handles and Localities", 2.3.1: 0x81010000 to 0x8101FFFF are for
    /// endorsement keys; which handle within this range belongs to which key is only a custom). Any
    /// object can be there, so compare its public area.
    pub const fn persistent_handle(self) -> Handle {
        Handle::new(match self {
            Self::Rsa2048 => 0x8101_0001,
            Self::EccP256 => 0x8101_0002,
            Self::EccP384 => 0x8101_0016,
        })
    }

    /// The key's name algorithm. It is also the hash algorithm of a credential for the key.
    pub const fn name_algorithm(self) -> HashAlgorithm {
        match self {
            Self::Rsa2048 | Self::EccP256 => HashAlgorithm::Sha256,
            Self::EccP384 => HashAlgorithm::Sha384,
        }
    }

    /// The size, in bytes, of the AES key that encrypts a credential for this key (CFB mode).
    pub const fn symmetric_key_size(self) -> usize {
        match self {
            Self::Rsa2048 | Self::EccP256 => 16,
            Self::EccP384 => 32,
        }
    }

    const fn attributes(self) -> ObjectAttributes {
        let common = ObjectAttributes::FIXED_TPM
            .with(ObjectAttributes::FIXED_PARENT)
            .with(ObjectAttributes::SENSITIVE_DATA_ORIGIN)
            .with(ObjectAttributes::ADMIN_WITH_POLICY)
            .with(ObjectAttributes::RESTRICTED)
            .with(ObjectAttributes::DECRYPT);
        match self {
            Self::Rsa2048 | Self::EccP256 => common,
            Self::EccP384 => common.with(ObjectAttributes::USER_WITH_AUTH),
        }
    }

    const fn policy(self) -> &'static [u8] {
        match self {
            Self::Rsa2048 | Self::EccP256 => &POLICY_A_SHA256,
            Self::EccP384 => &POLICY_B_SHA384,
        }
    }

    /// Writes the `TPM2B_PUBLIC` for `TPM2_CreatePrimary`, with the unique field that the profile
    /// prescribes: in the low range, zeros as long as the key; in the high range, an empty field.
    pub(crate) fn build_tpm2b(self, writer: &mut Writer) -> Result<(), MarshalError> {
        let mut area = Writer::new();
        self.build_area(&mut area)?;
        match self {
            Self::Rsa2048 => area.put_sized(&[0; MODULUS])?,
            Self::EccP256 => area.put_sized(&[0; 32])?.put_sized(&[0; 32])?,
            Self::EccP384 => area.put_sized(&[])?.put_sized(&[])?,
        };
        writer.put_sized(area.as_bytes())?;
        Ok(())
    }

    /// Writes the public area without the unique field.
    fn build_area(self, writer: &mut Writer) -> Result<(), MarshalError> {
        let key_bits = match self {
            Self::Rsa2048 | Self::EccP256 => 128,
            Self::EccP384 => 256,
        };
        writer
            .put_u16(if self == Self::Rsa2048 { ALG_RSA } else { ALG_ECC })?
            .put_u16(self.name_algorithm().identifier())?
            .put_u32(self.attributes().bits())?
            .put_sized(self.policy())?
            .put_u16(ALG_AES)?
            .put_u16(key_bits)?
            .put_u16(ALG_CFB)?
            .put_u16(ALG_NULL)?;
        match self {
            // Exponent 0 stands for the default, 2^16 + 1 (Part 2, 12.2.3.5).
            Self::Rsa2048 => writer.put_u16(MODULUS_BITS)?.put_u32(0)?,
            Self::EccP256 => writer.put_u16(CURVE_P256)?.put_u16(ALG_NULL)?,
            Self::EccP384 => writer.put_u16(CURVE_P384)?.put_u16(ALG_NULL)?,
        };
        Ok(())
    }
}

/// `PolicyA` with SHA-256 (TCG "EK Credential Profile", annex B): `TPM2_PolicySecret` with the
/// endorsement hierarchy.
const POLICY_A_SHA256: [u8; SHA256_SIZE] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// `PolicyB` with SHA-384 (TCG "EK Credential Profile", annex B): either `TPM2_PolicySecret` with
/// the endorsement hierarchy, or the policy of NV index 0x01C07F02.
const POLICY_B_SHA384: [u8; 48] = [
    0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a,
    0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca,
    0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12,
];

/// The public key in an endorsement key's public area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndorsementKey {
    /// The modulus, big-endian, 2048 bits. The exponent is 65537.
    Rsa2048([u8; MODULUS]),
    /// A point on P-256.
    EccP256(EccPoint),
    /// A point on P-384.
    EccP384(EccP384Point),
}

/// The public area of an endorsement key, made from a standard template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorsementPublic {
    template: EndorsementTemplate,
    key: EndorsementKey,
    area: Vec<u8>,
}

impl EndorsementPublic {
    /// Parses a whole `TPMT_PUBLIC`, without the `TPM2B` size.
    ///
    /// Everything but the key must match a template bit for bit. Fails with
    /// [`MarshalError::NotEndorsementKey`] if it matches none.
    pub fn parse(area: &[u8]) -> Result<Self, MarshalError> {
        for template in EndorsementTemplate::ALL {
            let mut prefix = Writer::new();
            template.build_area(&mut prefix)?;
            if let Some(unique) = area.strip_prefix(prefix.as_bytes()) {
                let mut reader = Reader::new(unique);
                let key = EndorsementKey::parse(template, &mut reader)?;
                reader.finish()?;
                return Ok(Self { template, key, area: area.to_vec() });
            }
        }
        Err(MarshalError::NotEndorsementKey)
    }

    /// The template of this key.
    pub const fn template(&self) -> EndorsementTemplate {
        self.template
    }

    /// The public key.
    pub const fn key(&self) -> &EndorsementKey {
        &self.key
    }

    /// The key's Name, computed from the public area with the name algorithm of the template.
    pub fn name(&self) -> Name {
        Name::hashed(self.template.name_algorithm(), &self.area)
    }

    /// The marshalled `TPMT_PUBLIC`, without the `TPM2B` size.
    pub fn as_bytes(&self) -> &[u8] {
        &self.area
    }
}

impl EndorsementKey {
    fn parse(template: EndorsementTemplate, reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        Ok(match template {
            EndorsementTemplate::Rsa2048 => Self::Rsa2048(modulus(reader)?),
            EndorsementTemplate::EccP256 => Self::EccP256(EccPoint::parse(reader)?),
            EndorsementTemplate::EccP384 => Self::EccP384(EccP384Point::parse(reader)?),
        })
    }
}

/// Reads a `TPM2B_PUBLIC_KEY_RSA` (Part 2, 11.2.4.5), which must hold a number of exactly 2048
/// bits.
fn modulus(reader: &mut Reader<'_>) -> Result<[u8; MODULUS], MarshalError> {
    let field = "modulus";
    let bytes = reader.sized(MODULUS, field)?;
    let modulus =
        <[u8; MODULUS]>::try_from(bytes).map_err(|_| MarshalError::Truncated { field })?;
    let [first, ..] = modulus;
    if first & 0x80 == 0 {
        return Err(MarshalError::Value { field, value: u64::from(first) });
    }
    Ok(modulus)
}
