//! The third statement: "this key lives in this TPM". No device key signs it; a TPM vouches for it.
//!
//! A backend asks with a [`Challenge`]. It is parsed as a payload is ([`Draft::parse`]) and becomes a
//! [`Claim`] once it is known which key it is about. The claim's digests are what the TPM signs as
//! `extraData`: one when the attestation key shows where it was made, and one when it certifies the
//! device key. The other types here are the evidence that goes back, in the form that both sides of
//! the wire use.

mod canonical;
mod challenge;
mod draft;
mod evidence;

pub use canonical::{CERTIFICATION_DOMAIN, Claim, IDENTITY_DOMAIN};
pub use challenge::Challenge;
pub use draft::Draft;
pub use evidence::{
    ActivatedSecret, Activation, Credential, EndorsementKeyKind, Identity, InvalidEvidence,
    TpmBytes,
};

#[cfg(test)]
mod tests;
