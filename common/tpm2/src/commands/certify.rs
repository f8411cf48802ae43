//! `TPM2_Certify` (Part 3, 18.2) and `TPM2_CertifyCreation` (Part 3, 18.3).

use std::time::Instant;

use super::parse_all;
use crate::client::{AuthorizedObject, Object, PlainCommand, SessionCommand, Tpm};
use crate::constants::{ALG_NULL, CommandCode, SHA256_SIZE};
use crate::error::Error;
use crate::frame::{ResponseBody, ReturnsHandle};
use crate::marshal::{MarshalError, Writer};
use crate::session::{ParameterEncryption, Session, Unkeyed};
use crate::structures::{Attest, Attested, CreationEvidence, EcdsaSignature};

/// Largest accepted attestation in bytes. The attestation of a certification has less than 300.
const MAX_ATTEST: usize = 1024;

/// A statement of the TPM, with the signature of an attestation key. This crate does not verify the
/// signature; the recipient of the statement must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certification {
    /// The signed statement.
    pub attest: Attest,
    /// The attestation key's signature over [`Attest::as_bytes`].
    pub signature: EcdsaSignature,
}

impl Tpm {
    /// Has an attestation key sign a statement that `object` is in this TPM. The authValue of the
    /// attestation key must be empty. The session authorizes the use of `object`, so only a caller
    /// that knows the secret of `object` can have it attested. The TPM includes `qualifying_data`
    /// in the statement.
    pub fn certify(
        &mut self,
        session: &mut Session,
        object: AuthorizedObject<'_>,
        attestation_key: &Object,
        qualifying_data: &[u8; SHA256_SIZE],
        deadline: Instant,
    ) -> Result<Certification, Error> {
        let command = CommandCode::Certify;
        let in_session = SessionCommand {
            code: command,
            key: object,
            other: Some((attestation_key, Unkeyed::EmptyPassword)),
            // The command sends a hash and the response is meant to be published: neither is
            // secret.
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

    /// Has an attestation key sign a statement that this TPM made `object` in the circumstances of
    /// `evidence`. The authValue of the attestation key must be empty; `object` can be the
    /// attestation key itself. The TPM refuses a ticket of another TPM and a ticket from before its
    /// last reset. The TPM includes `qualifying_data` in the statement.
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
        let plain = PlainCommand { code: command, handles: &handles, returns: ReturnsHandle::No };
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
    // A null inScheme selects the key's own scheme.
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

fn certification(command: CommandCode, body: &ResponseBody) -> Result<Certification, Error> {
    parse_all(command, body, |reader| {
        Ok(Certification {
            attest: Attest::parse(reader.sized(MAX_ATTEST, "certifyInfo")?)?,
            signature: EcdsaSignature::parse(reader)?,
        })
    })
}
