//! `TPM2_CreatePrimary` (Part 3, 24.1) in the owner hierarchy.

use std::time::Instant;

use super::{parse_all, returned_handle, skip_creation_evidence};
use crate::client::{Object, Plain, Tpm};
use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::{Body, ReturnsHandle};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};
use crate::structures::{EccP256Public, EccP256Template, PublicArea};

impl Tpm {
    /// Derives the key that the owner hierarchy's seed and the template give, always the same one until the
    /// TPM is cleared, and loads it. Empty owner authorization, empty key authorization. Flush it.
    pub fn create_primary(
        &mut self,
        template: &EccP256Template,
        deadline: Instant,
    ) -> Result<(Object, EccP256Public), Error> {
        let command = CommandCode::CreatePrimary;
        let parameters = parameters(template).map_err(Error::Input)?;
        let plain = Plain { code: command, handles: &[Handle::OWNER], returns: ReturnsHandle::Yes };
        let body = self.run_with_password(&plain, &parameters, deadline)?;
        let handle = returned_handle(command, &body)?;
        match check(template, &body) {
            Ok(public) => Ok((Object { handle, name: public.name() }, public)),
            Err(error) => {
                // Not ours to use, but ours to remove. The first error says more than a second one.
                let _ = self.flush(handle, deadline);
                Err(error)
            }
        }
    }
}

fn parameters(template: &EccP256Template) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    // inSensitive: 4 bytes of content, an empty userAuth and empty data.
    writer.put_u16(4)?.put_sized(&[])?.put_sized(&[])?;
    template.build_tpm2b(&mut writer)?;
    // outsideInfo empty, creationPCR an empty list.
    writer.put_sized(&[])?.put_u32(0)?;
    Ok(writer)
}

fn check(template: &EccP256Template, body: &Body) -> Result<EccP256Public, Error> {
    let command = CommandCode::CreatePrimary;
    let (public, name) = parse_all(command, body, |reader| {
        let public = PublicArea::parse_tpm2b(reader)?;
        skip_creation_evidence(reader)?;
        let name = reader.sized(66, "name")?.to_vec();
        Ok((public, name))
    })?;
    let PublicArea::EccP256(public) = public else {
        return Err(Error::UnexpectedKey { command });
    };
    if public.template() != template {
        return Err(Error::UnexpectedKey { command });
    }
    if public.name().as_bytes() != name {
        return Err(Error::NameMismatch { command });
    }
    Ok(*public)
}
