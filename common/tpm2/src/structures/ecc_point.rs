//! A point on P-256 as a TPM encodes it (`TPMS_ECC_POINT`, Part 2, 11.2.5.2).

use std::fmt;

use p256::elliptic_curve::sec1::ToSec1Point;

use crate::marshal::{MarshalError, Reader, Writer};

/// Bytes in a coordinate on P-256.
const COORDINATE: usize = 32;

/// A public point. It is on the curve and not at infinity.
///
/// A TPM may leave out the leading zero bytes of a coordinate. This type keeps the bytes as the TPM
/// sent them, because the object's [`Name`](super::Name) is a hash over them.
#[derive(Clone, PartialEq, Eq)]
pub struct EccPoint {
    wire_x: Vec<u8>,
    wire_y: Vec<u8>,
    key: p256::PublicKey,
}

impl EccPoint {
    /// The point as a `p256` public key.
    pub const fn public_key(&self) -> &p256::PublicKey {
        &self.key
    }

    /// The x coordinate, big-endian, padded to 32 bytes.
    pub fn x(&self) -> [u8; 32] {
        left_padded(&self.wire_x)
    }

    /// The y coordinate, big-endian, padded to 32 bytes.
    pub fn y(&self) -> [u8; 32] {
        left_padded(&self.wire_y)
    }

    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, MarshalError> {
        let wire_x = reader.sized(COORDINATE, "x")?.to_vec();
        let wire_y = reader.sized(COORDINATE, "y")?.to_vec();
        let mut sec1 = [0x04; 65];
        let (_, coordinates) = sec1.split_at_mut(1);
        let (x, y) = coordinates.split_at_mut(COORDINATE);
        x.copy_from_slice(&left_padded::<COORDINATE>(&wire_x));
        y.copy_from_slice(&left_padded::<COORDINATE>(&wire_y));
        let key = p256::PublicKey::from_sec1_bytes(&sec1).map_err(|_| MarshalError::NotOnCurve)?;
        Ok(Self { wire_x, wire_y, key })
    }

    pub(crate) fn build(&self, writer: &mut Writer) -> Result<(), MarshalError> {
        writer.put_sized(&self.wire_x)?.put_sized(&self.wire_y)?;
        Ok(())
    }
}

impl From<p256::PublicKey> for EccPoint {
    fn from(key: p256::PublicKey) -> Self {
        let point = key.to_sec1_point(false);
        let coordinate = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
        Self {
            wire_x: coordinate(point.x().map(AsRef::as_ref)),
            wire_y: coordinate(point.y().map(AsRef::as_ref)),
            key,
        }
    }
}

impl fmt::Debug for EccPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EccPoint(..)")
    }
}

/// Pads `bytes`, of which at most the last `N` are taken, with zeros on the left to `N` bytes. A
/// TPM may leave out the leading zeros of a number.
pub(super) fn left_padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    for (to, from) in padded.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(scalar: [u8; 32]) -> EccPoint {
        p256::SecretKey::from_slice(&scalar).unwrap().public_key().into()
    }

    #[test]
    fn short_coordinates_keep_their_bytes() {
        // The first small scalar whose x coordinate starts with a zero byte. About 1 in 128 keys
        // has a coordinate that starts with a zero byte.
        let short = (1u16..5000)
            .map(|number| {
                let mut scalar = [0; 32];
                scalar[30..].copy_from_slice(&number.to_be_bytes());
                point(scalar)
            })
            .find(|point| point.x()[0] == 0)
            .unwrap();
        let mut writer = Writer::new();
        writer.put_sized(&short.x()[1..]).unwrap().put_sized(&short.y()).unwrap();
        let mut reader = Reader::new(writer.as_bytes());
        let parsed = EccPoint::parse(&mut reader).unwrap();
        assert_eq!(parsed.public_key(), short.public_key());
        assert_eq!(parsed.x(), short.x());
        let mut again = Writer::new();
        parsed.build(&mut again).unwrap();
        assert_eq!(again.as_bytes(), writer.as_bytes());
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        for (x, y) in [(&[][..], &[][..]), (&[1; 32], &[2; 32]), (&[0xff; 32], &[1])] {
            let mut writer = Writer::new();
            writer.put_sized(x).unwrap().put_sized(y).unwrap();
            assert_eq!(
                EccPoint::parse(&mut Reader::new(writer.as_bytes())),
                Err(MarshalError::NotOnCurve)
            );
        }
    }

    proptest! {
        #[test]
        fn padding_keeps_the_number(bytes in proptest::collection::vec(any::<u8>(), 0..=32)) {
            let padded = left_padded::<32>(&bytes);
            prop_assert_eq!(&padded[32 - bytes.len()..], &bytes[..]);
            prop_assert!(padded[..32 - bytes.len()].iter().all(|byte| *byte == 0));
        }
    }
}
