//! A point on P-384 as a TPM encodes it (`TPMS_ECC_POINT`, Part 2, 11.2.5.2): the public point of
//! an endorsement key.

use std::fmt;

use super::ecc_point::left_padded;
use crate::marshal::{MarshalError, Reader};

/// Bytes in a coordinate on P-384.
const COORDINATE: usize = 48;

/// A public point. It is on the curve and not at infinity.
#[derive(Clone, PartialEq, Eq)]
pub struct EccP384Point {
    x: [u8; COORDINATE],
    y: [u8; COORDINATE],
    key: p384::PublicKey,
}

impl EccP384Point {
    /// The point as a `p384` public key.
    pub const fn public_key(&self) -> &p384::PublicKey {
        &self.key
    }

    /// The x coordinate, big-endian, padded to 48 bytes.
    pub const fn x(&self) -> &[u8; COORDINATE] {
        &self.x
    }

    /// The y coordinate, big-endian, padded to 48 bytes.
    pub const fn y(&self) -> &[u8; COORDINATE] {
        &self.y
    }

    /// Parses a `TPMS_ECC_POINT`. A TPM may leave out the leading zero bytes of a coordinate.
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        let x = left_padded(reader.sized(COORDINATE, "x")?);
        let y = left_padded(reader.sized(COORDINATE, "y")?);
        let sec1 = [&[0x04], &x[..], &y[..]].concat();
        let key = p384::PublicKey::from_sec1_bytes(&sec1).map_err(|_| MarshalError::NotOnCurve)?;
        Ok(Self { x, y, key })
    }
}

impl fmt::Debug for EccP384Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EccP384Point(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marshal::Writer;
    use p384::elliptic_curve::sec1::ToSec1Point;

    fn parse(x: &[u8], y: &[u8]) -> Result<EccP384Point, MarshalError> {
        let mut writer = Writer::new();
        writer.put_sized(x).unwrap().put_sized(y).unwrap();
        EccP384Point::parse(&mut Reader::new(writer.as_bytes()))
    }

    #[test]
    fn points_parse_with_or_without_leading_zeros() {
        let mut short = 0;
        for number in 1u16..2000 {
            let mut scalar = [0; 48];
            scalar[46..].copy_from_slice(&number.to_be_bytes());
            let key = p384::SecretKey::from_slice(&scalar).unwrap().public_key();
            let point = key.to_sec1_point(false);
            let (x, y) = (point.x().unwrap().as_slice(), point.y().unwrap().as_slice());
            if number > 20 && x[0] != 0 {
                continue;
            }
            let trimmed = if x[0] == 0 { &x[1..] } else { x };
            short += usize::from(x[0] == 0);
            let parsed = parse(trimmed, y).unwrap();
            assert_eq!(parsed.public_key(), &key);
            assert_eq!((&parsed.x()[..], &parsed.y()[..]), (x, y));
            if short > 2 {
                return;
            }
        }
        panic!("no point with a short coordinate was tried");
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        for (x, y) in [(&[][..], &[][..]), (&[1; 48], &[2; 48]), (&[0xff; 48], &[1])] {
            assert_eq!(parse(x, y), Err(MarshalError::NotOnCurve));
        }
        assert!(parse(&[1; 49], &[1]).is_err());
    }
}
