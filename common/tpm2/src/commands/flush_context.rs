//! `TPM2_FlushContext` (Part 3, 28.4).

use std::time::Instant;

use super::get_capability::HandleRange;
use crate::client::{PlainCommand, Tpm};
use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::handle::Handle;
use crate::marshal::Writer;
use crate::session::{PolicySession, Session};

impl Tpm {
    /// Removes a loaded object or a session from the TPM.
    pub fn flush(&mut self, handle: Handle, deadline: Instant) -> Result<(), Error> {
        // In this command the handle is a parameter and not part of the handle area, so it takes no
        // authorization.
        let mut parameters = Writer::new();
        parameters.put_u32(handle.value()).map_err(Error::Input)?;
        let plain = PlainCommand {
            code: CommandCode::FlushContext,
            handles: &[],
            returns: ReturnsHandle::No,
        };
        self.run(&plain, &parameters, deadline).map(|_| ())
    }

    /// Ends an HMAC session.
    pub fn flush_session(&mut self, session: Session, deadline: Instant) -> Result<(), Error> {
        let handle = session.handle();
        // Wipe the session's keys whatever the TPM answers.
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

    /// Removes every loaded object and every session, including those of other programs, and
    /// returns how many it removed.
    ///
    /// Use this only on a raw TPM that no other program uses and that is full (0x902, 0x903,
    /// 0x905), such as a `unix:` simulator after a crash. On a shared TPM it would break other
    /// programs.
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
