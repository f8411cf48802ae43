//! Public areas of ECC P-256 keys (`TPMT_PUBLIC`, Part 2, 12.2.4) and the templates of the keys
//! that this project makes.

use super::attributes::ObjectAttributes;
use super::ecc_point::EccPoint;
use super::name::Name;
use crate::constants::{
    AES_KEY_BITS, ALG_AES, ALG_CFB, ALG_ECC, ALG_ECDSA, ALG_NULL, ALG_SHA256, CURVE_P256,
    SHA256_SIZE,
};
use crate::marshal::{MarshalError, Reader, Writer};

#[cfg(test)]
mod tests;

/// Largest accepted public area in bytes. The public area of an RSA-4096 key has about 600.
pub(crate) const MAX_PUBLIC: usize = 1024;

/// The algorithm with which a key encrypts its children (`TPMT_SYM_DEF_OBJECT`, Part 2, 11.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Symmetric {
    /// None, because the key is not a parent.
    Null,
    /// AES-128 in CFB mode.
    Aes128Cfb,
}

/// The signature scheme of a key (`TPMT_ECC_SCHEME`, Part 2, 11.2.5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The scheme is not fixed in the key.
    Null,
    /// The key signs only with ECDSA and SHA-256.
    EcdsaSha256,
}

/// Everything in the public area of a P-256 key except its point. The name algorithm is SHA-256,
/// and the KDF is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EccP256Template {
    /// What the key may do.
    pub attributes: ObjectAttributes,
    /// The `authPolicy`: empty, or a SHA-256 policy digest.
    pub policy: Vec<u8>,
    /// How the key encrypts its children.
    pub symmetric: Symmetric,
    /// The signature scheme of the key.
    pub scheme: Scheme,
}

impl EccP256Template {
    /// The template of the storage root key: the H-2 template of the "TCG EK Credential Profile"
    /// and the "TPM v2.0 Provisioning Guidance", with `noDA`.
    ///
    /// The key is created from a unique field of length zero. A unique field of 32 zero bytes gives
    /// another key.
    pub fn storage_root_key() -> Self {
        Self {
            attributes: STORAGE_PARENT | ObjectAttributes::NO_DA,
            policy: Vec::new(),
            symmetric: Symmetric::Aes128Cfb,
            scheme: Scheme::Null,
        }
    }

    /// The template of a device key, which this TPM makes and which never leaves it. ECDSA with
    /// SHA-256 is fixed in the public area. Because of `noDA`, a key with an empty authValue signs
    /// even while the TPM is locked out.
    pub fn device_key() -> Self {
        Self {
            attributes: FIXED_IN_TPM | ObjectAttributes::NO_DA | ObjectAttributes::SIGN,
            policy: Vec::new(),
            symmetric: Symmetric::Null,
            scheme: Scheme::EcdsaSha256,
        }
    }

    /// The template of an attestation key, which signs only data that the TPM itself made, with
    /// ECDSA and SHA-256. Make it as a primary key of the endorsement hierarchy: there the firmware
    /// version in an attestation is not obfuscated.
    pub fn attestation_key() -> Self {
        let device_key = Self::device_key();
        Self { attributes: device_key.attributes | ObjectAttributes::RESTRICTED, ..device_key }
    }

    /// Whether this is the template of a storage root key in the style of H-2, with or without
    /// `noDA`: other software makes its storage root key without it.
    pub fn is_storage_root_key(&self) -> bool {
        let mut plain = self.clone();
        plain.attributes = plain.attributes.with(ObjectAttributes::NO_DA);
        plain == Self::storage_root_key()
    }

    /// Writes the `TPM2B_PUBLIC` for a create command. `unique`, of at most 32 bytes, is written as
    /// the x coordinate; the y coordinate is empty.
    pub(crate) fn build_tpm2b(
        &self,
        unique: &[u8],
        writer: &mut Writer,
    ) -> Result<(), MarshalError> {
        let mut area = Writer::new();
        self.build_area(&mut area)?;
        area.put_sized(unique)?.put_sized(&[])?;
        writer.put_sized(area.as_bytes())?;
        Ok(())
    }

    fn build_area(&self, writer: &mut Writer) -> Result<(), MarshalError> {
        writer
            .put_u16(ALG_ECC)?
            .put_u16(ALG_SHA256)?
            .put_u32(self.attributes.bits())?
            .put_sized(&self.policy)?;
        match self.symmetric {
            Symmetric::Null => writer.put_u16(ALG_NULL)?,
            Symmetric::Aes128Cfb => {
                writer.put_u16(ALG_AES)?.put_u16(AES_KEY_BITS)?.put_u16(ALG_CFB)?
            }
        };
        match self.scheme {
            Scheme::Null => writer.put_u16(ALG_NULL)?,
            Scheme::EcdsaSha256 => writer.put_u16(ALG_ECDSA)?.put_u16(ALG_SHA256)?,
        };
        writer.put_u16(CURVE_P256)?.put_u16(ALG_NULL)?;
        Ok(())
    }
}

const FIXED_IN_TPM: ObjectAttributes = ObjectAttributes::FIXED_TPM
    .with(ObjectAttributes::FIXED_PARENT)
    .with(ObjectAttributes::SENSITIVE_DATA_ORIGIN)
    .with(ObjectAttributes::USER_WITH_AUTH);

const STORAGE_PARENT: ObjectAttributes =
    FIXED_IN_TPM.with(ObjectAttributes::RESTRICTED).with(ObjectAttributes::DECRYPT);

