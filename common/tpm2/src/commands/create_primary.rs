//! `TPM2_CreatePrimary` (Part 3, 24.1).

use std::time::Instant;

use super::{parse_all, returned_handle};
use crate::client::{Object, Plain, Tpm};
use crate::constants::{CommandCode, MAX_NAME};
use crate::error::Error;
use crate::frame::{Body, ReturnsHandle};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};
use crate::structures::{
    CreationEvidence, EccP256Public, EccP256Template, EndorsementPublic, EndorsementTemplate,
    MAX_PUBLIC, Name, PublicArea,
};

/// A hierarchy: the seed that a primary key is derived from. Both are used with empty authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hierarchy {
    /// The owner's, for storage. Its seed changes when the TPM is cleared.
    Owner,
    /// The one of the endorsement keys, whose seed the manufacturer certified.
    Endorsement,
}

impl Hierarchy {
    /// `TPM_RH_OWNER` or `TPM_RH_ENDORSEMENT`.
    pub const fn handle(self) -> Handle {
        match self {
            Self::Owner => Handle::OWNER,
            Self::Endorsement => Handle::ENDORSEMENT,
        }
    }
}

/// A primary key in the TPM. Its authValue is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Primary<P> {
    /// Its handle and Name.
    pub object: Object,
    /// Its public area.
    pub public: P,
    /// The circumstances of its creation.
    pub evidence: CreationEvidence,
}

impl Tpm {
    /// Derives the key that the hierarchy's seed, the template and `unique` give, always the same one until
    /// the seed changes, and loads it. `unique`, at most 32 bytes, is the template's x coordinate; another one
    /// gives another key. Empty hierarchy authorization, empty key authorization. Flush it.
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

    /// Derives an endorsement key with the standard template, always the same one, and loads it. Empty
    /// authorization of the endorsement hierarchy. Flush it.
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

    /// `parse` gives the public area with its Name, or `None` for another kind of key than was asked for.
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
        let plain = Plain { code: command, handles: &handles, returns: ReturnsHandle::Yes };
        let body = self.run_with_password(&plain, &parameters, deadline)?;
        let handle = returned_handle(command, &body)?;
        match check(parse, &body) {
            Ok((public, name, evidence)) => {
                Ok(Primary { object: Object { handle, name }, public, evidence })
            }
            Err(error) => {
                // Not ours to use, but ours to remove. The first error says more than a second one.
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
    // inSensitive: 4 bytes of content, an empty userAuth and empty data.
    writer.put_u16(4)?.put_sized(&[])?.put_sized(&[])?;
    public(&mut writer)?;
    // outsideInfo empty, creationPCR an empty list.
    writer.put_sized(&[])?.put_u32(0)?;
    Ok(writer)
}

fn check<P>(
    parse: impl FnOnce(&[u8]) -> Result<Option<(P, Name)>, MarshalError>,
    body: &Body,
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
