//! `TPM2_GetRandom` (Part 3, 16.1).

use std::time::Instant;

use super::parse_all;
use crate::client::{Plain, Tpm};
use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::Writer;

impl Tpm {
    /// Bytes from the TPM's generator: at most `count`, a TPM may give fewer (usually up to 32). They travel
    /// in the clear, so they are a sign of life and extra entropy, not a secret.
    pub fn get_random(&mut self, count: u16, deadline: Instant) -> Result<Vec<u8>, Error> {
        let command = CommandCode::GetRandom;
        let mut parameters = Writer::new();
        parameters.put_u16(count).map_err(Error::Input)?;
        let plain = Plain { code: command, handles: &[], returns: ReturnsHandle::No };
        let body = self.run(&plain, &parameters, deadline)?;
        parse_all(command, &body, |reader| {
            Ok(reader.sized(usize::from(count), "randomBytes")?.to_vec())
        })
    }
}
