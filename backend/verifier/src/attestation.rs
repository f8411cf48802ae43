//! The attestation that a device key lives in a TPM. It takes two round trips.
//!
//! 1. The backend creates a [`Challenge`](device_key_types::attestation::Challenge) together with
//!    its enrollment challenge. The client answers with an [`Identity`]. [`verify_identity`] finds
//!    out which TPM the client claims to use, and checks that the attestation key and the device
//!    key have the right shape.
//! 2. The backend draws a secret of 32 random bytes, wraps the secret with
//!    [`VerifiedIdentity::make_credential`], and keeps the secret's digest. Only the claimed TPM
//!    can unwrap the secret, and only while the attestation key is loaded. The client answers with
//!    an [`Activation`], and [`VerifiedIdentity::verify_activation`] says what protects the device
//!    key.
//!
//! Between the two round trips the backend keeps the [`VerifiedIdentity`]. A backend that cannot
//! keep the value stores the client's first answer and the claim, and verifies the identity again.
//!
//! An attestation proves that the key cannot leave a genuine TPM of a certain make. It does not
//! prove which machine the TPM sits in, nor which program uses the key. Constants quote the TCG
//! "TPM 2.0 Library" and the TCG "EK Credential Profile for TPM Family 2.0".
//!
//! ```no_run
//! use device_key_types::{
//!     OsRandom, RandomSource as _, Sha256Digest, UnixTime,
//!     attestation::{Activation, Claim, Credential, Identity},
//! };
//! use device_key_verifier::attestation::{
//!     AttestationError, RootKind, TrustRoots, VerifiedKind, verify_identity,
//! };
//!
//! # fn ask_client(_: &Credential) -> Activation { unimplemented!() }
//! # fn backend(
//! #     vendor_root: &[u8], vendor_intermediate: &[u8], identity: &Identity, claim: Claim,
//! #     now: UnixTime,
//! # ) -> Result<VerifiedKind, Box<dyn std::error::Error>> {
//! let roots = TrustRoots::new([(vendor_root, RootKind::Hardware)])?
//!     .with_intermediates([vendor_intermediate])?;
//! let identity = match verify_identity(identity, claim, &roots, now) {
//!     Err(AttestationError::NoCertificate) => return Ok(VerifiedKind::Unattested),
//!     verified => verified?,
//! };
//!
//! let mut secret = [0; 32];
//! OsRandom.fill(&mut secret)?;
//! let credential = identity.make_credential(&secret, &OsRandom)?;
//! let activation = ask_client(&credential);
//!
//! let key = identity.verify_activation(&activation, &Sha256Digest::of(&secret), now)?;
//! assert_eq!(key.kind().as_str(), "hardware_tpm");
//! # Ok(key.kind().clone())
//! # }
//! ```

mod certificate_path;
mod credential;
mod endorsement_certificate;
mod endorsement_key;
mod error;
mod identity;
mod statement;
mod tpm_attributes;
mod tpm_keys;
mod trust_roots;
mod verified_key;

pub use credential::{CredentialError, SECRET_BYTES, make_credential};
pub use device_key_tpm2::{EndorsementPublic, Name};
pub use device_key_types::attestation::{Activation, Claim, Credential, Identity};
pub use endorsement_key::MAX_CERTIFICATES;
pub use error::{AttestationError, CertificateError, StatementError, TpmStatement};
pub use identity::{VerifiedIdentity, verify_identity};
pub use trust_roots::{InvalidTrustRoots, RevocationPolicy, RootKind, TrustRoots};
pub use verified_key::{TpmDescription, VerifiedKey, VerifiedKind};
