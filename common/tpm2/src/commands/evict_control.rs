//! `TPM2_EvictControl` (Part 3, 28.5).

use std::time::Instant;

use crate::client::{PlainCommand, Tpm};
use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::handle::Handle;
use crate::marshal::Writer;

impl Tpm {
    /// Makes a loaded object persistent at the handle `persistent`, or removes a persistent object
    /// if both handles are equal. The owner hierarchy must have an empty authorization. A loaded
    /// object stays loaded.
    pub fn evict_control(
        &mut self,
        object: Handle,
        persistent: Handle,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut parameters = Writer::new();
        parameters.put_u32(persistent.value()).map_err(Error::Input)?;
        let plain = PlainCommand {
            code: CommandCode::EvictControl,
            handles: &[Handle::OWNER, object],
            returns: ReturnsHandle::No,
        };
        self.run_with_password(&plain, &parameters, deadline).map(|_| ())
    }
}
