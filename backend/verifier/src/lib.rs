//! Everything a backend needs to check device keys: proofs of possession, and the attestation of a
//! TPM.
//!
//! A proof is a statement that a device key signed. [`verify_enrollment`] and [`verify_connection`]
//! compare the statement, field by field, with the statement that the backend asked the client to
//! sign. They return it as a value that only they can create. They check the signature over the
//! bytes as the client sent them and never serialise the statement again for that check. A proof
//! does not say what protects the key; [`attestation`] answers that question for keys in a TPM.
//!
//! The crate does no input or output, uses no async, and has no clock. The caller passes in the
//! time and the source of randomness; aws-lc draws only the padding for an RSA key. The crate keeps
//! no state either. The backend itself must make sure that a nonce is used once, that the key
//! belongs to the account, and that the key is not revoked.
//!
//! ```
//! use device_key_types::{
//!     DeviceKeyId, ProtectionClass, Sha256Digest, UnixTime,
//!     payload::{self, Target, device_identity_digest},
//! };
//! use device_key_verifier::{Proof, ProofError, ProofKey, VerifiedEnrollment, verify_enrollment};
//!
//! # fn backend(
//! #     spki_der: &[u8], signed_bytes: &[u8], signature_der: &[u8], now: UnixTime,
//! # ) -> Result<VerifiedEnrollment, Box<dyn std::error::Error>> {
//! // What the client says about its key.
//! let key = ProofKey::from_spki_der(spki_der)?;
//! let key_id: DeviceKeyId = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?;
//! let identity = device_identity_digest(&key_id, ProtectionClass::HardwareTpm, key.public_key())?;
//!
//! // What this backend asked the client to sign.
//! let expected = payload::Enrollment {
//!     nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?,
//!     challenge_id: "challenge-1".parse()?,
//!     target: Target {
//!         origin: "https://chatgpt.com".parse()?,
//!         path: "/wham/remote/control/client/enroll".parse()?,
//!     },
//!     account_user_id: "account-1".parse()?,
//!     client_id: "client-1".parse()?,
//!     device_identity_sha256: identity,
//!     challenge_expires_at: UnixTime::from_seconds(1_700_000_300),
//! };
//!
//! let proof = Proof { signed_bytes, signature_der, public_key: &key };
//! let verified = verify_enrollment(&proof, &expected, now)?;
//! # Ok(verified)
//! # }
//! # let base_point = concat!(
//! #     "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt",
//! #     "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==",
//! # );
//! # let spki_der = <base64ct::Base64 as base64ct::Encoding>::decode_vec(base_point).unwrap();
//! # let refused = backend(&spki_der, b"{}", b"", UnixTime::from_seconds(1_700_000_000));
//! # assert_eq!(
//! #     refused.unwrap_err().downcast::<ProofError>().map(|error| *error).unwrap(),
//! #     ProofError::InvalidSignature
//! # );
//! ```
//!
//! Two programs show a whole backend: `examples/verify.rs` enrolls a key, accepts a connection and
//! refuses a replayed proof; `examples/attest.rs` has a key attested and reads the verified kind.
#![forbid(unsafe_code)]

pub mod attestation;
mod proof;
mod proof_key;

pub use device_key_types as types;

pub use proof::error::ProofError;
pub use proof::{
    MAX_SIGNED_BYTES, Proof, VerifiedConnection, VerifiedEnrollment, verify_connection,
    verify_enrollment,
};
pub use proof_key::ProofKey;
