//! `TPM2_NV_ReadPublic` (Part 3, 31.6) and `TPM2_NV_Read` (Part 3, 31.13).

use std::time::Instant;

use super::parse_all;
use crate::client::{PlainCommand, Tpm};
use crate::constants::{CommandCode, MAX_NAME};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};
use crate::structures::NvPublic;

/// `TPM_PT_NV_BUFFER_MAX` (Part 2, 6.13): the property that tells how many bytes can be read at
/// once.
const NV_BUFFER_MAX: u32 = 0x0000_012C;
/// How many bytes to read at once from a TPM that does not have the property: the smallest buffer
/// that implementations have.
const SMALL_READ: u16 = 512;
/// How many bytes to read at once at most, so that the response fits into a message.
const LARGE_READ: u16 = 2048;

impl Tpm {
    /// Reads the public area of an NV index.
    ///
    /// Fails with [`Error::Refused`] with the class
    /// [`HandleMissing`](crate::ResponseClass::HandleMissing) if the index does not exist.
    pub fn nv_read_public(&mut self, index: Handle, deadline: Instant) -> Result<NvPublic, Error> {
        let command = CommandCode::NvReadPublic;
        let plain = PlainCommand { code: command, handles: &[index], returns: ReturnsHandle::No };
        let body = self.run(&plain, &Writer::new(), deadline)?;
        let (public, returned) = parse_all(command, &body, |reader| {
            let public = NvPublic::parse_tpm2b(reader)?;
            Ok((public, reader.sized(MAX_NAME, "nvName")?.to_vec()))
        })?;
        match public.name() {
            Some(computed) if computed.as_bytes() != returned => {
                Err(Error::NameMismatch { command })
            }
            _ if public.index != index => Err(Error::Malformed {
                command,
                source: MarshalError::Value {
                    field: "nvIndex",
                    value: u64::from(public.index.value()),
                },
            }),
            _ => Ok(public),
        }
    }

    /// Reads all data of an NV index, in as many pieces as the TPM needs. The read is authorized
    /// with the index's own empty authValue if the index allows this, and otherwise with the
    /// owner's empty authorization. The data is neither encrypted nor authenticated.
    ///
    /// Fails with [`Error::NvNotReadable`] if the index allows neither authorization.
    pub fn nv_read(&mut self, public: &NvPublic, deadline: Instant) -> Result<Vec<u8>, Error> {
        let authorized_by = if public.auth_read() {
            public.index
        } else if public.owner_read() {
            Handle::OWNER
        } else {
            return Err(Error::NvNotReadable { index: public.index });
        };
        let most = self.property(NV_BUFFER_MAX, deadline)?;
        let most = most.and_then(|most| u16::try_from(most).ok()).filter(|most| *most != 0);
        let most = most.unwrap_or(SMALL_READ).min(LARGE_READ);
        let handles = [authorized_by, public.index];
        let mut data = Vec::with_capacity(usize::from(public.data_size));
        let mut offset = 0;
        while offset < public.data_size {
            let size = most.min(public.data_size - offset);
            data.extend(self.nv_read_piece(handles, size, offset, deadline)?);
            offset += size;
        }
        Ok(data)
    }

    fn nv_read_piece(
        &mut self,
        handles: [Handle; 2],
        size: u16,
        offset: u16,
        deadline: Instant,
    ) -> Result<Vec<u8>, Error> {
        let command = CommandCode::NvRead;
        let mut parameters = Writer::new();
        parameters.put_u16(size).and_then(|writer| writer.put_u16(offset)).map_err(Error::Input)?;
        let plain = PlainCommand { code: command, handles: &handles, returns: ReturnsHandle::No };
        let body = self.run_with_password(&plain, &parameters, deadline)?;
        parse_all(command, &body, |reader| {
            let data = reader.sized(usize::from(size), "data")?;
            if data.len() < usize::from(size) {
                return Err(MarshalError::Truncated { field: "data" });
            }
            Ok(data.to_vec())
        })
    }
}
