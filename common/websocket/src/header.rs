//! Reads request headers of which there must be exactly one.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

const BEARER: &[u8] = b"Bearer";

/// The value of a header that the request has exactly once.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 section 2.1), if the request has exactly
/// one such header. The case of the scheme does not matter (RFC 9110 section 11.1).
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = single(headers, &AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    let token = token.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(token)
}
