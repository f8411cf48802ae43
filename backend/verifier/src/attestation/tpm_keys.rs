//! The two P-256 keys in the TPM, each of which must have exactly one shape.

use device_key_tpm2::{EccP256Public, EccP256Template, Handle, Name, PublicArea};
use device_key_types::{InvalidPublicKey, PublicKey};

use super::AttestationRefusal;
use crate::ProofKey;

/// An attestation key of the right shape: it signs only what its TPM says, if it is in one.
#[derive(Clone)]
pub(super) struct AttestationKey {
    pub(super) name: Name,
    /// The Name in the endorsement hierarchy, by which the key appears in what it signs.
    pub(super) qualified_name: Name,
    pub(super) public_key: ProofKey,
}

impl AttestationKey {
    pub(super) fn parse(area: &[u8]) -> Result<Self, AttestationRefusal> {
        let public = parse(area).map_err(|()| AttestationRefusal::AttestationKeyMalformed)?;
        let public = public
            .filter(|public| *public.template() == EccP256Template::attestation_key())
            .ok_or(AttestationRefusal::AttestationKeyTemplate)?;
        let name = public.name();
        Ok(Self {
            qualified_name: name.qualified_in(Handle::ENDORSEMENT),
            name,
            public_key: public_key(&public)
                .and_then(ProofKey::try_from)
                .map_err(|_| AttestationRefusal::AttestationKeyMalformed)?,
        })
    }
}

/// The Name of a device key of the right shape, which must be the claimed key.
pub(super) fn device_key_name(
    area: &[u8],
    claimed: &PublicKey,
) -> Result<Name, AttestationRefusal> {
    let public = parse(area).map_err(|()| AttestationRefusal::DeviceKeyMalformed)?;
    let public = public
        .filter(|public| *public.template() == EccP256Template::device_key())
        .ok_or(AttestationRefusal::DeviceKeyTemplate)?;
    if public_key(&public).as_ref() == Ok(claimed) {
        Ok(public.name())
    } else {
        Err(AttestationRefusal::OtherDeviceKey)
    }
}

/// `None` for the public area of an object of another kind.
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
