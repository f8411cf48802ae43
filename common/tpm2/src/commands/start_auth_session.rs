//! `TPM2_StartAuthSession` (Part 3, 11.1).

use std::time::Instant;

use super::{parse_all, returned_handle};
use crate::client::{PlainCommand, Tpm};
use crate::constants::{
    AES_KEY_BITS, ALG_AES, ALG_CFB, ALG_NULL, ALG_SHA256, CommandCode, SESSION_HMAC, SESSION_POLICY,
};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};
use crate::session::{NONCE_SIZE, PolicySession, Salt, Session};
use crate::structures::EccP256Public;

impl Tpm {
    /// Opens an HMAC session salted to the storage key at `handle`. Before the call, compare the
    /// public area `storage_key` with the one that you pinned. End the session with
    /// [`Tpm::flush_session`].
    pub fn start_session(
        &mut self,
        handle: Handle,
        storage_key: &EccP256Public,
        deadline: Instant,
    ) -> Result<Session, Error> {
        let salt = Salt::agree(storage_key.point(), self.random())?;
        let (session, nonce_caller, nonce_tpm) =
            self.start_auth_session(handle, |nonce| hmac(nonce, &salt.encrypted), deadline)?;
        Ok(Session::open(session, &salt, &nonce_caller, nonce_tpm))
    }

    /// Opens a policy session with SHA-256. The session is neither salted nor bound: what it
    /// authorizes depends on the policy commands that follow. End it with
    /// [`Tpm::flush_policy_session`].
    pub fn start_policy_session(&mut self, deadline: Instant) -> Result<PolicySession, Error> {
        let (session, _, _) = self.start_auth_session(Handle::NULL, policy, deadline)?;
        Ok(PolicySession::new(session))
    }

    /// Returns the session's handle, the caller's nonce and the TPM's nonce.
    fn start_auth_session(
        &mut self,
        salting_key: Handle,
        parameters: impl FnOnce(&[u8]) -> Result<Writer, MarshalError>,
        deadline: Instant,
    ) -> Result<(Handle, [u8; NONCE_SIZE], [u8; NONCE_SIZE]), Error> {
        let command = CommandCode::StartAuthSession;
        let mut nonce_caller = [0; NONCE_SIZE];
        self.random().fill(&mut nonce_caller)?;
        let parameters = parameters(&nonce_caller).map_err(Error::Input)?;
        let handles = [salting_key, Handle::NULL];
        let plain = PlainCommand { code: command, handles: &handles, returns: ReturnsHandle::Yes };
        let body = self.run(&plain, &parameters, deadline)?;
        let session = returned_handle(command, &body)?;
        let nonce_tpm = parse_all(command, &body, |reader| {
            <[u8; NONCE_SIZE]>::try_from(reader.sized(NONCE_SIZE, "nonceTPM")?)
                .map_err(|_| MarshalError::Truncated { field: "nonceTPM" })
        });
        match nonce_tpm {
            Ok(nonce_tpm) => Ok((session, nonce_caller, nonce_tpm)),
            Err(error) => {
                let _ = self.flush(session, deadline);
                Err(error)
            }
        }
    }
}

fn hmac(nonce_caller: &[u8], encrypted_salt: &[u8]) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    writer
        .put_sized(nonce_caller)?
        .put_sized(encrypted_salt)?
        .put_u8(SESSION_HMAC)?
        .put_u16(ALG_AES)?
        .put_u16(AES_KEY_BITS)?
        .put_u16(ALG_CFB)?
        .put_u16(ALG_SHA256)?;
    Ok(writer)
}

fn policy(nonce_caller: &[u8]) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    // The session has neither a salt nor a symmetric algorithm, because it encrypts nothing.
    writer
        .put_sized(nonce_caller)?
        .put_sized(&[])?
        .put_u8(SESSION_POLICY)?
        .put_u16(ALG_NULL)?
        .put_u16(ALG_SHA256)?;
    Ok(writer)
}
