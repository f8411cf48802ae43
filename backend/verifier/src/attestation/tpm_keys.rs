//! Parses the two P-256 keys in the TPM. Each key must match its template exactly.

use device_key_tpm2::{EccP256Public, EccP256Template, Handle, Name, PublicArea};
use device_key_types::{InvalidPublicKey, PublicKey};

use super::error::AttestationError;
use crate::proof_key::ProofKey;

/// An attestation key that matches its template. If the key is in a TPM, it signs only statements
/// of that TPM.
#[derive(Clone)]
pub(super) struct AttestationKey {
    pub(super) name: Name,
    /// The Name of the key in the endorsement hierarchy. The statements that the key signs contain
    /// this Name.
    pub(super) qualified_name: Name,
    pub(super) public_key: ProofKey,
}

impl AttestationKey {
    pub(super) fn parse(area: &[u8]) -> Result<Self, AttestationError> {
        let public = parse(area).map_err(|()| AttestationError::AttestationKeyMalformed)?;
        let public = public
            .filter(|public| *public.template() == EccP256Template::attestation_key())
            .ok_or(AttestationError::AttestationKeyTemplate)?;
        let name = public.name();
        Ok(Self {
            qualified_name: name.qualified_in(Handle::ENDORSEMENT),
            name,
            public_key: public_key(&public)
                .and_then(ProofKey::try_from)
                .map_err(|_| AttestationError::AttestationKeyMalformed)?,
        })
    }
}

/// Returns the Name of a device key that matches its template and equals the claimed key.
pub(super) fn device_key_name(area: &[u8], claimed: &PublicKey) -> Result<Name, AttestationError> {
    let public = parse(area).map_err(|()| AttestationError::DeviceKeyMalformed)?;
    let public = public
        .filter(|public| *public.template() == EccP256Template::device_key())
        .ok_or(AttestationError::DeviceKeyTemplate)?;
    if public_key(&public).as_ref() == Ok(claimed) {
        Ok(public.name())
    } else {
        Err(AttestationError::OtherDeviceKey)
    }
}

/// Returns `None` if the public area belongs to an object of another kind.
fn parse(area: &[u8]) -> Result<Option<EccP256Public>, ()> {
    match PublicArea::parse(area) {
        Ok(PublicArea::EccP256(public)) => Ok(Some(*public)),
        Ok(PublicArea::Other(_)) => Ok(None),
        Err(_) => Err(()),
    }
}

fn public_key(public: &EccP256Public) -> Result<PublicKey, InvalidPublicKey> {
    PublicKey::from_coordinates(&public.point().x(), &public.point().y())
}
