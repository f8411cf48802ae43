//! Parses signed bytes into a statement.

use std::borrow::Cow;

use device_key_types::payload::{Draft, SIGNING_DOMAIN, SignPayload, SyntaxOnly};
use device_key_types::strict_json::{self, Object};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ProofError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed<'a> {
    #[serde(borrow)]
    domain: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Parses a statement, which must be in canonical form.
pub(super) fn parse(signed_bytes: &[u8]) -> Result<SignPayload, ProofError> {
    let malformed = |_| ProofError::MalformedStatement;
    let json = std::str::from_utf8(signed_bytes).map_err(|_| ProofError::MalformedStatement)?;
    strict_json::check(json).map_err(malformed)?;
    let Object(Signed { domain, payload }) = serde_json::from_str(json).map_err(malformed)?;
    if domain != SIGNING_DOMAIN {
        return Err(ProofError::WrongDomain);
    }
    let statement = Draft::from_json(payload.get())
        .map_err(|_| ProofError::MalformedStatement)?
        .parse(&SyntaxOnly)?;
    // If a statement could be spelled in two ways, there would be two byte strings for one nonce,
    // and another parser might read something else in the second one.
    match statement.signed_bytes() {
        Ok(canonical) if canonical == signed_bytes => Ok(statement),
        _ => Err(ProofError::NotCanonical),
    }
}
