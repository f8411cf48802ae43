//! From signed bytes to a statement.

use std::borrow::Cow;

use device_key_types::{
    payload::{Draft, SIGNING_DOMAIN, SignPayload, SyntaxAlone},
    strict_json::{self, Object},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed<'a> {
    #[serde(borrow)]
    domain: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Reads the one spelling of a statement.
pub(super) fn parse(signed_bytes: &[u8]) -> Result<SignPayload, Refusal> {
    let malformed = |_| Refusal::MalformedStatement;
    let json = std::str::from_utf8(signed_bytes).map_err(|_| Refusal::MalformedStatement)?;
    strict_json::check(json).map_err(malformed)?;
    let Object(Signed { domain, payload }) = serde_json::from_str(json).map_err(malformed)?;
    if domain != SIGNING_DOMAIN {
        return Err(Refusal::WrongDomain);
    }
    let statement = Draft::from_json(payload.get())
        .map_err(|_| Refusal::MalformedStatement)?
        .parse(&SyntaxAlone)?;
    // Two spellings of one statement would be two byte strings for one nonce, and what another
    // parser reads in the second one is not known.
    match statement.signed_bytes() {
        Ok(canonical) if canonical == signed_bytes => Ok(statement),
        _ => Err(Refusal::NotCanonical),
    }
}
