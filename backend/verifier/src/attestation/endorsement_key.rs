//! Whose TPM it is: the endorsement key and its certificate.

use device_key_tpm2::{EndorsementPublic, EndorsementTemplate};
use device_key_types::{
    UnixTime,
    attestation::{EndorsementKeyKind, Identity, TpmBytes},
};

use super::{
    AttestationRefusal, RootKind, TrustRoots, certificate_path,
    endorsement_certificate::{self, EndorsementCertificate},
    tpm_attributes::TpmAttributes,
};

/// Most certificates that are looked at: the endorsement key's own, and what a TPM keeps beside it in
/// the NV indices 0x01C00100 to 0x01C001FF (TCG "EK Credential Profile", section "NV Index Assignments"),
/// which is a chain of two or three.
pub const MAX_CERTIFICATES: usize = 8;

/// An endorsement key that a root vouches for.
pub(super) struct CertifiedKey {
    pub(super) public: EndorsementPublic,
    pub(super) root: RootKind,
    pub(super) attributes: TpmAttributes,
}

pub(super) fn verify(
    identity: &Identity,
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<CertifiedKey, AttestationRefusal> {
    let certificates = &identity.endorsement_key_certificates;
    let (leaf, beside) = certificates.split_first().ok_or(AttestationRefusal::NoCertificate)?;
    if certificates.len() > MAX_CERTIFICATES {
        return Err(AttestationRefusal::TooManyCertificates);
    }
    let leaf = endorsement_certificate::without_padding(leaf.as_bytes())?;
    let beside = beside
        .iter()
        .map(TpmBytes::as_bytes)
        .map(endorsement_certificate::without_padding)
        .collect::<Result<Vec<_>, _>>()?;
    let root = certificate_path::verify(leaf, &beside, roots, now)?;
    let certificate = EndorsementCertificate::parse(leaf)?;

    let public = EndorsementPublic::parse(identity.endorsement_key_public.as_bytes())
        .map_err(|_| AttestationRefusal::EndorsementKeyTemplate)?;
    if kind(public.template()) != identity.endorsement_key {
        return Err(AttestationRefusal::EndorsementKeyKind);
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
