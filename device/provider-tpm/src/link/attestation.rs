//! The keys of the endorsement hierarchy: endorsement keys and attestation keys. The TPM does not
//! keep these keys. They are derived again for each use, always with the same result, and flushed
//! after it.

use std::time::Instant;

use device_key_tpm2::{
    AuthorizedObject, Certification, Credential, EccP256Public, EccP256Template,
    EndorsementAuthorization, EndorsementPublic, EndorsementTemplate, Error as TpmError, Handle,
    HandleRange, Hierarchy, Name, Object, Primary, ResponseClass,
};
use device_key_types::Sha256Digest;
use device_key_types::attestation::ActivatedSecret;

use crate::certificate;
use crate::error::OperationError;
use crate::link::{Link, not_signed};

/// Separates our attestation keys from other keys that are derived from the endorsement seed.
const ATTESTATION_KEY_LABEL: &[u8] = b"device-key-attestation-key/v1\0";

/// The first and last NV index of the manufacturer's certificate chains, which lead from
/// endorsement certificates to a root (TCG "EK Credential Profile", section "NV Index Assignments":
/// EK certificate chains).
const CHAIN_FIRST: u32 = 0x01C0_0100;
const CHAIN_LAST: u32 = 0x01C0_01FF;

/// An endorsement key, and the certificates that the TPM keeps for it. The key's own certificate
/// comes first.
pub(crate) struct Endorsement {
    pub(crate) public: EndorsementPublic,
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// An attestation key, and its own certification of its creation.
pub(crate) struct AttestationKey {
    pub(crate) public: EccP256Public,
    pub(crate) creation_data: Vec<u8>,
    pub(crate) certification: Certification,
}

impl Link {
    /// Returns the endorsement key of the template `asked` and its certificates. If `asked` is
    /// `None`, chooses the first template in `preferred` that has a certificate or, if none has,
    /// the first template. The choice depends only on the TPM.
    pub(crate) fn endorsement(
        &mut self,
        asked: Option<EndorsementTemplate>,
        preferred: [EndorsementTemplate; 3],
        deadline: Instant,
    ) -> Result<Endorsement, OperationError> {
        let (template, certificate) = match asked {
            Some(template) => (template, self.certificate(template, deadline)?),
            None => self.chosen(preferred, deadline)?,
        };
        let certificates = match certificate {
            Some(certificate) => self.with_chain(certificate, deadline)?,
            None => Vec::new(),
        };
        let public = self.with_endorsement_key(template, deadline, |_, key| Ok(key.public))?;
        Ok(Endorsement { public, certificates })
    }

    /// Has the attestation key of a device key certify its own creation.
    pub(crate) fn attestation_key(
        &mut self,
        device_key: &Name,
        qualifying_data: &Sha256Digest,
        deadline: Instant,
    ) -> Result<AttestationKey, OperationError> {
        self.with_attestation_key(device_key, deadline, |link, key| {
            let certification = link.tpm.certify_creation(
                &key.object,
                &key.object,
                &key.evidence,
                qualifying_data.as_bytes(),
                deadline,
            )?;
            let creation_data = key.evidence.data.as_bytes().to_vec();
            Ok(AttestationKey { public: key.public, creation_data, certification })
        })
    }

    /// Opens a credential for the attestation key of a device key, then calls `then` with the
    /// attestation key and the secret from the credential. This unloads the device key first,
    /// because opening takes two of the three object slots, and a transient parent takes the third.
    pub(crate) fn activate<T>(
        &mut self,
        device_key: &Name,
        endorsement_key: EndorsementTemplate,
        credential: Credential<'_>,
        deadline: Instant,
        then: impl FnOnce(
            &mut Self,
            &Primary<EccP256Public>,
            ActivatedSecret,
        ) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        self.unload(deadline)?;
        self.with_attestation_key(device_key, deadline, |link, attestation_key| {
            let secret =
                link.with_endorsement_key(endorsement_key, deadline, |link, endorsement_key| {
                    let object = &attestation_key.object;
                    link.open_credential(object, &endorsement_key, credential, deadline)
                })?;
            then(link, &attestation_key, secret)
        })
    }

