//! `TPM2_Startup` (Part 3, 9.3) and `TPM2_SelfTest` (Part 3, 10.2).

use std::time::Instant;

use crate::client::{Plain, Tpm};
use crate::constants::{CommandCode, STARTUP_CLEAR};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::Writer;
use crate::response_code::ResponseClass;

impl Tpm {
    /// Starts the TPM with `TPM_SU_CLEAR`. A TPM that has been started answers 0x100, which is success here:
    /// firmware or the kernel did it.
    pub fn startup(&mut self, deadline: Instant) -> Result<(), Error> {
        let mut parameters = Writer::new();
        parameters.put_u16(STARTUP_CLEAR).map_err(Error::Input)?;
        match self.run(&plain(CommandCode::Startup), &parameters, deadline) {
            Err(error) if error.class() == Some(ResponseClass::Initialize) => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Tests what has not been tested yet (`fullTest` NO). The TPM may go on testing after it has answered;
    /// commands then get TESTING and are repeated.
    pub fn self_test(&mut self, deadline: Instant) -> Result<(), Error> {
        let mut parameters = Writer::new();
        parameters.put_u8(0).map_err(Error::Input)?;
        self.run(&plain(CommandCode::SelfTest), &parameters, deadline).map(|_| ())
    }
}

fn plain(code: CommandCode) -> Plain<'static> {
    Plain { code, handles: &[], returns: ReturnsHandle::No }
}
