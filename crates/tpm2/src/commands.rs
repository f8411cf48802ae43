//! One command, or one family of commands, per file: each an `impl Tpm` block.

mod create;
mod create_primary;
mod evict_control;
mod flush_context;
mod get_capability;
mod get_random;
mod load;
mod read_public;
mod sign;
mod start_auth_session;
mod startup;

pub use create::CreatedKey;
pub use get_capability::HandleRange;

use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::Body;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader};

/// Parses all of a response's parameters.
fn parse_all<T>(
    command: CommandCode,
    body: &Body,
    parse: impl FnOnce(&mut Reader<'_>) -> Result<T, MarshalError>,
) -> Result<T, Error> {
    let mut reader = Reader::new(&body.parameters);
    parse(&mut reader)
        .and_then(|value| reader.finish().map(|()| value))
        .map_err(|source| Error::Malformed { command, source })
}

/// The handle of a response that carries one.
fn returned_handle(command: CommandCode, body: &Body) -> Result<Handle, Error> {
    body.handle
        .ok_or(Error::Malformed { command, source: MarshalError::Truncated { field: "handle" } })
}

/// Reads past the creation data, hash and ticket that `TPM2_Create` and `TPM2_CreatePrimary` return. They
/// prove the circumstances of the creation to a later `TPM2_CertifyCreation`, which is not used here.
fn skip_creation_evidence(reader: &mut Reader<'_>) -> Result<(), MarshalError> {
    use crate::constants::TAG_CREATION;
    let limit = 1024;
    reader.sized(limit, "creationData")?;
    reader.sized(64, "creationHash")?;
    let tag = reader.u16("creationTicket tag")?;
    if tag != TAG_CREATION {
        return Err(MarshalError::Value { field: "creationTicket tag", value: u64::from(tag) });
    }
    reader.u32("creationTicket hierarchy")?;
    reader.sized(64, "creationTicket digest")?;
    Ok(())
}
