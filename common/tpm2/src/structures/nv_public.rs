//! The public area of an NV index (`TPMS_NV_PUBLIC`, Part 2, 13.6).

use super::name::Name;
use crate::constants::MAX_DIGEST;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader};

/// `TPMA_NV_OWNERREAD` (Part 2, 13.4).
const OWNER_READ: u32 = 1 << 17;
/// `TPMA_NV_AUTHREAD` (Part 2, 13.4).
const AUTH_READ: u32 = 1 << 18;
/// `TPMA_NV_WRITTEN` (Part 2, 13.4).
const WRITTEN: u32 = 1 << 29;
/// Largest accepted `TPM2B_NV_PUBLIC` in bytes: index, algorithm, attributes, policy with its size,
/// and data size.
const MAX_NV_PUBLIC: usize = 4 + 2 + 4 + 2 + MAX_DIGEST + 2;

/// The public area of an NV index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvPublic {
    /// The index.
    pub index: Handle,
    /// The name algorithm, such as 0x000B for SHA-256.
    pub name_algorithm: u16,
    /// The `TPMA_NV` attributes (Part 2, 13.4), with all their bits.
    pub attributes: u32,
    /// The `authPolicy`, at most 64 bytes.
    pub policy: Vec<u8>,
    /// The size of the index's data in bytes.
    pub data_size: u16,
    area: Vec<u8>,
}

impl NvPublic {
    /// The Name, computed from the public area. `None` if the name algorithm is not SHA-256,
    /// SHA-384 or SHA-512.
    pub fn name(&self) -> Option<Name> {
        Name::compute(self.name_algorithm, &self.area)
    }

    /// Whether the index can be read with its own authValue (`AUTHREAD`).
    pub const fn auth_read(&self) -> bool {
        self.attributes & AUTH_READ != 0
    }

    /// Whether the index can be read with the owner's authorization (`OWNERREAD`).
    pub const fn owner_read(&self) -> bool {
        self.attributes & OWNER_READ != 0
    }

    /// Whether the index has been written (`WRITTEN`).
    pub const fn is_written(&self) -> bool {
        self.attributes & WRITTEN != 0
    }

    pub(crate) fn parse_tpm2b(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        let area = reader.sized(MAX_NV_PUBLIC, "nvPublic")?;
        let mut reader = Reader::new(area);
        let public = Self {
            index: Handle::new(reader.u32("nvIndex")?),
            name_algorithm: reader.u16("nameAlg")?,
            attributes: reader.u32("attributes")?,
            policy: reader.sized(MAX_DIGEST, "authPolicy")?.to_vec(),
            data_size: reader.u16("dataSize")?,
            area: area.to_vec(),
        };
        reader.finish()?;
        Ok(public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tpm2_protocol::TpmUnmarshal;
    use tpm2_protocol::data::TpmsNvPublic;

    /// What swtpm returns for the index of a certificate: index, SHA-256, attributes, no policy,
    /// 842 bytes.
    const CERTIFICATE: [u8; 16] =
        [0, 14, 0x01, 0xC0, 0, 0x16, 0, 0x0b, 0x62, 0x07, 0x20, 0x01, 0, 0, 0x03, 0x4a];

    fn parse(bytes: &[u8]) -> Result<NvPublic, MarshalError> {
        let mut reader = Reader::new(bytes);
        let public = NvPublic::parse_tpm2b(&mut reader)?;
        reader.finish().map(|()| public)
    }

    #[test]
    fn every_field_is_read() {
        let public = parse(&CERTIFICATE).unwrap();
        assert_eq!((public.index.value(), public.name_algorithm), (0x01C0_0016, 0x000b));
        assert_eq!((public.policy.len(), public.data_size), (0, 842));
        assert!(public.auth_read() && public.owner_read() && public.is_written());
        let (theirs, _) = TpmsNvPublic::unmarshal(&CERTIFICATE[2..]).unwrap();
        assert_eq!(theirs.attributes.bits(), public.attributes);
        let name = Name::compute(0x000b, &CERTIFICATE[2..]);
        assert_eq!(public.name(), name);
    }

    #[test]
    fn each_attribute_has_its_bit() {
        let attributes = |bits: u32| {
            let mut bytes = CERTIFICATE;
            bytes[8..12].copy_from_slice(&bits.to_be_bytes());
            let public = parse(&bytes).unwrap();
            (public.owner_read(), public.auth_read(), public.is_written())
        };
        assert_eq!(attributes(0x0002_0000), (true, false, false));
        assert_eq!(attributes(0x0004_0000), (false, true, false));
        assert_eq!(attributes(0x2000_0000), (false, false, true));
        assert_eq!(attributes(!0x2006_0000), (false, false, false));
    }

    #[test]
    fn a_parse_covers_the_whole_area() {
        let mut longer = CERTIFICATE.to_vec();
        longer[1] += 1;
        longer.push(0);
        assert_eq!(parse(&longer), Err(MarshalError::Trailing { count: 1 }));
        for length in 0..CERTIFICATE.len() {
            assert!(parse(&CERTIFICATE[..length]).is_err());
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let _ = parse(&bytes);
            let framed = [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
            let _ = parse(&framed);
        }
    }
}
