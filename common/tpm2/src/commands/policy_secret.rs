//! `TPM2_PolicySecret` (Part 3, 23.4).

use std::time::Instant;

use super::{Hierarchy, parse_all};
use crate::client::{PlainCommand, Tpm};
use crate::constants::{CommandCode, MAX_DIGEST, TAG_AUTH_SECRET};
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::{MarshalError, Writer};
use crate::session::PolicySession;

/// Largest timeout in bytes: a 64-bit number (`TPM2B_TIMEOUT`, Part 2, 10.4.10).
const MAX_TIMEOUT: usize = 8;

impl Tpm {
    /// Asserts in a policy session that the caller knows the hierarchy's authorization, which must
    /// be empty. The assertion does not expire.
    pub fn policy_secret(
        &mut self,
        session: &PolicySession,
        hierarchy: Hierarchy,
        deadline: Instant,
    ) -> Result<(), Error> {
        let command = CommandCode::PolicySecret;
        let handles = [hierarchy.handle(), session.handle()];
        let plain = PlainCommand { code: command, handles: &handles, returns: ReturnsHandle::No };
        let body =
            self.run_with_password(&plain, &parameters().map_err(Error::Input)?, deadline)?;
        parse_all(command, &body, |reader| {
            reader.sized(MAX_TIMEOUT, "timeout")?;
            // A TPMT_TK_AUTH (Part 2, 10.7.5). It is a null ticket, because the assertion does not
            // expire.
            let tag = reader.u16("policyTicket tag")?;
            if tag != TAG_AUTH_SECRET {
                return Err(MarshalError::Value {
                    field: "policyTicket tag",
                    value: u64::from(tag),
                });
            }
            reader.u32("policyTicket hierarchy")?;
            reader.sized(MAX_DIGEST, "policyTicket digest")?;
            Ok(())
        })
    }
}

fn parameters() -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    // nonceTPM, cpHashA and policyRef are empty: the assertion is valid for any session and any
    // command, and has no qualifier. An expiration of 0 means that it does not expire.
    writer.put_sized(&[])?.put_sized(&[])?.put_sized(&[])?.put_u32(0)?;
    Ok(writer)
}
