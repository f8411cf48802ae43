//! Base64url without padding (RFC 4648 section 5), the encoding of every binary value on the wire.

use base64ct::{Base64UrlUnpadded, Encoding};

pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Decodes exactly `N` bytes. `None` if the text has another length or alphabet, padding, or
/// trailing bits that are not zero.
pub(crate) fn array_from_base64url<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    match Base64UrlUnpadded::decode(text, &mut bytes) {
        Ok(decoded) if decoded.len() == N => Some(bytes),
        _ => None,
    }
}

pub(crate) fn vec_from_base64url(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}
