mod expectation;
mod signed_statement;

use device_key_types::{
    UnixTime,
    payload::{Connection, Enrollment, SignPayload},
};

use crate::{ProofKey, Refusal};

/// Most bytes that are looked at. No statement has as many: its longest are three texts of 512 bytes,
/// twice as long where each character is escaped, and 2 KiB of everything else.
pub const MAX_SIGNED_BYTES: usize = 16 * 1024;

/// What a client presents: the bytes that its key signed, and the signature.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The exact byte string that was signed, as `device/key/sign` gives it.
    pub signed_bytes: &'a [u8],
    /// ECDSA P-256 over SHA-256 of these bytes, as DER. Each signature has a second form that
    /// verifies too (s negated), so it is no identifier of the proof.
    pub signature_der: &'a [u8],
    /// The key: the registered one of a connection, the one to register of an enrollment.
    pub public_key: &'a ProofKey,
}

/// An enrollment statement that the proof's key signed and that is the expected one. Only
/// [`verify_enrollment`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the proof is of use only to who acts on it"]
pub struct VerifiedEnrollment {
    payload: Enrollment,
}

impl VerifiedEnrollment {
    /// What was signed.
    pub const fn payload(&self) -> &Enrollment {
        &self.payload
    }

    /// Gives up what was signed.
    pub fn into_payload(self) -> Enrollment {
        self.payload
    }
}

/// A connection statement that the proof's key signed and that is the expected one. Only
/// [`verify_connection`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the proof is of use only to who acts on it"]
pub struct VerifiedConnection {
    payload: Connection,
}

impl VerifiedConnection {
    /// What was signed.
    pub const fn payload(&self) -> &Connection {
        &self.payload
    }

    /// Gives up what was signed.
    pub fn into_payload(self) -> Connection {
        self.payload
    }
}

/// Verifies the proof of an enrollment against the enrollment that was challenged.
///
/// The checks, in this order: size; signature over the bytes as given; one strict JSON object of the
/// signing domain; each field valid in itself; canonical form; kind of statement; each field equal
/// to the expected one, in the protocol's order; `now` < expiry ≤ `now` +
/// [`MAX_LIFETIME_SECONDS`](device_key_types::MAX_LIFETIME_SECONDS).
///
/// The expected digest must have been computed from the proof's own key and from what the client
/// said about it ([`device_key_types::payload::device_identity_digest`]). The nonce must be one that
/// was never accepted before; that is the caller's to know.
pub fn verify_enrollment(
    proof: &Proof<'_>,
    expected: &Enrollment,
    now: UnixTime,
) -> Result<VerifiedEnrollment, Refusal> {
    match signed(proof)? {
        SignPayload::Enrollment(payload) => {
            expectation::enrollment(&payload, expected, now)?;
            Ok(VerifiedEnrollment { payload })
        }
        other @ SignPayload::Connection(_) => Err(Refusal::WrongStatement(other.statement())),
    }
}

/// Verifies the proof of a connection against the connection that was challenged; the checks are
/// those of [`verify_enrollment`].
///
/// The proof's key must be the one that is registered for the expected account and client.
pub fn verify_connection(
    proof: &Proof<'_>,
    expected: &Connection,
    now: UnixTime,
) -> Result<VerifiedConnection, Refusal> {
    match signed(proof)? {
        SignPayload::Connection(payload) => {
            expectation::connection(&payload, expected, now)?;
            Ok(VerifiedConnection { payload })
        }
        other @ SignPayload::Enrollment(_) => Err(Refusal::WrongStatement(other.statement())),
    }
}

/// The statement that the key signed; nothing is parsed before the signature holds.
fn signed(proof: &Proof<'_>) -> Result<SignPayload, Refusal> {
    if proof.signed_bytes.len() > MAX_SIGNED_BYTES {
        return Err(Refusal::TooLarge);
    }
    proof.public_key.verify(proof.signed_bytes, proof.signature_der)?;
    signed_statement::parse(proof.signed_bytes)
}
