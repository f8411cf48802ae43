//! Proofs of possession: a statement, signed by a device key, is compared with the expected one.

pub(crate) mod error;
mod expectation;
mod signed_statement;

use device_key_types::UnixTime;
use device_key_types::payload::{Connection, Enrollment, SignPayload};

use self::error::ProofError;
use crate::proof_key::ProofKey;

/// The most signed bytes that are read, 16 KiB. No statement is that long: its longest fields are
/// three texts of 512 bytes, which double if every character is escaped, and all other fields
/// together take 2 KiB.
pub const MAX_SIGNED_BYTES: usize = 16 * 1024;

/// What a client presents: the bytes that its key signed, and the signature.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The exact byte string that was signed, as `device/key/sign` returned it.
    pub signed_bytes: &'a [u8],
    /// The signature in DER: ECDSA P-256 over SHA-256 of the signed bytes. Each signature has a
    /// second form that verifies too (s negated), so a signature does not identify its proof.
    pub signature_der: &'a [u8],
    /// The key that signed. For a connection it is the registered key. For an enrollment it is the
    /// key to register.
    pub public_key: &'a ProofKey,
}

/// An enrollment statement that the proof's key signed and that equals the expected statement. Only
/// [`verify_enrollment`] creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a verified proof has no effect until the caller acts on it"]
pub struct VerifiedEnrollment {
    payload: Enrollment,
}

impl VerifiedEnrollment {
    /// The statement that was signed.
    pub const fn payload(&self) -> &Enrollment {
        &self.payload
    }

    /// Returns the statement that was signed.
    pub fn into_payload(self) -> Enrollment {
        self.payload
    }
}

/// A connection statement that the proof's key signed and that equals the expected statement. Only
/// [`verify_connection`] creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a verified proof has no effect until the caller acts on it"]
pub struct VerifiedConnection {
    payload: Connection,
}

impl VerifiedConnection {
    /// The statement that was signed.
    pub const fn payload(&self) -> &Connection {
        &self.payload
    }

    /// Returns the statement that was signed.
    pub fn into_payload(self) -> Connection {
        self.payload
    }
}

/// Verifies the proof of an enrollment against the enrollment that the backend asked for.
///
/// The checks run in this order:
///
/// 1. The signed bytes are not longer than [`MAX_SIGNED_BYTES`].
/// 2. The signature verifies over the bytes as given.
/// 3. The bytes are one strict JSON object of the signing domain.
/// 4. Each field has a valid value.
/// 5. The bytes are in canonical form.
/// 6. The statement is of the expected kind.
/// 7. Each field equals the expected field, in the protocol's order.
/// 8. `now` < expiry ≤ `now` + [`MAX_LIFETIME_SECONDS`](device_key_types::MAX_LIFETIME_SECONDS).
///
/// The caller must have computed the expected digest from the proof's own key and from the key id
/// and protection class that the client sent
/// ([`device_key_types::payload::device_identity_digest`]). The caller must also make sure that the
/// nonce was never accepted before.
pub fn verify_enrollment(
    proof: &Proof<'_>,
    expected: &Enrollment,
    now: UnixTime,
) -> Result<VerifiedEnrollment, ProofError> {
    match signed(proof)? {
        SignPayload::Enrollment(payload) => {
            expectation::enrollment(&payload, expected, now)?;
            Ok(VerifiedEnrollment { payload })
        }
        other @ SignPayload::Connection(_) => Err(ProofError::WrongStatement(other.statement())),
    }
}

/// Verifies the proof of a connection against the connection that the backend asked for. The checks
/// are those of [`verify_enrollment`].
///
/// The proof's key must be the key that is registered for the expected account and client.
pub fn verify_connection(
    proof: &Proof<'_>,
    expected: &Connection,
    now: UnixTime,
) -> Result<VerifiedConnection, ProofError> {
    match signed(proof)? {
        SignPayload::Connection(payload) => {
            expectation::connection(&payload, expected, now)?;
            Ok(VerifiedConnection { payload })
        }
        other @ SignPayload::Enrollment(_) => Err(ProofError::WrongStatement(other.statement())),
    }
}

/// Returns the statement that the key signed. The bytes are parsed only after the signature is
/// verified.
fn signed(proof: &Proof<'_>) -> Result<SignPayload, ProofError> {
    if proof.signed_bytes.len() > MAX_SIGNED_BYTES {
        return Err(ProofError::TooLarge);
    }
    proof.public_key.verify(proof.signed_bytes, proof.signature_der)?;
    signed_statement::parse(proof.signed_bytes)
}
