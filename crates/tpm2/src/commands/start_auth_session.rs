//! `TPM2_StartAuthSession` (Part 3, 11.1).

use std::time::Instant;

use super::{parse_all, returned_handle};
use crate::client::{Plain, Tpm};
use crate::constants::{AES_KEY_BITS, ALG_AES, ALG_CFB, ALG_SHA256, CommandCode, SESSION_HMAC};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};
use crate::session::{NONCE_SIZE, Salt, Session};
use crate::structures::EccP256Public;

impl Tpm {
    /// Opens an HMAC session salted to the storage key at `handle`, whose public area the caller has compared
    /// with the one it pinned. Flush it with [`Tpm::flush_session`].
    pub fn start_session(
        &mut self,
        handle: Handle,
        storage_key: &EccP256Public,
        deadline: Instant,
    ) -> Result<Session, Error> {
        let command = CommandCode::StartAuthSession;
        let salt = Salt::agree(storage_key.point(), self.random())?;
        let mut nonce_caller = [0; NONCE_SIZE];
        self.random().fill(&mut nonce_caller)?;
        let parameters = parameters(&nonce_caller, &salt.encrypted).map_err(Error::Input)?;
        let plain =
            Plain { code: command, handles: &[handle, Handle::NULL], returns: ReturnsHandle::Yes };
        let body = self.run(&plain, &parameters, deadline)?;
        let session = returned_handle(command, &body)?;
        let nonce_tpm = parse_all(command, &body, |reader| {
            <[u8; NONCE_SIZE]>::try_from(reader.sized(NONCE_SIZE, "nonceTPM")?)
                .map_err(|_| MarshalError::Truncated { field: "nonceTPM" })
        });
        match nonce_tpm {
            Ok(nonce_tpm) => Ok(Session::open(session, &salt, &nonce_caller, nonce_tpm)),
            Err(error) => {
                let _ = self.flush(session, deadline);
                Err(error)
            }
        }
    }
}

fn parameters(nonce_caller: &[u8], encrypted_salt: &[u8]) -> Result<Writer, MarshalError> {
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