/// The public area of a P-256 key whose point is on the curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EccP256Public {
    template: EccP256Template,
    point: EccPoint,
    area: Vec<u8>,
}

impl EccP256Public {
    /// Builds a public area from a template and a point.
    pub fn new(template: EccP256Template, point: EccPoint) -> Result<Self, MarshalError> {
        let mut writer = Writer::new();
        template.build_area(&mut writer)?;
        point.build(&mut writer)?;
        Ok(Self { area: writer.as_bytes().to_vec(), template, point })
    }

    /// Everything in the public area except the point.
    pub const fn template(&self) -> &EccP256Template {
        &self.template
    }

    /// The public point.
    pub const fn point(&self) -> &EccPoint {
        &self.point
    }

    /// The Name, computed from the public area.
    pub fn name(&self) -> Name {
        Name::sha256(&self.area)
    }

    /// The marshalled `TPMT_PUBLIC`, without the `TPM2B` size.
    pub fn as_bytes(&self) -> &[u8] {
        &self.area
    }

    /// The whole `TPM2B_PUBLIC` with its size field, as a TSS2 PRIVATE KEY file holds it.
    pub fn to_tpm2b(&self) -> Vec<u8> {
        let mut bytes = u16::try_from(self.area.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.area);
        bytes
    }

    /// Parses a whole `TPM2B_PUBLIC` with its size field. Fails with [`MarshalError::Value`] if it
    /// is not the public area of a P-256 key of this kind.
    pub fn from_tpm2b(bytes: &[u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader::new(bytes);
        let area = PublicArea::parse_tpm2b(&mut reader)?;
        reader.finish()?;
        match area {
            PublicArea::EccP256(public) => Ok(*public),
            PublicArea::Other(other) => {
                Err(MarshalError::Value { field: "key type", value: u64::from(other.object_type) })
            }
        }
    }
}

/// The public area of any object, whether or not this crate can use the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicArea {
    /// A P-256 key with the name algorithm SHA-256 whose fields fit into an [`EccP256Template`].
    EccP256(Box<EccP256Public>),
    /// Any other object, such as an RSA key.
    Other(OtherPublic),
}

/// The public area of an object that this crate does not use. Only its first two fields are parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherPublic {
    /// The `TPMI_ALG_PUBLIC`, such as 0x0001 for RSA.
    pub object_type: u16,
    /// The name algorithm, such as 0x000B for SHA-256.
    pub name_algorithm: u16,
    area: Vec<u8>,
}

impl PublicArea {
    /// The Name, computed from the public area. `None` if the name algorithm is not SHA-256,
    /// SHA-384 or SHA-512.
    pub fn name(&self) -> Option<Name> {
        match self {
            Self::EccP256(public) => Some(public.name()),
            Self::Other(other) => Name::compute(other.name_algorithm, &other.area),
        }
    }

    /// The marshalled `TPMT_PUBLIC`, without the `TPM2B` size.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::EccP256(public) => public.as_bytes(),
            Self::Other(other) => &other.area,
        }
    }

    /// Parses a whole `TPMT_PUBLIC`, without the `TPM2B` size.
    pub fn parse(area: &[u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader::new(area);
        let object_type = reader.u16("type")?;
        let name_algorithm = reader.u16("nameAlg")?;
        if (object_type, name_algorithm) == (ALG_ECC, ALG_SHA256)
            && let Some(template) = parse_template(&mut reader)?
        {
            let point = EccPoint::parse(&mut reader)?;
            reader.finish()?;
            return Ok(Self::EccP256(Box::new(EccP256Public {
                template,
                point,
                area: area.to_vec(),
            })));
        }
        Ok(Self::Other(OtherPublic { object_type, name_algorithm, area: area.to_vec() }))
    }

    pub(crate) fn parse_tpm2b(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        Self::parse(reader.sized(MAX_PUBLIC, "public")?)
    }
}

/// Reads the fields between the name algorithm and the point. Returns `None` if they do not fit
/// into an [`EccP256Template`].
fn parse_template(reader: &mut Reader<'_>) -> Result<Option<EccP256Template>, MarshalError> {
    let attributes = reader.u32("objectAttributes")?;
    let policy = reader.sized(SHA256_SIZE, "authPolicy")?.to_vec();
    let symmetric = match reader.u16("symmetric")? {
        ALG_NULL => Symmetric::Null,
        ALG_AES => {
            let (bits, mode) = (reader.u16("keyBits")?, reader.u16("mode")?);
            if (bits, mode) != (AES_KEY_BITS, ALG_CFB) {
                return Ok(None);
            }
            Symmetric::Aes128Cfb
        }
        _ => return Ok(None),
    };
    let scheme = match reader.u16("scheme")? {
        ALG_NULL => Scheme::Null,
        ALG_ECDSA if reader.u16("scheme hash")? == ALG_SHA256 => Scheme::EcdsaSha256,
        _ => return Ok(None),
    };
    if reader.u16("curve")? != CURVE_P256 || reader.u16("kdf")? != ALG_NULL {
        return Ok(None);
    }
    // An unknown attribute means that this crate cannot use the key. It does not make the response
    // malformed.
    let Ok(attributes) = ObjectAttributes::try_from(attributes) else {
        return Ok(None);
    };
    Ok(Some(EccP256Template { attributes, policy, symmetric, scheme }))
}
