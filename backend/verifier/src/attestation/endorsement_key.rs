//! Verifies the endorsement key and its certificate, which identify the TPM.

use device_key_tpm2::{EndorsementPublic, EndorsementTemplate};
use device_key_types::UnixTime;
use device_key_types::attestation::{EndorsementKeyKind, Identity, TpmBytes};

use super::certificate_path;
use super::endorsement_certificate::{self, EndorsementCertificate};
use super::error::AttestationError;
use super::tpm_attributes::TpmAttributes;
use super::trust_roots::{RootKind, TrustRoots};

/// The most certificates that are accepted: the certificate of the endorsement key, and the chain
/// that a TPM stores in the NV indices 0x01C00100 to 0x01C001FF (TCG "EK Credential Profile",
/// section "NV Index Assignments"). The chain has two or three certificates.
pub const MAX_CERTIFICATES: usize = 8;

/// An endorsement key that a trusted root vouches for.
pub(super) struct CertifiedKey {
    pub(super) public: EndorsementPublic,
    pub(super) root: RootKind,
    pub(super) attributes: TpmAttributes,
}

pub(super) fn verify(
    identity: &Identity,
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<CertifiedKey, AttestationError> {
    let certificates = &identity.endorsement_key_certificates;
    let (leaf, chain) = certificates.split_first().ok_or(AttestationError::NoCertificate)?;
    if certificates.len() > MAX_CERTIFICATES {
        return Err(AttestationError::TooManyCertificates);
    }
    let leaf = endorsement_certificate::without_padding(leaf.as_bytes())?;
    let chain = chain
        .iter()
        .map(TpmBytes::as_bytes)
        .map(endorsement_certificate::without_padding)
        .collect::<Result<Vec<_>, _>>()?;
    let root = certificate_path::verify(leaf, &chain, roots, now)?;
    let certificate = EndorsementCertificate::parse(leaf)?;

    let public = EndorsementPublic::parse(identity.endorsement_key_public.as_bytes())
        .map_err(|_| AttestationError::EndorsementKeyTemplate)?;
    if kind(public.template()) != identity.endorsement_key {
        return Err(AttestationError::EndorsementKeyKind);
    }
    let attributes = certificate.certifies(&public)?;
    Ok(CertifiedKey { public, root, attributes })
}

const fn kind(template: EndorsementTemplate) -> EndorsementKeyKind {
    match template {
        EndorsementTemplate::Rsa2048 => EndorsementKeyKind::Rsa2048,
        EndorsementTemplate::EccP256 => EndorsementKeyKind::EccP256,
        EndorsementTemplate::EccP384 => EndorsementKeyKind::EccP384,
    }
}
