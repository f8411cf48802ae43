//! `TPM2_Sign` (Part 3, 20.2).

use std::time::Instant;

use super::parse_all;
use crate::client::{AuthorizedObject, SessionCommand, Tpm};
use crate::constants::{ALG_NULL, CommandCode, SHA256_SIZE};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::{MarshalError, Writer};
use crate::session::{ParameterEncryption, Session};
use crate::structures::{EcdsaSignature, put_null_hashcheck};

impl Tpm {
    /// Signs a SHA-256 digest with a loaded key whose scheme is fixed to ECDSA with SHA-256. The
    /// session authenticates the response, but this crate does not verify the signature: verify it
    /// with the public key that you stored for this key.
    pub fn sign(
        &mut self,
        session: &mut Session,
        key: AuthorizedObject<'_>,
        digest: &[u8; SHA256_SIZE],
        deadline: Instant,
    ) -> Result<EcdsaSignature, Error> {
        let command = CommandCode::Sign;
        let in_session = SessionCommand {
            code: command,
            key,
            other: None,
            // The response starts with a TPMT_SIGNATURE. This is not a TPM2B, so it cannot be
            // encrypted.
            encryption: ParameterEncryption::Command,
            returns: ReturnsHandle::No,
        };
        let parameters = parameters(digest).map_err(Error::Input)?;
        let body = self.run_in_session(session, &in_session, parameters, deadline)?;
        parse_all(command, &body, EcdsaSignature::parse)
    }
}

fn parameters(digest: &[u8; SHA256_SIZE]) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    // A null inScheme selects the key's own scheme.
    writer.put_sized(digest)?.put_u16(ALG_NULL)?;
    put_null_hashcheck(&mut writer)?;
    Ok(writer)
}
