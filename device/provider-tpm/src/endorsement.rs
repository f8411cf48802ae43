//! The endorsement keys of a TPM: their kinds, and which of them have a certificate.

use std::time::Instant;

use device_key_tpm2::EndorsementTemplate;
use device_key_types::attestation::EndorsementKeyKind;

use crate::error::OperationError;
use crate::link::Link;

/// Returns the endorsement keys that have a certificate.
pub(crate) fn certified(
    link: &mut Link,
    deadline: Instant,
) -> Result<Vec<EndorsementKeyKind>, OperationError> {
    let mut certified = Vec::new();
    for kind in EndorsementKeyKind::ALL {
        if link.certificate(template(kind), deadline)?.is_some() {
            certified.push(kind);
        }
    }
    Ok(certified)
}

/// The templates in the order in which they are tried, which is [`EndorsementKeyKind::ALL`].
pub(crate) const PREFERRED: [EndorsementTemplate; 3] = {
    let [first, second, third] = EndorsementKeyKind::ALL;
    [template(first), template(second), template(third)]
};

pub(crate) const fn template(kind: EndorsementKeyKind) -> EndorsementTemplate {
    match kind {
        EndorsementKeyKind::Rsa2048 => EndorsementTemplate::Rsa2048,
        EndorsementKeyKind::EccP256 => EndorsementTemplate::EccP256,
        EndorsementKeyKind::EccP384 => EndorsementTemplate::EccP384,
    }
}

pub(crate) const fn kind(template: EndorsementTemplate) -> EndorsementKeyKind {
    match template {
        EndorsementTemplate::Rsa2048 => EndorsementKeyKind::Rsa2048,
        EndorsementTemplate::EccP256 => EndorsementKeyKind::EccP256,
        EndorsementTemplate::EccP384 => EndorsementKeyKind::EccP384,
    }
}
