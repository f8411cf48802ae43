//! Attestation: the TPM proves facts about a device key.

use device_key::{AttestationInput, KeyAttestor, KeyReference, ProviderError};
use device_key_tpm2::{Attested, Certification, Credential as TpmCredential, EccP256Public, Name};
use device_key_types::attestation::{
    Activation, Credential, EndorsementKeyKind, Identity, TpmBytes,
};
use device_key_types::{Sha256Digest, Signature};

use crate::endorsement::{PREFERRED, kind, template};
use crate::error::OperationError;
use crate::key_file::KeyFile;
use crate::key_secret::KeySecret;
use crate::link::attestation::{AttestationKey, Endorsement};
use crate::link::{Link, public_key};
use crate::provider::TpmProvider;

impl KeyAttestor for TpmProvider {
    fn identity(
        &self,
        input: &AttestationInput,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Identity, ProviderError> {
        let digest = input.identity_digest().map_err(OperationError::from)?;
        Ok(self.turns.run(|link, deadline| {
            let (file, _) = self.recorded(link, input.key())?;
            let name = file.public.name();
            let Endorsement { public, certificates } =
                link.endorsement(endorsement_key.map(template), PREFERRED, deadline)?;
            let AttestationKey { public: attestation_key, creation_data, certification } =
                link.attestation_key(&name, &digest, deadline)?;
            let is_own_creation = matches!(
                &certification.attest.attested,
                Attested::Creation { object_name, .. } if *object_name == attestation_key.name()
            );
            check(&certification, is_own_creation, &attestation_key, &digest)?;
            Ok(Identity {
                endorsement_key: kind(public.template()),
                endorsement_key_public: bytes(public.as_bytes())?,
                endorsement_key_certificates: certificates
                    .iter()
                    .map(|certificate| bytes(certificate))
                    .collect::<Result<_, _>>()?,
                attestation_key_public: bytes(attestation_key.as_bytes())?,
                attestation_key_creation_data: bytes(&creation_data)?,
                attestation_key_creation_attest: bytes(certification.attest.as_bytes())?,
                attestation_key_creation_signature: bytes(&certification.signature.to_tpmt())?,
                key_public: bytes(file.public.as_bytes())?,
            })
        })?)
    }

    fn activate(
        &self,
        input: &AttestationInput,
        credential: &Credential,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Activation, ProviderError> {
        Ok(self.turns.run(|link, deadline| {
            let (file, key_secret) = self.recorded(link, input.key())?;
            let name = file.public.name();
            let template = match endorsement_key {
                Some(kind) => template(kind),
                None => link.chosen(PREFERRED, deadline)?.0,
            };
            let credential = TpmCredential {
                blob: credential.blob.as_bytes(),
                encrypted_secret: credential.encrypted_secret.as_bytes(),
            };
            link.activate(&name, template, credential, deadline, |link, attestation_key, secret| {
                let digest = input.certification_digest(&secret)?;
                link.load(input.key().key_id, &file, key_secret.as_ref(), deadline)?;
                let certification = link.certify(&attestation_key.object, &digest, deadline)?;
                check(
                    &certification,
                    certifies(&certification, &name),
                    &attestation_key.public,
                    &digest,
                )?;
                Ok(Activation {
                    secret,
                    attest: bytes(certification.attest.as_bytes())?,
                    signature: bytes(&certification.signature.to_tpmt())?,
                })
            })
        })?)
    }
}

impl TpmProvider {
    /// Returns the stored key and its secret. Fails if the key or its parent is not the recorded
    /// one.
    fn recorded(
        &self,
        link: &Link,
        key: &KeyReference,
    ) -> Result<(KeyFile, Option<KeySecret>), OperationError> {
        Self::require_parent(link, key)?;
        let (file, secret) = self.keys.read(&key.key_id)?;
        if public_key(&file.public)? == key.public_key {
            Ok((file, secret))
        } else {
            Err(OperationError::OtherKey)
        }
    }
}

fn certifies(certification: &Certification, key: &Name) -> bool {
    matches!(&certification.attest.attested, Attested::Certify { name, .. } if name == key)
}

/// Refuses an attestation that a verifier would refuse. The attestation may have been changed on
/// the bus between the TPM and the processor.
fn check(
    certification: &Certification,
    is_about_the_key: bool,
    attestation_key: &EccP256Public,
    digest: &Sha256Digest,
) -> Result<(), OperationError> {
    let Certification { attest, signature } = certification;
    if !is_about_the_key || attest.extra_data != digest.as_bytes() {
        return Err(OperationError::OtherAttestation);
    }
    let signature = Signature::from_scalars(signature.r, signature.s)?;
    Ok(public_key(attestation_key)?.verify(attest.as_bytes(), &signature)?)
}

fn bytes(bytes: &[u8]) -> Result<TpmBytes, OperationError> {
    Ok(bytes.to_vec().try_into()?)
}