    /// Has the attestation key certify the loaded device key.
    pub(crate) fn certify(
        &mut self,
        attestation_key: &Object,
        qualifying_data: &Sha256Digest,
        deadline: Instant,
    ) -> Result<Certification, OperationError> {
        let loaded = self.loaded.as_ref().ok_or(OperationError::OtherKey)?;
        let object = AuthorizedObject { object: &loaded.object, auth_value: &loaded.auth_value };
        let data = qualifying_data.as_bytes();
        let certified =
            self.tpm.certify(&mut self.session, object, attestation_key, data, deadline);
        certified.map_err(not_signed)
    }

    /// Chooses the first of the preferred templates that has a certificate. If none has, chooses
    /// the first template. Returns the template and its certificate.
    pub(crate) fn chosen(
        &mut self,
        preferred: [EndorsementTemplate; 3],
        deadline: Instant,
    ) -> Result<(EndorsementTemplate, Option<Vec<u8>>), OperationError> {
        for template in preferred {
            if let Some(found) = self.certificate(template, deadline)? {
                return Ok((template, Some(found)));
            }
        }
        let [first, ..] = preferred;
        Ok((first, None))
    }

    fn open_credential(
        &mut self,
        attestation_key: &Object,
        endorsement_key: &EndorsementKey,
        credential: Credential<'_>,
        deadline: Instant,
    ) -> Result<ActivatedSecret, OperationError> {
        let secret = match endorsement_key.public.template() {
            EndorsementTemplate::EccP384 => self.tpm.activate_credential(
                &mut self.session,
                attestation_key,
                (&endorsement_key.object, EndorsementAuthorization::EmptyPassword),
                credential,
                deadline,
            ),
            EndorsementTemplate::Rsa2048 | EndorsementTemplate::EccP256 => {
                let policy = self.tpm.start_policy_session(deadline)?;
                self.flushing(policy.handle(), deadline, |link| {
                    let hierarchy = Hierarchy::Endorsement;
                    link.tpm
                        .policy_secret(&policy, hierarchy, deadline)
                        .map_err(hierarchy_error)?;
                    Ok(link.tpm.activate_credential(
                        &mut link.session,
                        attestation_key,
                        (&endorsement_key.object, EndorsementAuthorization::Policy(&policy)),
                        credential,
                        deadline,
                    ))
                })?
            }
        };
        let secret = secret.map_err(|error| match error {
            TpmError::Input(_) => OperationError::OddCredential,
            error => OperationError::Tpm(error),
        })?;
        ActivatedSecret::from_bytes(&secret).map_err(|_| OperationError::OddCredential)
    }

    /// Derives the attestation key of a device key, calls `work` with it, and flushes it. Each
    /// device key has a different attestation key, because the Name of the device key goes into the
    /// derivation.
    fn with_attestation_key<T>(
        &mut self,
        device_key: &Name,
        deadline: Instant,
        work: impl FnOnce(&mut Self, Primary<EccP256Public>) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        let unique = Sha256Digest::of(&[ATTESTATION_KEY_LABEL, device_key.as_bytes()].concat());
        let template = EccP256Template::attestation_key();
        let hierarchy = Hierarchy::Endorsement;
        let key = self
            .tpm
            .create_primary(hierarchy, &template, unique.as_bytes(), deadline)
            .map_err(hierarchy_error)?;
        self.flushing(key.object.handle, deadline, |link| work(link, key))
    }

