//! `TPM2_Load` (Part 3, 12.2).

use std::time::Instant;

use super::{parse_all, returned_handle};
use crate::client::{AuthorizedObject, Object, SessionCommand, Tpm};
use crate::constants::{CommandCode, MAX_NAME};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::{MarshalError, Writer};
use crate::session::{ParameterEncryption, Session};
use crate::structures::{EccP256Public, PrivateBlob};

impl Tpm {
    /// Loads a key under its parent. The caller must flush the key.
    ///
    /// Fails with [`Error::Refused`] with the class [`Integrity`](crate::ResponseClass::Integrity)
    /// if the private part belongs to another parent or another TPM, or was made before the TPM was
    /// cleared, or is damaged.
    pub fn load(
        &mut self,
        session: &mut Session,
        parent: AuthorizedObject<'_>,
        private: &PrivateBlob,
        public: &EccP256Public,
        deadline: Instant,
    ) -> Result<Object, Error> {
        let command = CommandCode::Load;
        let in_session = SessionCommand {
            code: command,
            key: parent,
            other: None,
            // The private part is encrypted to the parent already, and the response holds only the
            // public Name.
            encryption: ParameterEncryption::None,
            returns: ReturnsHandle::Yes,
        };
        let parameters = parameters(private, public).map_err(Error::Input)?;
        let body = self.run_in_session(session, &in_session, parameters, deadline)?;
        let handle = returned_handle(command, &body)?;
        let name = parse_all(command, &body, |reader| Ok(reader.sized(MAX_NAME, "name")?.to_vec()));
        let computed = public.name();
        match name {
            Ok(name) if name == computed.as_bytes() => Ok(Object { handle, name: computed }),
            other => {
                let _ = self.flush(handle, deadline);
                Err(other.err().unwrap_or(Error::NameMismatch { command }))
            }
        }
    }
}

fn parameters(private: &PrivateBlob, public: &EccP256Public) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    writer.put_sized(private.as_bytes())?.put_sized(public.as_bytes())?;
    Ok(writer)
}
