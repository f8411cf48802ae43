//! What a backend needs to check device keys: proofs of possession, and the attestation of a TPM.
//!
//! A proof is a statement that a device key signed. [`verify_enrollment`] and [`verify_connection`]
//! hold it against the statement that this backend challenged the client to sign, field by field,
//! and give it back as a value that nothing else can make. The signature is checked over the bytes
//! that came; they are never written anew. What keeps that key in its device is another question,
//! which [`attestation`] answers for keys in a TPM.
//!
//! No input or output, no async, no clock and no randomness of its own: the caller passes both in, and
//! only the padding for an RSA key is drawn by aws-lc. It keeps nothing either: that a nonce is used
//! once, that a key belongs to an account and is not revoked, is the backend's to know.
//!
//! ```
//! use device_key_types::{
//!     DeviceKeyId, ProtectionClass, Sha256Digest, UnixTime,
//!     payload::{self, Target, device_identity_digest},
//! };
//! use device_key_verifier::{Proof, ProofKey, Refusal, VerifiedEnrollment, verify_enrollment};
//!
//! # fn backend(
//! #     spki_der: &[u8], signed_bytes: &[u8], signature_der: &[u8], now: UnixTime,
//! # ) -> Result<VerifiedEnrollment, Box<dyn std::error::Error>> {
//! // What the client says about its key.
//! let key = ProofKey::from_spki_der(spki_der)?;
//! let key_id: DeviceKeyId = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?;
//! let identity = device_identity_digest(&key_id, ProtectionClass::HardwareTpm, key.public_key())?;
//!
//! // What this backend asked that client to sign.
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
//! # let base_point = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
//! # let spki_der = <base64ct::Base64 as base64ct::Encoding>::decode_vec(base_point).unwrap();
//! # let refused = backend(&spki_der, b"{}", b"", UnixTime::from_seconds(1_700_000_000));
//! # assert_eq!(
//! #     refused.unwrap_err().downcast::<Refusal>().map(|refusal| *refusal).unwrap(),
//! #     Refusal::InvalidSignature
//! # );
//! ```
#![forbid(unsafe_code)]

pub mod attestation;
mod proof;
mod proof_key;
mod refusal;

pub use proof::{
    MAX_SIGNED_BYTES, Proof, VerifiedConnection, VerifiedEnrollment, verify_connection,
    verify_enrollment,
};
pub use proof_key::ProofKey;
pub use refusal::Refusal;
