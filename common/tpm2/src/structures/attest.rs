//! What a TPM signs about itself and its objects (`TPMS_ATTEST`, Part 2, 10.12.12).

use super::Name;
use crate::constants::{
    GENERATED_VALUE, MAX_DIGEST, MAX_NAME, TAG_ATTEST_CERTIFY, TAG_ATTEST_CREATION,
};
use crate::marshal::{MarshalError, Reader};

#[cfg(test)]
mod tests;

/// A statement of a TPM. It says something only with a signature over [`Attest::as_bytes`] by a restricted key
/// of a genuine TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attest {
    /// The qualified Name of the key that signs: [`Name::qualified_in`] of a primary key.
    pub qualified_signer: Name,
    /// The qualifying data of the caller, at most 66 bytes.
    pub extra_data: Vec<u8>,
    /// The TPM's clock. Outside of the endorsement and platform hierarchies both counts are obfuscated.
    pub clock: ClockInfo,
    /// The vendor's firmware version, obfuscated like the counts.
    pub firmware_version: u64,
    /// What is attested.
    pub attested: Attested,
    bytes: Vec<u8>,
}

/// The TPM's clock (`TPMS_CLOCK_INFO`, Part 2, 10.11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockInfo {
    /// Milliseconds that the TPM has been powered.
    pub clock: u64,
    /// How often it was reset.
    pub reset_count: u32,
    /// How often it was restarted or resumed since the reset.
    pub restart_count: u32,
    /// Whether no greater clock was reported before.
    pub safe: bool,
}

/// What is attested (`TPMU_ATTEST`, Part 2, 10.12.11), of the kinds used here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attested {
    /// `TPMS_CERTIFY_INFO` (Part 2, 10.12.3): an object is in this TPM.
    Certify {
        /// The object's Name.
        name: Name,
        /// The same with its parents up to the hierarchy.
        qualified_name: Name,
    },
    /// `TPMS_CREATION_INFO` (Part 2, 10.12.7): this TPM made an object, in these circumstances.
    Creation {
        /// The object's Name.
        object_name: Name,
        /// The hash of its [`CreationData`](super::CreationData) by its name algorithm, at most 64 bytes.
        creation_hash: Vec<u8>,
    },
}

impl Attest {
    /// Parses a whole `TPMS_ATTEST`, without the `TPM2B` size. Other types than those of [`Attested`] are
    /// refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader::new(bytes);
        let magic = reader.u32("magic")?;
        if magic != GENERATED_VALUE {
            return Err(MarshalError::Value { field: "magic", value: u64::from(magic) });
        }
        // The type decides what comes last, so it is matched before anything else is read.
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

    /// The marshalled `TPMS_ATTEST`, without the `TPM2B` size: what is signed.
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
