//! `TPM2_ReadPublic` (Part 3, 12.4).

use std::time::Instant;

use super::parse_all;
use crate::client::{PlainCommand, Tpm};
use crate::constants::{CommandCode, MAX_NAME};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::handle::Handle;
use crate::marshal::Writer;
use crate::structures::PublicArea;

impl Tpm {
    /// Reads the public area of the object at `handle`.
    ///
    /// Fails with [`Error::NameMismatch`] if the Name that the TPM returns differs from the Name
    /// that this crate computes. A Name with an algorithm that this crate cannot compute is not
    /// compared; [`PublicArea::name`] is then `None`.
    pub fn read_public(&mut self, handle: Handle, deadline: Instant) -> Result<PublicArea, Error> {
        let command = CommandCode::ReadPublic;
        let plain = PlainCommand { code: command, handles: &[handle], returns: ReturnsHandle::No };
        let body = self.run(&plain, &Writer::new(), deadline)?;
        let (public, name) = parse_all(command, &body, |reader| {
            let public = PublicArea::parse_tpm2b(reader)?;
            let name = reader.sized(MAX_NAME, "name")?.to_vec();
            reader.sized(MAX_NAME, "qualifiedName")?;
            Ok((public, name))
        })?;
        match public.name() {
            Some(computed) if computed.as_bytes() != name => Err(Error::NameMismatch { command }),
            _ => Ok(public),
        }
    }
}
