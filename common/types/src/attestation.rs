//! The third statement: "this key lives in this TPM". A TPM vouches for this statement; no device
//! key signs it.
//!
//! A backend asks with a [`Challenge`], which is parsed as a payload is ([`Draft::parse`]).
//! Together with the key that answers it, the challenge becomes a [`Claim`]. The TPM signs two
//! digests of the claim as `extraData`: one when the attestation key shows in which TPM it was
//! made, and one when it certifies the device key. The other types are the evidence for the
//! backend, in the form that both sides of the wire use.

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
