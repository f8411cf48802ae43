//! The encrypted private part of a key (`TPM2B_PRIVATE`, Part 2, 12.3.7). Only the TPM can read it.

use std::fmt;

use crate::marshal::{MarshalError, Reader};

/// Largest accepted private blob in bytes. swtpm makes about 190 bytes for a P-256 key.
const MAX_PRIVATE: usize = 1024;

/// A key's private part, encrypted and integrity-protected by its parent, without the `TPM2B` size.
/// It has 1 to 1024 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateBlob(Vec<u8>);

impl PrivateBlob {
    /// The bytes after the `TPM2B` size.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parses a whole `TPM2B_PRIVATE` with its size field, as a TSS2 PRIVATE KEY file holds it.
    pub fn from_tpm2b(bytes: &[u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader::new(bytes);
        let blob = Self::parse(&mut reader)?;
        reader.finish()?;
        Ok(blob)
    }

    /// The whole `TPM2B_PRIVATE` with its size field.
    pub fn to_tpm2b(&self) -> Vec<u8> {
        let mut bytes = u16::try_from(self.0.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.0);
        bytes
    }

    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        Self::try_from(reader.sized(MAX_PRIVATE, "private")?)
    }
}

impl TryFrom<&[u8]> for PrivateBlob {
    type Error = MarshalError;

    fn try_from(bytes: &[u8]) -> Result<Self, MarshalError> {
        if bytes.is_empty() {
            return Err(MarshalError::Truncated { field: "private" });
        }
        if bytes.len() > MAX_PRIVATE {
            return Err(MarshalError::TooLong {
                field: "private",
                size: bytes.len(),
                limit: MAX_PRIVATE,
            });
        }
        Ok(Self(bytes.to_vec()))
    }
}

impl fmt::Debug for PrivateBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateBlob({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debug_shows_no_bytes() {
        let blob = PrivateBlob::try_from(&[0xab; 7][..]).unwrap();
        assert_eq!(format!("{blob:?}"), "PrivateBlob(7 bytes)");
    }

    proptest! {
        #[test]
        fn parsed_blobs_build_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(blob) = PrivateBlob::from_tpm2b(&bytes) {
                prop_assert_eq!(blob.to_tpm2b(), bytes);
            }
        }
    }
}
