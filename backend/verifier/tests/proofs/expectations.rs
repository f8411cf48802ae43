//! Tests that compare the signed statement with the expected statement.

use device_key_testing::samples::{self, NOW};
use device_key_types::payload::{Connection, Enrollment, Statement};
use device_key_types::{
    Field, FieldError, InvalidPublicKey, MAX_LIFETIME_SECONDS, Reason, Sha256Digest,
};
use device_key_verifier::ProofError;

use crate::signer::{Signer, connection_bytes, enrollment_bytes};

const ANOTHER_NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

type Change<T> = (Field, fn(&mut T));

/// Changes of one field each, in the protocol's order.
const CONNECTION_CHANGES: [Change<Connection>; 8] = [
    (Field::Nonce, |payload| payload.nonce = ANOTHER_NONCE.parse().unwrap()),
    (Field::SessionId, |payload| payload.session_id = "another".parse().unwrap()),
    (Field::TargetOrigin, |payload| {
        payload.target.origin = "https://chatgpt.com:8443".parse().unwrap();
    }),
    (Field::TargetPath, |payload| {
        payload.target.path = "/wham/remote/control/client".parse().unwrap();
    }),
    (Field::AccountUserId, |payload| payload.account_user_id = "another".parse().unwrap()),
    (Field::ClientId, |payload| payload.client_id = "another".parse().unwrap()),
    (Field::TokenSha256, |payload| payload.token_sha256 = Sha256Digest::of(b"another")),
    (Field::TokenExpiresAt, |payload| {
        payload.token_expires_at = payload.token_expires_at.saturating_add(1);
    }),
];

const ENROLLMENT_CHANGES: [Change<Enrollment>; 8] = [
    (Field::Nonce, |payload| payload.nonce = ANOTHER_NONCE.parse().unwrap()),
    (Field::ChallengeId, |payload| payload.challenge_id = "another".parse().unwrap()),
    (Field::TargetOrigin, |payload| {
        payload.target.origin = "http://chatgpt.com".parse().unwrap();
    }),
    (Field::TargetPath, |payload| {
        payload.target.path = "/api/codex/remote/control/client/enroll".parse().unwrap();
    }),
    (Field::AccountUserId, |payload| payload.account_user_id = "another".parse().unwrap()),
    (Field::ClientId, |payload| payload.client_id = "another".parse().unwrap()),
    (Field::DeviceIdentitySha256, |payload| {
        payload.device_identity_sha256 = Sha256Digest::of(b"another");
    }),
    (Field::ChallengeExpiresAt, |payload| {
        payload.challenge_expires_at = payload.challenge_expires_at.saturating_add(1);
    }),
];

#[test]
fn the_expected_statement_is_accepted_and_returned() {
    let signer = Signer::new();
    let connection = samples::connection();
    let verified = signer.connect(&connection_bytes(&connection), &connection, NOW).unwrap();
    assert_eq!(verified.payload(), &connection);
    assert_eq!(verified.into_payload(), connection);
    let enrollment = samples::enrollment();
    let verified = signer.enroll(&enrollment_bytes(&enrollment), &enrollment, NOW).unwrap();
    assert_eq!(verified.payload(), &enrollment);
    assert_eq!(verified.into_payload(), enrollment);
}

#[test]
fn each_field_of_a_connection_is_compared_and_the_first_difference_is_reported() {
    let signer = Signer::new();
    let expected = samples::connection();
    for (index, (field, change)) in CONNECTION_CHANGES.iter().enumerate() {
        let mut alone = expected.clone();
        change(&mut alone);
        let mut with_all_later = expected.clone();
        CONNECTION_CHANGES[index..].iter().for_each(|(_, change)| change(&mut with_all_later));
        for signed in [alone, with_all_later] {
            let error = signer.connect(&connection_bytes(&signed), &expected, NOW).unwrap_err();
            assert_eq!(error, ProofError::Mismatch(*field));
            assert_eq!((error.reason(), error.field()), ("field_mismatch", Some(*field)));
        }
    }
}

