//! The TPM commands. Each file holds one command or one family of commands, as an `impl Tpm` block.

mod activate_credential;
mod certify;
mod create;
mod create_primary;
mod evict_control;
mod flush_context;
mod get_capability;
mod get_random;
mod load;
mod nv;
mod policy_secret;
mod read_public;
mod sign;
mod start_auth_session;
mod startup;

pub use activate_credential::{Credential, EndorsementAuthorization};
pub use certify::Certification;
pub use create::CreatedKey;
pub use create_primary::{Hierarchy, Primary};
pub use get_capability::HandleRange;

use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::ResponseBody;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader};

/// Parses the parameters of a response. Bytes that are left over are an error.
fn parse_all<T>(
    command: CommandCode,
    body: &ResponseBody,
    parse: impl FnOnce(&mut Reader<'_>) -> Result<T, MarshalError>,
) -> Result<T, Error> {
    let mut reader = Reader::new(&body.parameters);
    parse(&mut reader)
        .and_then(|value| reader.finish().map(|()| value))
        .map_err(|source| Error::Malformed { command, source })
}

/// Returns the handle of a response to a command that returns one.
fn returned_handle(command: CommandCode, body: &ResponseBody) -> Result<Handle, Error> {
    body.handle
        .ok_or(Error::Malformed { command, source: MarshalError::Truncated { field: "handle" } })
}
