//! `TPM2_GetRandom` (Part 3, 16.1).

use std::time::Instant;

use super::parse_all;
use crate::client::{PlainCommand, Tpm};
use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::Writer;

impl Tpm {
    /// Reads at most `count` bytes from the TPM's random number generator. A TPM may return fewer
    /// bytes (usually up to 32). The bytes are not encrypted on the way from the TPM: use them as a
    /// sign of life or as extra entropy, not as a secret.
    pub fn get_random(&mut self, count: u16, deadline: Instant) -> Result<Vec<u8>, Error> {
        let command = CommandCode::GetRandom;
        let mut parameters = Writer::new();
        parameters.put_u16(count).map_err(Error::Input)?;
        let plain = PlainCommand { code: command, handles: &[], returns: ReturnsHandle::No };
        let body = self.run(&plain, &parameters, deadline)?;
        parse_all(command, &body, |reader| {
            Ok(reader.sized(usize::from(count), "randomBytes")?.to_vec())
        })
    }
}
