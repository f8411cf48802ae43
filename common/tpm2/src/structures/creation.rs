//! The circumstances in which an object was made (`TPMS_CREATION_DATA`, Part 2, 15.1), and the
//! TPM's ticket which confirms that this TPM made it (`TPMT_TK_CREATION`, Part 2, 10.7.3).

use std::fmt;

use crate::constants::{ALG_NULL, MAX_DIGEST, MAX_NAME, TAG_CREATION};
use crate::handle::Handle;
use crate::kdf::HashAlgorithm;
use crate::marshal::{MarshalError, Reader, Writer};

#[cfg(test)]
mod tests;

/// Largest number of banks in a selection: one for each hash algorithm of a TPM (`HASH_COUNT`, Part
/// 2, annex "Algorithm Constants"; implementations have 3 to 5).
const MAX_BANKS: u32 = 16;
/// Largest bitmap of a bank in bytes: 32 registers (`PCR_SELECT_MAX`, Part 2, 10.6.1; 24 registers
/// are usual).
const MAX_BITMAP: usize = 4;
/// Largest accepted creation data in bytes. Creation data with all banks has less than 500.
const MAX_CREATION_DATA: usize = 1024;

/// The circumstances in which an object was made. Trust them only if their hash is in an
/// attestation ([`Attested::Creation`](super::Attested::Creation)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreationData {
    /// The platform configuration registers that the creator selected.
    pub pcr_select: Vec<PcrSelection>,
    /// The digest of the values of these registers, at most 64 bytes. If no register was selected,
    /// it is the digest of no bytes.
    pub pcr_digest: Vec<u8>,
    /// The `TPMA_LOCALITY` (Part 2, 8.5).
    pub locality: u8,
    /// The parent's name algorithm. `TPM_ALG_NULL` (0x0010) if the parent is a hierarchy.
    pub parent_name_algorithm: u16,
    /// The parent's Name: the Name of an object, or the 4 bytes of a hierarchy's handle.
    pub parent_name: Vec<u8>,
    /// The parent's qualified Name, or the handle of the hierarchy again.
    pub parent_qualified_name: Vec<u8>,
    /// The data that the creator associated with the object, at most 66 bytes.
    pub outside_info: Vec<u8>,
    bytes: Vec<u8>,
}

/// The selected registers of one bank (`TPMS_PCR_SELECTION`, Part 2, 10.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcrSelection {
    /// The bank's hash algorithm, such as 0x000B for SHA-256.
    pub hash_algorithm: u16,
    /// One bit for each register, starting with the lowest bit of the first byte. At most 4 bytes.
    pub bitmap: Vec<u8>,
}

impl CreationData {
    /// Parses a whole `TPMS_CREATION_DATA`, without the `TPM2B` size.
    pub fn parse(bytes: &[u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader::new(bytes);
        let data = Self {
            pcr_select: PcrSelection::parse_list(&mut reader)?,
            pcr_digest: reader.sized(MAX_DIGEST, "pcrDigest")?.to_vec(),
            locality: reader.u8("locality")?,
            parent_name_algorithm: reader.u16("parentNameAlg")?,
            parent_name: reader.sized(MAX_NAME, "parentName")?.to_vec(),
            parent_qualified_name: reader.sized(MAX_NAME, "parentQualifiedName")?.to_vec(),
            outside_info: reader.sized(MAX_NAME, "outsideInfo")?.to_vec(),
            bytes: bytes.to_vec(),
        };
        reader.finish()?;
        Ok(data)
    }

    /// The hierarchy of a primary object, whose handle is both the parent's Name and its qualified
    /// Name. `None` if the parent is an object, or if the three fields about the parent contradict
    /// each other.
    pub fn hierarchy(&self) -> Option<Handle> {
        let handle = <[u8; 4]>::try_from(self.parent_name.as_slice()).ok()?;
        let consistent = self.parent_name_algorithm == ALG_NULL
            && self.parent_qualified_name == self.parent_name;
        consistent.then(|| Handle::new(u32::from_be_bytes(handle)))
    }

    /// The hash of the creation data by the name algorithm of the new object. An attestation holds
    /// it as `creationHash`.
    pub fn hash(&self, algorithm: HashAlgorithm) -> Vec<u8> {
        algorithm.digest(&[&self.bytes])
    }

    /// The marshalled `TPMS_CREATION_DATA`, without the `TPM2B` size.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PcrSelection {
    fn parse_list(reader: &mut Reader<'_>) -> Result<Vec<Self>, MarshalError> {
        let count = reader.u32("pcrSelect")?;
        if count > MAX_BANKS {
            return Err(MarshalError::Value { field: "pcrSelect", value: u64::from(count) });
        }
        (0..count).map(|_| Self::parse(reader)).collect()
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        let hash_algorithm = reader.u16("pcrSelect hash")?;
        let (field, size) = ("sizeofSelect", usize::from(reader.u8("sizeofSelect")?));
        if size > MAX_BITMAP {
            return Err(MarshalError::TooLong { field, size, limit: MAX_BITMAP });
        }
        Ok(Self { hash_algorithm, bitmap: reader.take(size, field)?.to_vec() })
    }
}

/// What `TPM2_CreatePrimary` returns about a creation. `TPM2_CertifyCreation` takes it as an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreationEvidence {
    /// The circumstances of the creation.
    pub data: CreationData,
    /// The hash of the circumstances by the new object's name algorithm, at most 64 bytes.
    pub hash: Vec<u8>,
    /// The TPM's ticket for the object and the hash.
    pub ticket: CreationTicket,
}

/// A `TPMT_TK_CREATION`: an HMAC with a secret of the TPM's hierarchy. Only the TPM that made the
/// ticket can check it, and only until its next reset.
#[derive(Clone, PartialEq, Eq)]
pub struct CreationTicket {
    hierarchy: Handle,
    digest: Vec<u8>,
}

impl CreationEvidence {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        Ok(Self {
            data: CreationData::parse(reader.sized(MAX_CREATION_DATA, "creationData")?)?,
            hash: reader.sized(MAX_DIGEST, "creationHash")?.to_vec(),
            ticket: CreationTicket::parse(reader)?,
        })
    }
}

impl CreationTicket {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        let tag = reader.u16("creationTicket tag")?;
        if tag != TAG_CREATION {
            return Err(MarshalError::Value { field: "creationTicket tag", value: u64::from(tag) });
        }
        Ok(Self {
            hierarchy: Handle::new(reader.u32("creationTicket hierarchy")?),
            digest: reader.sized(MAX_DIGEST, "creationTicket digest")?.to_vec(),
        })
    }

    pub(crate) fn build(&self, writer: &mut Writer) -> Result<(), MarshalError> {
        writer.put_u16(TAG_CREATION)?.put_u32(self.hierarchy.value())?.put_sized(&self.digest)?;
        Ok(())
    }
}

impl fmt::Debug for CreationTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreationTicket({})", self.hierarchy)
    }
}
