//! Finds the end of certificates in NV memory: an NV index is often larger than its certificate.

use der::{Reader as _, SliceReader};

/// The tag of a DER sequence (X.690, 8.9). A certificate is a sequence.
const SEQUENCE: u8 = 0x30;

/// Returns the DER certificate at the beginning, without the bytes after it, or `None` if the bytes
/// do not begin with a certificate. The contents are not checked, because only a verifier can tell
/// whether a certificate is valid.
pub(crate) fn first(bytes: &[u8]) -> Option<&[u8]> {
    let structure = SliceReader::new(bytes).ok()?.tlv_bytes().ok()?;
    (structure.first() == Some(&SEQUENCE)).then_some(structure)
}

/// Returns all certificates, up to the first bytes that are not a certificate.
pub(crate) fn all(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let certificate = first(rest)?;
        rest = rest.get(certificate.len()..)?;
        Some(certificate)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a DER sequence whose contents are `length` zeros.
    fn sequence(length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut bytes = match length {
            0..=0x7f => vec![0x30, low],
            0x80..=0xff => vec![0x30, 0x81, low],
            _ => vec![0x30, 0x82, high, low],
        };
        bytes.extend(vec![0; length.into()]);
        bytes
    }

    #[test]
    fn filler_after_the_certificate_is_cut_off() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 1200] {
            let certificate = sequence(length);
            for filler in [0x00, 0xff] {
                let index = [&*certificate, &[filler; 40]].concat();
                assert_eq!(first(&index), Some(&*certificate), "{length}");
            }
        }
    }

    #[test]
    fn bytes_that_are_not_a_whole_sequence_are_refused() {
        let short = &sequence(200)[..150];
        for bytes in [&[][..], &[0x30], &[0; 8], &[0xff; 8], &[0x02, 1, 1], &[0x30, 0x80, 0], short]
        {
            assert_eq!(first(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn a_chain_is_split_into_certificates() {
        let [one, two] = [sequence(300), sequence(5)];
        let chain = [&*one, &*two, &[0xff; 9]].concat();
        assert_eq!(all(&chain).collect::<Vec<_>>(), [&*one, &*two]);
        assert_eq!(all(&[]).count(), 0);
    }
}
