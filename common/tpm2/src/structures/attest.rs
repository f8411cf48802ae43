//! The statements that a TPM signs about itself and its objects (`TPMS_ATTEST`, Part 2, 10.12.12).

use super::name::Name;
use crate::constants::{
    GENERATED_VALUE, MAX_DIGEST, MAX_NAME, TAG_ATTEST_CERTIFY, TAG_ATTEST_CREATION,
};
use crate::marshal::{MarshalError, Reader};

#[cfg(test)]
mod tests;

/// A statement of a TPM. Trust it only together with a signature over [`Attest::as_bytes`] by a
/// restricted key of a genuine TPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attest {
    /// The qualified Name of the signing key. For a primary key this is [`Name::qualified_in`].
    pub qualified_signer: Name,
    /// The qualifying data that the caller passed, at most 66 bytes.
    pub extra_data: Vec<u8>,
    /// The TPM's clock. If the signing key is in neither the endorsement nor the platform
    /// hierarchy, both counts are obfuscated.
    pub clock: ClockInfo,
    /// The vendor's firmware version. It is obfuscated in the same cases as the counts.
    pub firmware_version: u64,
    /// The attested facts.
    pub attested: Attested,
    bytes: Vec<u8>,
}

/// The TPM's clock (`TPMS_CLOCK_INFO`, Part 2, 10.11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockInfo {
    /// How long the TPM has been powered, in milliseconds.
    pub clock: u64,
    /// How often the TPM was reset.
    pub reset_count: u32,
    /// How often the TPM was restarted or resumed since its last reset.
    pub restart_count: u32,
    /// Whether the TPM has never reported a greater value of `clock` before.
    pub safe: bool,
}

/// The attested facts (`TPMU_ATTEST`, Part 2, 10.12.11), of the kinds that this crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attested {
    /// `TPMS_CERTIFY_INFO` (Part 2, 10.12.3): an object is in this TPM.
    Certify {
        /// The object's Name.
        name: Name,
        /// The object's qualified Name, which depends on its parents up to the hierarchy.
        qualified_name: Name,
    },
    /// `TPMS_CREATION_INFO` (Part 2, 10.12.7): this TPM made an object in certain circumstances.
    Creation {
        /// The object's Name.
        object_name: Name,
        /// The hash of the object's [`CreationData`](super::CreationData) by its name algorithm, at
        /// most 64 bytes.
        creation_hash: Vec<u8>,
    },
}

impl Attest {
    /// Parses a whole `TPMS_ATTEST`, without the `TPM2B` size. Refuses a type that [`Attested`]
    /// does not have.
    pub fn parse(bytes: &[u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader::new(bytes);
        let magic = reader.u32("magic")?;
        if magic != GENERATED_VALUE {
            return Err(MarshalError::Value { field: "magic", value: u64::from(magic) });
        }
        // The type decides how the end of the structure is read, so check it before anything else.
        let attested = match reader.u16("type")? {
            TAG_ATTEST_CERTIFY => Attested::certify,
            TAG_ATTEST_CREATION => Attested::creation,
            other => return Err(MarshalError::Value { field: "type", value: u64::from(other) }),
        };
        let attest = Self {
            qualified_signer: Name::parse(&mut reader, "qualifiedSigner")?,
            extra_data: reader.sized(MAX_NAME, "extraData")?.to_vec(),
            clock: ClockInfo::parse(&mut reader)?,
            firmware_version: reader.u64("firmwareVersion")?,
            attested: attested(&mut reader)?,
            bytes: bytes.to_vec(),
        };
        reader.finish()?;
        Ok(attest)
    }

    /// The marshalled `TPMS_ATTEST`, without the `TPM2B` size. These are the signed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl ClockInfo {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        Ok(Self {
            clock: reader.u64("clock")?,
            reset_count: reader.u32("resetCount")?,
            restart_count: reader.u32("restartCount")?,
            // TPMI_YES_NO (Part 2, 9.2).
            safe: match reader.u8("safe")? {
                0 => false,
                1 => true,
                other => {
                    return Err(MarshalError::Value { field: "safe", value: u64::from(other) });
                }
            },
        })
    }
}

impl Attested {
    fn certify(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        Ok(Self::Certify {
            name: Name::parse(reader, "name")?,
            qualified_name: Name::parse(reader, "qualifiedName")?,
        })
    }

    fn creation(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        Ok(Self::Creation {
            object_name: Name::parse(reader, "objectName")?,
            creation_hash: reader.sized(MAX_DIGEST, "creationHash")?.to_vec(),
        })
    }
}
