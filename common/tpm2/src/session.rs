//! HMAC sessions, which authenticate every command and response and encrypt selected parameters.
//! Also the authorizations that need no secret: the empty password, and policy sessions.
//!
//! A session uses SHA-256 and AES-128-CFB, is not bound, and is salted to the storage root key
//! (Part 1, sections "Session-Based Authorizations" and "Parameter Encryption"). The salt does not
//! prove whose key the session is salted to. The caller therefore compares the
//! [`Name`](crate::Name) of the key with the Name that it pinned.

mod auth_value;
mod hmac_key;
mod parameter_encryption;
mod policy;
mod salt;
mod unkeyed;

#[cfg(test)]
mod tests;

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use auth_value::AuthValue;
pub(crate) use parameter_encryption::ParameterEncryption;
pub use policy::PolicySession;
pub(crate) use salt::Salt;
pub(crate) use unkeyed::Unkeyed;

use self::hmac_key::HmacKey;
use crate::constants::{CommandCode, SHA256_SIZE};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader, Writer};
use crate::structures::Name;

/// Bytes in a nonce. A nonce is as long as the digest of the session's hash, so that it is not
/// weaker than the HMAC.
pub(crate) const NONCE_SIZE: usize = SHA256_SIZE;

/// `continueSession` of `TPMA_SESSION` (Part 2, 8.4): the session stays open after this command.
const CONTINUE_SESSION: u8 = 1 << 0;
/// `decrypt` of `TPMA_SESSION`: the TPM must decrypt the first parameter of the command.
const DECRYPT: u8 = 1 << 5;
/// `encrypt` of `TPMA_SESSION`: the TPM must encrypt the first parameter of the response.
const ENCRYPT: u8 = 1 << 6;

/// An open HMAC session. The session stays in the TPM until it is flushed, on a raw TPM even after
/// a disconnect. End it with [`Tpm::flush_session`](crate::Tpm::flush_session).
pub struct Session {
    handle: Handle,
    key: Zeroizing<[u8; SHA256_SIZE]>,
    nonce_tpm: [u8; NONCE_SIZE],
    usable: bool,
}

impl Session {
    /// Derives the session key from the salt and from the first nonce of each side.
    pub(crate) fn open(
        handle: Handle,
        salt: &Salt,
        nonce_caller: &[u8; NONCE_SIZE],
        nonce_tpm: [u8; NONCE_SIZE],
    ) -> Self {
        let mut key = Zeroizing::new([0; SHA256_SIZE]);
        HmacKey::join(&salt.secret, &[]).kdfa("ATH", &nonce_tpm, nonce_caller, key.as_mut_slice());
        Self { handle, key, nonce_tpm, usable: true }
    }

    /// The session's handle. A caller can record it, for instance to flush the session after a
    /// crash.
    pub const fn handle(&self) -> Handle {
        self.handle
    }

    /// Whether another command can use this session. After a missing or forged response it cannot:
    /// flush the session and start another one.
    pub const fn is_usable(&self) -> bool {
        self.usable
    }

    pub(crate) const fn set_usable(&mut self, usable: bool) {
        self.usable = usable;
    }

