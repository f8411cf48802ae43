//! `TPM2_Startup` (Part 3, 9.3) and `TPM2_SelfTest` (Part 3, 10.2).

use std::time::Instant;

use crate::client::{PlainCommand, Tpm};
use crate::constants::{CommandCode, STARTUP_CLEAR};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::Writer;
use crate::response_code::ResponseClass;

impl Tpm {
    /// Starts the TPM with `TPM_SU_CLEAR`. A TPM that the firmware or the kernel has started
    /// already answers 0x100. This counts as success.
    pub fn startup(&mut self, deadline: Instant) -> Result<(), Error> {
        let mut parameters = Writer::new();
        parameters.put_u16(STARTUP_CLEAR).map_err(Error::Input)?;
        match self.run(&plain(CommandCode::Startup), &parameters, deadline) {
            Err(error) if error.class() == Some(ResponseClass::Initialize) => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Tests everything that the TPM has not tested yet (`fullTest` NO). The TPM may continue
    /// testing after it has answered. It then answers commands with TESTING, and the client repeats
    /// them.
    pub fn self_test(&mut self, deadline: Instant) -> Result<(), Error> {
        let mut parameters = Writer::new();
        parameters.put_u8(0).map_err(Error::Input)?;
        self.run(&plain(CommandCode::SelfTest), &parameters, deadline).map(|_| ())
    }
}

fn plain(code: CommandCode) -> PlainCommand<'static> {
    PlainCommand { code, handles: &[], returns: ReturnsHandle::No }
}
