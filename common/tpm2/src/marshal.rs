//! Reads and writes the big-endian encoding of TPM structures (Part 1, section "Canonicalization";
//! Part 2, section 4).
//!
//! [`Reader`] never panics and never reads past its input. [`Reader::finish`] makes sure that a
//! parse covers the whole input, so nothing can hide in trailing bytes. [`Writer`] has a fixed
//! capacity and never reallocates, so a secret that is written exists only once and is wiped when
//! the writer is dropped.

use zeroize::Zeroizing;

/// Largest command or response in bytes. TPM implementations use 4096 (`TPM_PT_MAX_COMMAND_SIZE`
/// and `TPM_PT_MAX_RESPONSE_SIZE`), and so does the buffer of the Linux driver.
pub const MAX_MESSAGE: usize = 4096;

/// Why bytes could not be read as a TPM structure, or a structure could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarshalError {
    /// The input ended before the field did.
    #[error("the input ends inside {field}")]
    Truncated {
        /// The field that was being read.
        field: &'static str,
    },
    /// Bytes were left over after the structure.
    #[error("{count} bytes follow the structure")]
    Trailing {
        /// The number of bytes that were left.
        count: usize,
    },
    /// A field has a value that the structure does not allow.
    #[error("{field} has the value {value:#x}, which is not allowed there")]
    Value {
        /// Which field.
        field: &'static str,
        /// The value of the field.
        value: u64,
    },
    /// A size field, or a value to be written, is larger than its limit.
    #[error("{field} is {size} bytes, but at most {limit} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// The size found, in bytes.
        size: usize,
        /// The largest size allowed, in bytes.
        limit: usize,
    },
    /// A point is not on its curve.
    #[error("the point is not on its curve")]
    NotOnCurve,
    /// A public area does not belong to a standard endorsement key.
    #[error("the public area does not belong to a standard endorsement key")]
    NotEndorsementKey,
}

/// Reads fields from the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Creates a reader at the first byte of `input`.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// Reads `count` bytes.
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], MarshalError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(MarshalError::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], MarshalError> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or(MarshalError::Truncated { field })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads one byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, MarshalError> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// Reads a big-endian 16-bit number.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, MarshalError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Reads a big-endian 32-bit number.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, MarshalError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Reads a big-endian 64-bit number.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, MarshalError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// Reads a TPM2B: a 16-bit size and then that many bytes, of which at most `limit` are allowed.
    pub fn sized(&mut self, limit: usize, field: &'static str) -> Result<&'a [u8], MarshalError> {
        let size = usize::from(self.u16(field)?);
        if size > limit {
            return Err(MarshalError::TooLong { field, size, limit });
        }
        self.take(size, field)
    }

    /// Reads all bytes that are left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Ends the parse. Fails with [`MarshalError::Trailing`] if bytes are left.
    pub const fn finish(self) -> Result<(), MarshalError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(MarshalError::Trailing { count: self.rest.len() })
        }
    }
}

/// Writes fields into a buffer of at most [`MAX_MESSAGE`] bytes, which is wiped on drop.
pub struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// Creates an empty buffer with its whole capacity reserved.
    pub fn new() -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(MAX_MESSAGE)) }
    }

    /// Appends bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) -> Result<&mut Self, MarshalError> {
        let size = self.bytes.len().saturating_add(bytes.len());
        if size > MAX_MESSAGE {
            return Err(MarshalError::TooLong { field: "command", size, limit: MAX_MESSAGE });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(self)
    }

    /// Appends one byte.
    pub fn put_u8(&mut self, value: u8) -> Result<&mut Self, MarshalError> {
        self.put(&[value])
    }

    /// Appends a big-endian 16-bit number.
    pub fn put_u16(&mut self, value: u16) -> Result<&mut Self, MarshalError> {
        self.put(&value.to_be_bytes())
    }

    /// Appends a big-endian 32-bit number.
    pub fn put_u32(&mut self, value: u32) -> Result<&mut Self, MarshalError> {
        self.put(&value.to_be_bytes())
    }

    /// Appends a TPM2B: a 16-bit size and then the bytes.
    pub fn put_sized(&mut self, bytes: &[u8]) -> Result<&mut Self, MarshalError> {
        let size = u16::try_from(bytes.len()).map_err(|_| MarshalError::TooLong {
            field: "sized buffer",
            size: bytes.len(),
            limit: usize::from(u16::MAX),
        })?;
        self.put_u16(size)?.put(bytes)
    }

    /// The bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_big_endian() {
        let mut writer = Writer::new();
        writer.put_u8(1).unwrap().put_u16(0x0203).unwrap().put_u32(0x0405_0607).unwrap();
        assert_eq!(Reader::new(&[0, 0, 0, 0, 0, 0, 1, 2]).u64("a"), Ok(0x0102));
        assert_eq!(writer.as_bytes(), [1, 2, 3, 4, 5, 6, 7]);
        let mut reader = Reader::new(writer.as_bytes());
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16("b"), Ok(0x0203));
        assert_eq!(reader.u32("c"), Ok(0x0405_0607));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_parse_covers_the_whole_input() {
        let mut reader = Reader::new(&[0, 1, 9, 7]);
        assert_eq!(reader.sized(1, "x"), Ok(&[9][..]));
        assert_eq!(reader.finish(), Err(MarshalError::Trailing { count: 1 }));
    }

    #[test]
    fn sizes_are_checked_before_bytes_are_taken() {
        assert_eq!(
            Reader::new(&[0, 3, 1, 2]).sized(8, "x"),
            Err(MarshalError::Truncated { field: "x" })
        );
        assert_eq!(
            Reader::new(&[0, 3, 1, 2, 3]).sized(2, "x"),
            Err(MarshalError::TooLong { field: "x", size: 3, limit: 2 })
        );
    }

    #[test]
    fn a_writer_stops_at_its_capacity() {
        let mut writer = Writer::new();
        let before = writer.bytes.capacity();
        writer.put(&[0; MAX_MESSAGE]).unwrap();
        assert!(writer.put_u8(0).is_err());
        assert_eq!(writer.as_bytes().len(), MAX_MESSAGE);
        assert_eq!(writer.bytes.capacity(), before);
    }

    proptest! {
        #[test]
        fn sized_buffers_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut writer = Writer::new();
            writer.put_sized(&bytes).unwrap();
            let mut reader = Reader::new(writer.as_bytes());
            prop_assert_eq!(reader.sized(2000, "x").unwrap(), &bytes[..]);
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), limit in 0usize..80) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.u8("a");
            let _ = reader.sized(limit, "b");
            let _ = reader.u32("c");
            let _ = reader.take(limit, "d");
            let _ = reader.finish();
        }
    }
}
