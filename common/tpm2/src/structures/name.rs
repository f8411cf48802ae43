//! Names, which identify an object independently of its handle (`TPM2B_NAME`, Part 1, section
//! "Names").

use std::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::constants::{ALG_SHA256, ALG_SHA384, ALG_SHA512, MAX_NAME};
use crate::handle::Handle;
use crate::kdf::HashAlgorithm;
use crate::marshal::{MarshalError, Reader};

/// The Name of an object: its name algorithm (2 bytes, big-endian) followed by the hash of its
/// public area.
///
/// Only Names with SHA-256, SHA-384 or SHA-512 can be held, because this crate recomputes every
/// Name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// Computes the Name of an object with the name algorithm SHA-256 from its marshalled
    /// `TPMT_PUBLIC`.
    pub(crate) fn sha256(public_area: &[u8]) -> Self {
        Self::join(ALG_SHA256, &Sha256::digest(public_area))
    }

    /// Computes the Name of an object with any supported name algorithm from its marshalled
    /// `TPMT_PUBLIC`.
    pub(crate) fn hashed(algorithm: HashAlgorithm, public_area: &[u8]) -> Self {
        Self::join(algorithm.identifier(), &algorithm.digest(&[public_area]))
    }

    /// Computes the Name of an object from its marshalled `TPMT_PUBLIC`. Returns `None` if this
    /// crate cannot compute the name algorithm.
    pub(crate) fn compute(name_algorithm: u16, public_area: &[u8]) -> Option<Self> {
        match name_algorithm {
            ALG_SHA256 => Some(Self::sha256(public_area)),
            ALG_SHA384 => Some(Self::join(ALG_SHA384, &Sha384::digest(public_area))),
            ALG_SHA512 => Some(Self::join(ALG_SHA512, &Sha512::digest(public_area))),
            _ => None,
        }
    }

    fn join(algorithm: u16, digest: &[u8]) -> Self {
        Self([&algorithm.to_be_bytes(), digest].concat())
    }

    /// The qualified Name of a primary object in a hierarchy (Part 1, section "Names"): its name
    /// algorithm, followed by the hash of the hierarchy's handle and the Name. The qualified Name
    /// tells in which hierarchy a key is.
    #[must_use]
    pub fn qualified_in(&self, hierarchy: Handle) -> Self {
        let hashed = [&hierarchy.value().to_be_bytes()[..], &self.0].concat();
        match self.0.len() {
            50 => Self::join(ALG_SHA384, &Sha384::digest(hashed)),
            66 => Self::join(ALG_SHA512, &Sha512::digest(hashed)),
            _ => Self::sha256(&hashed),
        }
    }

    /// The name algorithm followed by the digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Name {
    /// Parses a `TPM2B_NAME`, which must hold a hash and not a handle, and must not be empty.
    pub(crate) fn parse(
        reader: &mut Reader<'_>,
        field: &'static str,
    ) -> Result<Self, MarshalError> {
        Self::try_from(reader.sized(MAX_NAME, field)?)
    }
}

impl TryFrom<&[u8]> for Name {
    type Error = MarshalError;

    fn try_from(bytes: &[u8]) -> Result<Self, MarshalError> {
        let (algorithm, digest) =
            bytes.split_first_chunk::<2>().ok_or(MarshalError::Truncated { field: "name" })?;
        let algorithm = u16::from_be_bytes(*algorithm);
        match (algorithm, digest.len()) {
            (ALG_SHA256, 32) | (ALG_SHA384, 48) | (ALG_SHA512, 64) => Ok(Self(bytes.to_vec())),
            _ => Err(MarshalError::Value { field: "name algorithm", value: u64::from(algorithm) }),
        }
    }
}

impl fmt::Display for Name {
    /// Lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_another_length_are_refused() {
        let name = Name::compute(ALG_SHA256, b"public").unwrap();
        assert_eq!(name.as_bytes().len(), 34);
        assert_eq!(Name::try_from(name.as_bytes()).unwrap(), name);
        assert!(Name::try_from(&name.as_bytes()[..33]).is_err());
        assert!(Name::try_from(&[][..]).is_err());
        assert!(name.to_string().starts_with("000b"));
        assert_eq!(Name::compute(0x0004, b"public"), None);
        for algorithm in [ALG_SHA256, ALG_SHA384, ALG_SHA512] {
            let name = Name::compute(algorithm, b"public").unwrap();
            let hashed = [&[0x40, 0, 0, 1], name.as_bytes()].concat();
            assert_eq!(
                name.qualified_in(Handle::OWNER),
                Name::compute(algorithm, &hashed).unwrap()
            );
        }
    }
}