    fn with_endorsement_key<T>(
        &mut self,
        template: EndorsementTemplate,
        deadline: Instant,
        work: impl FnOnce(&mut Self, EndorsementKey) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        if let Some(key) = self.persistent_endorsement_key(template, deadline)? {
            return work(self, key);
        }
        let Primary { object, public, .. } =
            self.tpm.create_endorsement_key(template, deadline).map_err(hierarchy_error)?;
        let handle = object.handle;
        self.flushing(handle, deadline, |link| work(link, EndorsementKey { object, public }))
    }

    /// Returns the key at the standard persistent handle, if it was made from the standard
    /// template. It then equals the key that would be derived, and using it takes less time.
    fn persistent_endorsement_key(
        &mut self,
        template: EndorsementTemplate,
        deadline: Instant,
    ) -> Result<Option<EndorsementKey>, OperationError> {
        let handle = template.persistent_handle();
        let area = match self.tpm.read_public(handle, deadline) {
            Ok(area) => area,
            Err(error) if error.class() == Some(ResponseClass::HandleMissing) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let public = EndorsementPublic::parse(area.as_bytes());
        let public = public.ok().filter(|public| public.template() == template);
        Ok(public.map(|public| {
            let object = Object { handle, name: public.name() };
            EndorsementKey { object, public }
        }))
    }

    /// Reads the certificate from NV memory, without the bytes that fill the rest of the index.
    pub(crate) fn certificate(
        &mut self,
        template: EndorsementTemplate,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, OperationError> {
        let public = match self.tpm.nv_read_public(template.certificate_index(), deadline) {
            Ok(public) if public.is_written() => public,
            Ok(_) => return Ok(None),
            Err(error) if error.class() == Some(ResponseClass::HandleMissing) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match self.tpm.nv_read(&public, deadline) {
            Ok(data) => Ok(certificate::first(&data).map(<[u8]>::to_vec)),
            Err(TpmError::NvNotReadable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the key's certificate, followed by the certificates of its chain in the order of
    /// their indices. A chain may be spread over several indices, and a certificate may begin in
    /// one index and end in the next.
    fn with_chain(
        &mut self,
        certificate: Vec<u8>,
        deadline: Instant,
    ) -> Result<Vec<Vec<u8>>, OperationError> {
        let mut chain = Vec::new();
        for index in self.tpm.handles(HandleRange::NvIndices, deadline)? {
            if (CHAIN_FIRST..=CHAIN_LAST).contains(&index.value()) {
                let public = self.tpm.nv_read_public(index, deadline)?;
                if public.is_written() && (public.auth_read() || public.owner_read()) {
                    chain.extend(self.tpm.nv_read(&public, deadline)?);
                }
            }
        }
        let mut certificates = vec![certificate];
        certificates.extend(certificate::all(&chain).map(<[u8]>::to_vec));
        Ok(certificates)
    }

    /// Calls `work`, then flushes a handle that was just made, whether `work` succeeds or fails.
    fn flushing<T>(
        &mut self,
        handle: Handle,
        deadline: Instant,
        work: impl FnOnce(&mut Self) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        self.temporary.push(handle);
        let outcome = work(self);
        let flushed = self.tpm.flush(handle, deadline);
        // If the TPM did not answer, the handle is flushed when the connection is closed.
        if matches!(flushed, Ok(()) | Err(TpmError::Refused { .. })) {
            self.temporary.retain(|temporary| *temporary != handle);
        }
        let value = outcome?;
        flushed?;
        Ok(value)
    }
}

/// An endorsement key that is loaded, or is persistent, and can be used.
struct EndorsementKey {
    object: Object,
    public: EndorsementPublic,
}

/// Maps a refusal by the endorsement hierarchy to an error of its own: a TPM whose endorsement
/// hierarchy we may not use cannot attest, but its keys can be used.
fn hierarchy_error(error: TpmError) -> OperationError {
    match error.class() {
        Some(ResponseClass::Authorization | ResponseClass::Hierarchy) => {
            OperationError::NoEndorsement(error)
        }
        _ => OperationError::Tpm(error),
    }
}
