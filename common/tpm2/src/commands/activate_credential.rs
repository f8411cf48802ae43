//! `TPM2_ActivateCredential` (Part 3, 12.5).

use std::time::Instant;

use zeroize::Zeroizing;

use super::parse_all;
use crate::client::{AuthorizedObject, Object, SessionCommand, Tpm};
use crate::constants::{CommandCode, MAX_DIGEST};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::{MarshalError, Writer};
use crate::response_code::{Decoded, ResponseClass, ResponseCode, Subject};
use crate::session::{AuthValue, ParameterEncryption, PolicySession, Session, Unkeyed};

/// Largest `TPMS_ID_OBJECT` in bytes: two digests, each with its size field (Part 2, 12.4.2).
const MAX_ID_OBJECT: usize = 2 * (2 + MAX_DIGEST);
/// Largest encrypted secret in bytes: one number of an RSA-2048 key, which is the largest
/// endorsement key that this crate supports (`TPM2B_ENCRYPTED_SECRET`, Part 2, 11.4.3).
const MAX_ENCRYPTED_SECRET: usize = 256;

/// A secret that a TPM reveals only if it has one particular endorsement key and also holds the
/// object with one particular Name. `TPM2_MakeCredential` makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// The `TPMS_ID_OBJECT`: the integrity HMAC and the encrypted secret. The `TPM2B` size of the
    /// whole is left out. At most 132 bytes.
    pub blob: &'a [u8],
    /// The seed, encrypted to the endorsement key. The `TPM2B` size is left out. At most 256 bytes.
    pub encrypted_secret: &'a [u8],
}

/// How the use of an endorsement key is authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndorsementAuthorization<'a> {
    /// By the key's empty authValue. This is for [`EccP384`](crate::EndorsementTemplate::EccP384).
    EmptyPassword,
    /// By a policy session in which [`Tpm::policy_secret`] was run for the endorsement hierarchy.
    /// This is for [`Rsa2048`](crate::EndorsementTemplate::Rsa2048) and
    /// [`EccP256`](crate::EndorsementTemplate::EccP256).
    Policy(&'a PolicySession),
}

impl Tpm {
    /// Opens a credential that was made for `endorsement_key` and the Name of `attestation_key`,
    /// and returns its secret of at most 64 bytes. The authValue of `attestation_key` must be
    /// empty. The credential and the secret are encrypted between this crate and the TPM.
    ///
    /// Fails with [`Error::Credential`] if the credential was made for another endorsement key or
    /// another object.
    pub fn activate_credential(
        &mut self,
        session: &mut Session,
        attestation_key: &Object,
        endorsement_key: (&Object, EndorsementAuthorization<'_>),
        credential: Credential<'_>,
        deadline: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let command = CommandCode::ActivateCredential;
        let (endorsement_key, authorization) = endorsement_key;
        let empty = AuthValue::empty();
        let in_session = SessionCommand {
            code: command,
            key: AuthorizedObject { object: attestation_key, auth_value: &empty },
            other: Some((endorsement_key, authorization.into())),
            encryption: ParameterEncryption::Both,
            returns: ReturnsHandle::No,
        };
        let parameters = parameters(credential).map_err(Error::Input)?;
        let body = match self.run_in_session(session, &in_session, parameters, deadline) {
            Err(Error::Refused { code, .. }) if self.is_about_credential(code, deadline) => {
                return Err(Error::Credential { code });
            }
            result => result?,
        };
        parse_all(command, &body, |reader| {
            Ok(Zeroizing::new(reader.sized(MAX_DIGEST, "certInfo")?.to_vec()))
        })
    }

    /// Whether a refusal says that the credential is not for these keys. The code depends on where
    /// decryption fails: INTEGRITY if the seed or the Name differs, VALUE or SIZE if the decrypted
    /// bytes are not a secret. The reference implementation answers FAILURE when an RSA key cannot
    /// decrypt the secret. A broken TPM answers FAILURE too, but then also fails the next command,
    /// so this method sends one to tell the two cases apart.
    fn is_about_credential(&mut self, code: ResponseCode, deadline: Instant) -> bool {
        match code.decode() {
            // Both parameters of this command are parts of the credential.
            Decoded::FormatOne { subject: Subject::Parameter(_), .. } => true,
            _ if code.class() == ResponseClass::Failure => self.get_random(1, deadline).is_ok(),
            _ => false,
        }
    }
}

impl From<EndorsementAuthorization<'_>> for Unkeyed {
    fn from(authorization: EndorsementAuthorization<'_>) -> Self {
        match authorization {
            EndorsementAuthorization::EmptyPassword => Self::EmptyPassword,
            EndorsementAuthorization::Policy(session) => Self::Policy(session.handle()),
        }
    }
}

fn parameters(credential: Credential<'_>) -> Result<Writer, MarshalError> {
    let Credential { blob, encrypted_secret } = credential;
    let mut writer = Writer::new();
    for (field, bytes, limit) in [
        ("credentialBlob", blob, MAX_ID_OBJECT),
        ("secret", encrypted_secret, MAX_ENCRYPTED_SECRET),
    ] {
        if bytes.len() > limit {
            return Err(MarshalError::TooLong { field, size: bytes.len(), limit });
        }
        writer.put_sized(bytes)?;
    }
    Ok(writer)
}
