//! Tests with the payload vectors that all implementations share.

use base64ct::{Base64, Encoding as _};
use device_key_testing::samples;
use device_key_testing::vectors::{self, Expectation, PayloadVector, RefusedVector};
use device_key_types::payload::{Draft, MalformedDraft, SIGNING_DOMAIN, Statement, SyntaxOnly};
use device_key_types::{Field, FieldError, Reason, SignPayload, UnixTime};
use device_key_verifier::ProofError;
use serde_json::json;

use crate::signer::Signer;

fn parsed(vector: &PayloadVector) -> Result<Result<SignPayload, FieldError>, MalformedDraft> {
    Ok(Draft::from_json(&vector.payload.to_string())?.parse(&SyntaxOnly))
}

/// Signs the bytes with the right key and verifies them as a backend that expects `expected`.
fn verified(bytes: &[u8], expected: &SignPayload, now: i64) -> Result<SignPayload, ProofError> {
    let (signer, now) = (Signer::new(), UnixTime::from_seconds(now));
    match expected {
        SignPayload::Connection(expected) => signer
            .connect(bytes, expected, now)
            .map(|verified| SignPayload::Connection(verified.into_payload())),
        SignPayload::Enrollment(expected) => signer
            .enroll(bytes, expected, now)
            .map(|verified| SignPayload::Enrollment(verified.into_payload())),
    }
}

/// Returns the sample statement of the vector's kind.
fn sample(vector: &PayloadVector) -> SignPayload {
    if vector.payload["type"] == Statement::Enrollment.as_str() {
        SignPayload::Enrollment(samples::enrollment())
    } else {
        SignPayload::Connection(samples::connection())
    }
}

#[test]
fn the_signed_bytes_verify() {
    let mut accepted = 0;
    for vector in vectors::payloads() {
        let Expectation::Signed(signed) = &vector.expect else { continue };
        let bytes = Base64::decode_vec(&signed.signed_base64).unwrap();
        let expected = parsed(&vector).unwrap().unwrap();
        let verified = verified(&bytes, &expected, vector.now);
        assert_eq!(verified, Ok(expected), "{}", vector.comment);
        accepted += 1;
    }
    assert!(accepted > 0);
}

#[test]
fn statements_that_no_device_should_sign_are_refused() {
    let mut refused = 0;
    for vector in vectors::payloads() {
        let Expectation::Refused(expect) = &vector.expect else { continue };
        let signed = json!({"domain": SIGNING_DOMAIN, "payload": vector.payload}).to_string();
        match parsed(&vector) {
            Err(MalformedDraft) => {
                let error = verified(signed.as_bytes(), &sample(&vector), vector.now);
                assert_eq!(error, Err(ProofError::MalformedStatement), "{}", vector.comment);
                assert_eq!(expect.error, Reason::InvalidParams.as_str());
            }
            Ok(Err(fault)) => {
                let error = verified(signed.as_bytes(), &sample(&vector), vector.now);
                assert_eq!(error, Err(ProofError::Field(fault)), "{}", vector.comment);
            }
            Ok(Ok(payload)) => {
                // The statement has the wrong time, or another backend, account or client. A
                // backend that expects exactly this statement reports the time. A backend that
                // expects another statement reports the difference.
                let alone = verified(signed.as_bytes(), &payload, vector.now);
                let other = verified(signed.as_bytes(), &sample(&vector), vector.now);
                well_formed(expect, alone.err(), other.unwrap_err(), &vector.comment);
            }
        }
        refused += 1;
    }
    assert!(refused > 0);
}

fn well_formed(
    expect: &RefusedVector,
    alone: Option<ProofError>,
    other: ProofError,
    comment: &str,
) {
    if expect.error == "expired" || expect.error == "expires_too_late" {
        let alone = alone.unwrap();
        assert_eq!(alone.reason(), expect.error, "{comment}");
        assert_eq!(alone.field().map(Field::as_str), expect.field.as_deref(), "{comment}");
        return;
    }
    let ProofError::Mismatch(field) = other else { panic!("{comment}: {other}") };
    match &expect.field {
        Some(expected) => assert_eq!(field.as_str(), expected, "{comment}"),
        // The binding consists of two fields.
        None => assert!(matches!(field, Field::AccountUserId | Field::ClientId), "{comment}"),
    }
}
