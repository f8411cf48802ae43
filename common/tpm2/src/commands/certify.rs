//! `TPM2_Certify` (Part 3, 18.2) and `TPM2_CertifyCreation` (Part 3, 18.3).

use std::time::Instant;

use super::parse_all;
use crate::client::{AuthorizedObject, InSession, Object, Plain, Tpm};
use crate::constants::{ALG_NULL, CommandCode, SHA256_SIZE};
use crate::error::Error;
use crate::frame::{Body, ReturnsHandle};
use crate::marshal::{MarshalError, Writer};
use crate::session::{ParameterEncryption, Session, Unkeyed};
use crate::structures::{Attest, Attested, CreationEvidence, EcdsaSignature};

/// Largest attestation accepted, in bytes. One of a certification has less than 300.
const MAX_ATTEST: usize = 1024;

/// A statement of the TPM with the signature of an attestation key. The signature is not verified: who gets it
/// verifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certification {
    /// What is said.
    pub attest: Attest,
    /// The attestation key's signature over [`Attest::as_bytes`].
    pub signature: EcdsaSignature,
}

impl Tpm {
    /// Lets an attestation key, whose authValue is empty, say that `object` is in this TPM. The session
    /// authorizes the object, since nobody else may have it attested. `qualifying_data` comes back in the
    /// statement.
    pub fn certify(
        &mut self,
        session: &mut Session,
        object: AuthorizedObject<'_>,
        attestation_key: &Object,
        qualifying_data: &[u8; SHA256_SIZE],
        deadline: Instant,
    ) -> Result<Certification, Error> {
        let command = CommandCode::Certify;
        let in_session = InSession {
            code: command,
            key: object,
            other: Some((attestation_key, Unkeyed::EmptyPassword)),
            // A hash goes out and a statement for others comes back: no secrets.
            encryption: ParameterEncryption::None,
            returns: ReturnsHandle::No,
        };
        let parameters = certify_parameters(qualifying_data).map_err(Error::Input)?;
        let body = self.run_in_session(session, &in_session, parameters, deadline)?;
        let certification = certification(command, &body)?;
        let attest = &certification.attest;
        let about_object = matches!(&attest.attested, Attested::Certify { name, .. } if *name == object.object.name);
        if about_object && attest.extra_data == qualifying_data {
            Ok(certification)
        } else {
            Err(Error::UnexpectedAttestation { command })
        }
    }

    /// Lets an attestation key, whose authValue is empty, say that this TPM made `object`, which can be the
    /// same key, in the circumstances of `evidence`. Another TPM's ticket, or one from before a reset, is
    /// refused. `qualifying_data` comes back in the statement.
    pub fn certify_creation(
        &mut self,
        attestation_key: &Object,
        object: &Object,
        evidence: &CreationEvidence,
        qualifying_data: &[u8; SHA256_SIZE],
        deadline: Instant,
    ) -> Result<Certification, Error> {
        let command = CommandCode::CertifyCreation;
        let parameters = creation_parameters(evidence, qualifying_data).map_err(Error::Input)?;
        let handles = [attestation_key.handle, object.handle];
        let plain = Plain { code: command, handles: &handles, returns: ReturnsHandle::No };
        let body = self.run_with_password(&plain, &parameters, deadline)?;
        let certification = certification(command, &body)?;
        let attest = &certification.attest;
        let about_object = matches!(
            &attest.attested,
            Attested::Creation { object_name, creation_hash }
                if *object_name == object.name && *creation_hash == evidence.hash
        );
        if about_object && attest.extra_data == qualifying_data {
            Ok(certification)
        } else {
            Err(Error::UnexpectedAttestation { command })
        }
    }
}

fn certify_parameters(qualifying_data: &[u8]) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    // inScheme null: the key's own scheme.
    writer.put_sized(qualifying_data)?.put_u16(ALG_NULL)?;
    Ok(writer)
}

fn creation_parameters(
    evidence: &CreationEvidence,
    qualifying_data: &[u8],
) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    writer.put_sized(qualifying_data)?.put_sized(&evidence.hash)?.put_u16(ALG_NULL)?;
    evidence.ticket.build(&mut writer)?;
    Ok(writer)
}

fn certification(command: CommandCode, body: &Body) -> Result<Certification, Error> {
    parse_all(command, body, |reader| {
        Ok(Certification {
            attest: Attest::parse(reader.sized(MAX_ATTEST, "certifyInfo")?)?,
            signature: EcdsaSignature::parse(reader)?,
        })
    })
}
