//! ECDSA signatures (`TPMT_SIGNATURE` with `TPMS_SIGNATURE_ECDSA`, Part 2, 11.3).

use super::ecc_point::left_padded;
use crate::constants::{ALG_ECDSA, ALG_SHA256};
use crate::marshal::{MarshalError, Reader};

/// An ECDSA signature over P-256 with SHA-256. This crate does not verify it; the caller that
/// requested it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdsaSignature {
    /// r, big-endian, left-padded to 32 bytes.
    pub r: [u8; 32],
    /// s, big-endian, left-padded to 32 bytes. It can be in the lower or the upper half of the
    /// group order.
    pub s: [u8; 32],
}

impl EcdsaSignature {
    /// r followed by s: the fixed 64-byte encoding of IEEE P1363.
    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (r, s) = bytes.split_at_mut(32);
        r.copy_from_slice(&self.r);
        s.copy_from_slice(&self.s);
        bytes
    }

    /// Parses a whole `TPMT_SIGNATURE`, which must be ECDSA with SHA-256. The numbers may lack
    /// their leading zeros.
    pub fn from_tpmt(bytes: &[u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader::new(bytes);
        let signature = Self::parse(&mut reader)?;
        reader.finish()?;
        Ok(signature)
    }

    /// The `TPMT_SIGNATURE` with both numbers padded to 32 bytes: 72 bytes in all.
    pub fn to_tpmt(self) -> Vec<u8> {
        let head = [ALG_ECDSA, ALG_SHA256].map(u16::to_be_bytes).concat();
        [&head[..], &[0, 32], &self.r, &[0, 32], &self.s].concat()
    }

    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        // The algorithm decides how the rest is read, so check it before anything else.
        expect(reader, ALG_ECDSA, "signature algorithm")?;
        expect(reader, ALG_SHA256, "signature hash")?;
        let r = left_padded(reader.sized(32, "r")?);
        let s = left_padded(reader.sized(32, "s")?);
        Ok(Self { r, s })
    }
}

fn expect(reader: &mut Reader<'_>, wanted: u16, field: &'static str) -> Result<(), MarshalError> {
    let value = reader.u16(field)?;
    if value == wanted {
        Ok(())
    } else {
        Err(MarshalError::Value { field, value: u64::from(value) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marshal::Writer;
    use proptest::prelude::*;
    use tpm2_protocol::data::TpmtSignature;
    use tpm2_protocol::{TpmMarshal, TpmUnmarshal, TpmWriter};

    #[test]
    fn short_numbers_are_padded_on_the_left() {
        let mut writer = Writer::new();
        writer
            .put_u16(ALG_ECDSA)
            .unwrap()
            .put_u16(ALG_SHA256)
            .unwrap()
            .put_sized(&[7])
            .unwrap()
            .put_sized(&[8; 32])
            .unwrap();
        let signature = EcdsaSignature::parse(&mut Reader::new(writer.as_bytes())).unwrap();
        assert_eq!(signature.r[31], 7);
        assert_eq!(signature.r[..31], [0; 31]);
        assert_eq!(signature.to_bytes()[32..], [8; 32]);
        assert_eq!(EcdsaSignature::from_tpmt(writer.as_bytes()), Ok(signature));
    }

    #[test]
    fn another_algorithm_is_refused_before_its_fields_are_read() {
        // The algorithm TPM_ALG_RSASSA with SHA-256.
        let parsed = EcdsaSignature::parse(&mut Reader::new(&[0x00, 0x14, 0x00, 0x0b, 0, 0]));
        assert_eq!(parsed, Err(MarshalError::Value { field: "signature algorithm", value: 0x14 }));
    }

    #[test]
    fn a_parse_covers_the_whole_input() {
        let signature = EcdsaSignature { r: [7; 32], s: [8; 32] };
        let mut bytes = signature.to_tpmt();
        assert_eq!(EcdsaSignature::from_tpmt(&bytes), Ok(signature));
        bytes.push(0);
        let parsed = EcdsaSignature::from_tpmt(&bytes);
        assert_eq!(parsed, Err(MarshalError::Trailing { count: 1 }));
        assert!(EcdsaSignature::from_tpmt(&bytes[..71]).is_err());
    }

    #[test]
    fn the_independent_crate_writes_the_same_bytes() {
        let ours = EcdsaSignature { r: [7; 32], s: [8; 32] }.to_tpmt();
        let (theirs, rest) = TpmtSignature::unmarshal(&ours).unwrap();
        assert!(rest.is_empty());
        let mut buffer = [0; 128];
        let mut writer = TpmWriter::new(&mut buffer);
        theirs.marshal(&mut writer).unwrap();
        assert_eq!(writer.as_bytes(), ours);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let mut tagged = vec![0x00, 0x18, 0x00, 0x0b];
            tagged.extend_from_slice(&bytes);
            let _ = EcdsaSignature::parse(&mut Reader::new(&tagged));
            let _ = EcdsaSignature::parse(&mut Reader::new(&bytes));
            if let Ok(signature) = EcdsaSignature::from_tpmt(&tagged) {
                prop_assert_eq!(EcdsaSignature::from_tpmt(&signature.to_tpmt()), Ok(signature));
            }
        }
    }
}
