//! `TPM2_FlushContext` (Part 3, 28.4).

use std::time::Instant;

use super::get_capability::HandleRange;
use crate::client::{Plain, Tpm};
use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::handle::Handle;
use crate::marshal::Writer;
use crate::session::{PolicySession, Session};

impl Tpm {
    /// Removes a loaded object or a session from the TPM.
    pub fn flush(&mut self, handle: Handle, deadline: Instant) -> Result<(), Error> {
        // The handle is a parameter of this command, not in its handle area: it takes no authorization.
        let mut parameters = Writer::new();
        parameters.put_u32(handle.value()).map_err(Error::Input)?;
        let plain =
            Plain { code: CommandCode::FlushContext, handles: &[], returns: ReturnsHandle::No };
        self.run(&plain, &parameters, deadline).map(|_| ())
    }

    /// Ends a session.
    pub fn flush_session(&mut self, session: Session, deadline: Instant) -> Result<(), Error> {
        let handle = session.handle();
        // Its keys are wiped whatever the TPM answers.
        drop(session);
        self.flush(handle, deadline)
    }

    /// Ends a policy session.
    pub fn flush_policy_session(
        &mut self,
        session: &PolicySession,
        deadline: Instant,
    ) -> Result<(), Error> {
        self.flush(session.handle(), deadline)
    }

    /// Removes every loaded object and every session, whoever made them, and says how many.
    ///
    /// Only for a raw TPM that is exclusively ours and full (0x902, 0x903, 0x905): a `unix:` simulator after
    /// a crash. On a shared TPM this would break other programs.
    pub fn flush_everything(&mut self, deadline: Instant) -> Result<usize, Error> {
        let mut flushed = 0;
        for range in
            [HandleRange::Transient, HandleRange::LoadedSessions, HandleRange::SavedSessions]
        {
            for handle in self.handles(range, deadline)? {
                self.flush(handle, deadline)?;
                flushed += 1;
            }
        }
        Ok(flushed)
    }
}