#[test]
fn each_field_of_an_enrollment_is_compared_and_the_first_difference_is_reported() {
    let signer = Signer::new();
    let expected = samples::enrollment();
    for (index, (field, change)) in ENROLLMENT_CHANGES.iter().enumerate() {
        let mut alone = expected.clone();
        change(&mut alone);
        let mut with_all_later = expected.clone();
        ENROLLMENT_CHANGES[index..].iter().for_each(|(_, change)| change(&mut with_all_later));
        for signed in [alone, with_all_later] {
            let error = signer.enroll(&enrollment_bytes(&signed), &expected, NOW).unwrap_err();
            assert_eq!(error, ProofError::Mismatch(*field));
        }
    }
}

#[test]
fn a_statement_of_the_other_kind_is_refused() {
    let signer = Signer::new();
    let (connection, enrollment) = (samples::connection(), samples::enrollment());
    let error = signer.connect(&enrollment_bytes(&enrollment), &connection, NOW).unwrap_err();
    assert_eq!(error, ProofError::WrongStatement(Statement::Enrollment));
    let error = signer.enroll(&connection_bytes(&connection), &enrollment, NOW).unwrap_err();
    assert_eq!(error, ProofError::WrongStatement(Statement::Connection));
    assert_eq!(error.reason(), "wrong_statement");
}

#[test]
fn the_expiry_is_in_the_future_and_near() {
    let signer = Signer::new();
    for (seconds, reason) in [
        (-1, Some(Reason::Expired)),
        (0, Some(Reason::Expired)),
        (1, None),
        (MAX_LIFETIME_SECONDS, None),
        (MAX_LIFETIME_SECONDS + 1, Some(Reason::ExpiresTooLate)),
    ] {
        let expires_at = NOW.saturating_add(seconds);
        let error = |field| reason.map(|reason| ProofError::Field(FieldError { field, reason }));
        let payload = Connection { token_expires_at: expires_at, ..samples::connection() };
        let verified = signer.connect(&connection_bytes(&payload), &payload, NOW);
        assert_eq!(verified.err(), error(Field::TokenExpiresAt), "{seconds}");
        let payload = Enrollment { challenge_expires_at: expires_at, ..samples::enrollment() };
        let verified = signer.enroll(&enrollment_bytes(&payload), &payload, NOW);
        assert_eq!(verified.err(), error(Field::ChallengeExpiresAt), "{seconds}");
    }
}

#[test]
fn a_mismatch_is_reported_before_an_expiry() {
    let device = Signer::new();
    let expected = samples::connection();
    let signed = Connection { client_id: "another".parse().unwrap(), ..expected.clone() };
    let late = expected.token_expires_at;
    let error = device.connect(&connection_bytes(&signed), &expected, late).unwrap_err();
    assert_eq!(error, ProofError::Mismatch(Field::ClientId));
    let error = device.connect(&connection_bytes(&expected), &expected, late).unwrap_err();
    assert_eq!(error.reason(), "expired");
    assert_eq!(error.field(), Some(Field::TokenExpiresAt));
}

#[test]
fn reason_codes_do_not_change() {
    let field = FieldError { field: Field::Nonce, reason: Reason::InvalidNonce };
    for (error, code, field) in [
        (ProofError::TooLarge, "proof_too_large", None),
        (ProofError::InvalidPublicKey(InvalidPublicKey), "invalid_public_key", None),
        (ProofError::InvalidSignature, "invalid_signature", None),
        (ProofError::MalformedStatement, "malformed_statement", None),
        (ProofError::WrongDomain, "wrong_domain", None),
        (ProofError::NotCanonical, "not_canonical", None),
        (ProofError::WrongStatement(Statement::Enrollment), "wrong_statement", None),
        (ProofError::Field(field), "invalid_nonce", Some(Field::Nonce)),
        (ProofError::Mismatch(Field::ClientId), "field_mismatch", Some(Field::ClientId)),
    ] {
        assert_eq!((error.reason(), error.field()), (code, field));
    }
}