    /// Encrypts the first of `parameters` if `encryption` says so, and authorizes the command.
    /// `names` are the Names of all handles of the command, in their order; `auth_value` is the
    /// authValue of the first.
    pub(crate) fn authorize<'a>(
        &self,
        code: CommandCode,
        names: impl IntoIterator<Item = &'a Name>,
        auth_value: &AuthValue,
        nonce_caller: [u8; NONCE_SIZE],
        encryption: ParameterEncryption,
        parameters: &mut [u8],
    ) -> Result<Authorization, MarshalError> {
        let session_value = HmacKey::join(&self.key, auth_value.as_bytes());
        let attributes = match encryption {
            ParameterEncryption::None => CONTINUE_SESSION,
            ParameterEncryption::Command => CONTINUE_SESSION | DECRYPT,
            ParameterEncryption::Both => CONTINUE_SESSION | DECRYPT | ENCRYPT,
        };
        if attributes & DECRYPT != 0 {
            parameter_encryption::encrypt_first(
                &session_value,
                &nonce_caller,
                &self.nonce_tpm,
                parameters,
            )?;
        }
        let mut command_hash = Sha256::new_with_prefix(code.value().to_be_bytes());
        for name in names {
            command_hash.update(name.as_bytes());
        }
        let command_hash: [u8; SHA256_SIZE] =
            command_hash.chain_update(&*parameters).finalize().into();
        let hmac = session_value.authenticate(&[
            &command_hash,
            &nonce_caller,
            &self.nonce_tpm,
            &[attributes],
        ]);
        Ok(Authorization {
            handle: self.handle,
            code,
            session_value,
            nonce_caller,
            attributes,
            hmac,
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("handle", &self.handle)
            .field("usable", &self.usable)
            .finish_non_exhaustive()
    }
}

/// The authorization of one command. It is kept so that the response can be verified against it.
pub(crate) struct Authorization {
    handle: Handle,
    code: CommandCode,
    session_value: HmacKey,
    nonce_caller: [u8; NONCE_SIZE],
    attributes: u8,
    hmac: [u8; SHA256_SIZE],
}

/// Why a response was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResponseFault {
    Malformed(MarshalError),
    NotAuthentic,
}

impl From<MarshalError> for ResponseFault {
    fn from(error: MarshalError) -> Self {
        Self::Malformed(error)
    }
}

impl Authorization {
    /// Writes the `TPMS_AUTH_COMMAND` (Part 2, 10.13.2).
    pub(crate) fn build(&self, writer: &mut Writer) -> Result<(), MarshalError> {
        writer
            .put_u32(self.handle.value())?
            .put_sized(&self.nonce_caller)?
            .put_u8(self.attributes)?
            .put_sized(&self.hmac)?;
        Ok(())
    }

    /// Verifies the `TPMS_AUTH_RESPONSE` (Part 2, 10.13.3) at the reader's position, and then
    /// decrypts the first parameter if it is encrypted. Returns the TPM's next nonce.
    pub(crate) fn accept(
        &self,
        parameters: &mut [u8],
        reader: &mut Reader<'_>,
    ) -> Result<[u8; NONCE_SIZE], ResponseFault> {
        let nonce = reader.sized(NONCE_SIZE, "nonceTPM")?;
        let attributes = reader.u8("sessionAttributes")?;
        let hmac = reader.sized(SHA256_SIZE, "hmac")?;
        let response_hash: [u8; SHA256_SIZE] = Sha256::new()
            .chain_update(0u32.to_be_bytes())
            .chain_update(self.code.value().to_be_bytes())
            .chain_update(&*parameters)
            .finalize()
            .into();
        let authentic = self
            .session_value
            .verify(&[&response_hash, nonce, &self.nonce_caller, &[attributes]], hmac);
        if !authentic {
            return Err(ResponseFault::NotAuthentic);
        }
        let nonce_tpm = <[u8; NONCE_SIZE]>::try_from(nonce)
            .map_err(|_| MarshalError::Truncated { field: "nonceTPM" })?;
        if attributes != self.attributes {
            return Err(ResponseFault::Malformed(MarshalError::Value {
                field: "sessionAttributes",
                value: u64::from(attributes),
            }));
        }
        if attributes & ENCRYPT != 0 {
            parameter_encryption::decrypt_first(
                &self.session_value,
                &nonce_tpm,
                &self.nonce_caller,
                parameters,
            )?;
        }
        Ok(nonce_tpm)
    }
}

impl Session {
    /// Replaces the TPM's nonce with the nonce of an accepted response.
    pub(crate) const fn roll(&mut self, nonce_tpm: [u8; NONCE_SIZE]) {
        self.nonce_tpm = nonce_tpm;
    }
}
