//! `TPM2_CreatePrimary` (Part 3, 24.1).

use std::time::Instant;

use super::{parse_all, returned_handle};
use crate::client::{Object, PlainCommand, Tpm};
use crate::constants::{CommandCode, MAX_NAME};
use crate::error::Error;
use crate::frame::{ResponseBody, ReturnsHandle};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};
use crate::structures::{
    CreationEvidence, EccP256Public, EccP256Template, EndorsementPublic, EndorsementTemplate,
    MAX_PUBLIC, Name, PublicArea,
};

/// A hierarchy, from whose seed a primary key is derived. Both hierarchies are used with their
/// empty authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hierarchy {
    /// The owner hierarchy, for storage. Its seed changes when the TPM is cleared.
    Owner,
    /// The endorsement hierarchy. The manufacturer certified the keys derived from its seed.
    Endorsement,
}

impl Hierarchy {
    /// The handle of the hierarchy: `TPM_RH_OWNER` or `TPM_RH_ENDORSEMENT`.
    pub const fn handle(self) -> Handle {
        match self {
            Self::Owner => Handle::OWNER,
            Self::Endorsement => Handle::ENDORSEMENT,
        }
    }
}

/// A primary key in the TPM. Its authValue is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary<P> {
    /// The key's handle and Name.
    pub object: Object,
    /// The key's public area.
    pub public: P,
    /// The circumstances in which the key was created, with the TPM's ticket for them.
    pub evidence: CreationEvidence,
}

impl Tpm {
    /// Derives a primary key from the hierarchy's seed, `template` and `unique`, and loads it. The
    /// same inputs give the same key until the seed changes. `unique`, of at most 32 bytes, is the
    /// x coordinate in the template; another value gives another key. The hierarchy and the key
    /// have an empty authorization. The caller must flush the key.
    pub fn create_primary(
        &mut self,
        hierarchy: Hierarchy,
        template: &EccP256Template,
        unique: &[u8],
        deadline: Instant,
    ) -> Result<Primary<EccP256Public>, Error> {
        let public = |writer: &mut Writer| template.build_tpm2b(unique, writer);
        let parse = |area: &[u8]| match PublicArea::parse(area)? {
            PublicArea::EccP256(public) if public.template() == template => {
                let name = public.name();
                Ok(Some((*public, name)))
            }
            _ => Ok(None),
        };
        self.create_primary_of(hierarchy, public, parse, deadline)
    }

    /// Derives the endorsement key of a standard template and loads it. The key is the same every
    /// time until the seed changes. The endorsement hierarchy must have an empty authorization. The
    /// caller must flush the key.
    pub fn create_endorsement_key(
        &mut self,
        template: EndorsementTemplate,
        deadline: Instant,
    ) -> Result<Primary<EndorsementPublic>, Error> {
        let public = |writer: &mut Writer| template.build_tpm2b(writer);
        let parse = |area: &[u8]| match EndorsementPublic::parse(area) {
            Ok(public) if public.template() == template => {
                let name = public.name();
                Ok(Some((public, name)))
            }
            Ok(_) | Err(MarshalError::NotEndorsementKey) => Ok(None),
            Err(error) => Err(error),
        };
        self.create_primary_of(Hierarchy::Endorsement, public, parse, deadline)
    }

    /// Derives and loads a primary key. `parse` returns the public area with its Name, or `None` if
    /// the TPM returned another kind of key than the requested one.
    fn create_primary_of<P>(
        &mut self,
        hierarchy: Hierarchy,
        public: impl FnOnce(&mut Writer) -> Result<(), MarshalError>,
        parse: impl FnOnce(&[u8]) -> Result<Option<(P, Name)>, MarshalError>,
        deadline: Instant,
    ) -> Result<Primary<P>, Error> {
        let command = CommandCode::CreatePrimary;
        let parameters = parameters(public).map_err(Error::Input)?;
        let handles = [hierarchy.handle()];
        let plain = PlainCommand { code: command, handles: &handles, returns: ReturnsHandle::Yes };
        let body = self.run_with_password(&plain, &parameters, deadline)?;
        let handle = returned_handle(command, &body)?;
        match check(parse, &body) {
            Ok((public, name, evidence)) => {
                Ok(Primary { object: Object { handle, name }, public, evidence })
            }
            Err(error) => {
                // The key is not the requested one, but it is loaded and must be removed. An error
                // of the flush is dropped, because the first error says more.
                let _ = self.flush(handle, deadline);
                Err(error)
            }
        }
    }
}

fn parameters(
    public: impl FnOnce(&mut Writer) -> Result<(), MarshalError>,
) -> Result<Writer, MarshalError> {
    let mut writer = Writer::new();
    // inSensitive has 4 bytes of content: an empty userAuth and empty data.
    writer.put_u16(4)?.put_sized(&[])?.put_sized(&[])?;
    public(&mut writer)?;
    // outsideInfo is empty, and creationPCR is an empty list.
    writer.put_sized(&[])?.put_u32(0)?;
    Ok(writer)
}

fn check<P>(
    parse: impl FnOnce(&[u8]) -> Result<Option<(P, Name)>, MarshalError>,
    body: &ResponseBody,
) -> Result<(P, Name, CreationEvidence), Error> {
    let command = CommandCode::CreatePrimary;
    let (public, evidence, returned) = parse_all(command, body, |reader| {
        let public = parse(reader.sized(MAX_PUBLIC, "public")?)?;
        let evidence = CreationEvidence::parse(reader)?;
        Ok((public, evidence, reader.sized(MAX_NAME, "name")?.to_vec()))
    })?;
    let (public, name) = public.ok_or(Error::UnexpectedKey { command })?;
    if name.as_bytes() != returned {
        return Err(Error::NameMismatch { command });
    }
    Ok((public, name, evidence))
}
