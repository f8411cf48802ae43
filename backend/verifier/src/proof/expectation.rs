//! Compares a signed statement with the expected statement, in the protocol's order of fields.
//! Type, audience and scopes are constants of the format; the parser has compared them already.
//!
//! The signer knows every value that is compared, so the comparisons need not take constant time.

use device_key_types::payload::{Connection, Enrollment, Target};
use device_key_types::{Field, FieldError, UnixTime, check_expiry};

use super::error::ProofError;

pub(super) fn enrollment(
    signed: &Enrollment,
    expected: &Enrollment,
    now: UnixTime,
) -> Result<(), ProofError> {
    equal(Field::Nonce, &signed.nonce, &expected.nonce)?;
    equal(Field::ChallengeId, &signed.challenge_id, &expected.challenge_id)?;
    target(&signed.target, &expected.target)?;
    equal(Field::AccountUserId, &signed.account_user_id, &expected.account_user_id)?;
    equal(Field::ClientId, &signed.client_id, &expected.client_id)?;
    equal(
        Field::DeviceIdentitySha256,
        &signed.device_identity_sha256,
        &expected.device_identity_sha256,
    )?;
    unexpired(
        Field::ChallengeExpiresAt,
        signed.challenge_expires_at,
        expected.challenge_expires_at,
        now,
    )
}

pub(super) fn connection(
    signed: &Connection,
    expected: &Connection,
    now: UnixTime,
) -> Result<(), ProofError> {
    equal(Field::Nonce, &signed.nonce, &expected.nonce)?;
    equal(Field::SessionId, &signed.session_id, &expected.session_id)?;
    target(&signed.target, &expected.target)?;
    equal(Field::AccountUserId, &signed.account_user_id, &expected.account_user_id)?;
    equal(Field::ClientId, &signed.client_id, &expected.client_id)?;
    equal(Field::TokenSha256, &signed.token_sha256, &expected.token_sha256)?;
    unexpired(Field::TokenExpiresAt, signed.token_expires_at, expected.token_expires_at, now)
}

fn target(signed: &Target, expected: &Target) -> Result<(), ProofError> {
    equal(Field::TargetOrigin, &signed.origin, &expected.origin)?;
    equal(Field::TargetPath, &signed.path, &expected.path)
}

fn equal<T: PartialEq>(field: Field, signed: &T, expected: &T) -> Result<(), ProofError> {
    if signed == expected { Ok(()) } else { Err(ProofError::Mismatch(field)) }
}

fn unexpired(
    field: Field,
    signed: UnixTime,
    expected: UnixTime,
    now: UnixTime,
) -> Result<(), ProofError> {
    equal(field, &signed, &expected)?;
    Ok(check_expiry(signed, now).map_err(|reason| FieldError { field, reason })?)
}
