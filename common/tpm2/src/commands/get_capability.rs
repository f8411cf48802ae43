//! `TPM2_GetCapability` (Part 3, 30.2): who made the TPM, and which handles are in use.

use std::time::Instant;

use super::parse_all;
use crate::client::{Plain, Tpm};
use crate::constants::{CAPABILITY_HANDLES, CAPABILITY_PROPERTIES, CommandCode};
use crate::error::Error;
use crate::frame::{Body, ReturnsHandle};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader, Writer};
use crate::structures::TpmProperties;

/// The most entries asked for at once; a TPM gives fewer if its buffer is smaller.
const PAGE: u32 = 128;
/// The most pages read: a TPM that always promises more must not keep us for ever.
const MAX_PAGES: usize = 32;
/// Which bits of a handle count within its range (`TPM_HT` is the top byte).
const INDEX_MASK: u32 = 0x00ff_ffff;

/// The ranges whose handles can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandleRange {
    /// NV indices.
    NvIndices,
    /// Loaded objects.
    Transient,
    /// Objects kept over a reboot.
    Persistent,
    /// Sessions in the TPM.
    LoadedSessions,
    /// Sessions whose context has been saved outside of the TPM. They still hold a place.
    SavedSessions,
}

impl HandleRange {
    const fn first(self) -> u32 {
        match self {
            Self::NvIndices => 0x0100_0000,
            Self::Transient => 0x8000_0000,
            Self::Persistent => 0x8100_0000,
            Self::LoadedSessions => 0x0200_0000,
            Self::SavedSessions => 0x0300_0000,
        }
    }
}

impl Tpm {
    /// Manufacturer, vendor strings and firmware version. Hints only: nothing authenticates them.
    pub fn properties(&mut self, deadline: Instant) -> Result<TpmProperties, Error> {
        let mut pairs = Vec::new();
        let mut first = TpmProperties::FIRST;
        for _ in 0..MAX_PAGES {
            let count = TpmProperties::FIRST + TpmProperties::COUNT - first;
            let (more, page) =
                self.capability(CAPABILITY_PROPERTIES, (first, count), property_entry, deadline)?;
            let last = page.last().map(|(property, _)| *property);
            pairs.extend(page);
            match last {
                Some(last)
                    if more == More::Yes
                        && last < TpmProperties::FIRST + TpmProperties::COUNT - 1 =>
                {
                    first = last.saturating_add(1).max(first);
                }
                _ => break,
            }
        }
        Ok(TpmProperties::from_pairs(&pairs))
    }

    /// The value of one property (`TPM_PT`, Part 2, 6.13); `None` if the TPM does not have it. Not
    /// authenticated.
    pub(crate) fn property(
        &mut self,
        property: u32,
        deadline: Instant,
    ) -> Result<Option<u32>, Error> {
        // Where there is no such property the TPM starts with the next one that it has.
        let (_, page) =
            self.capability(CAPABILITY_PROPERTIES, (property, 1), property_entry, deadline)?;
        Ok(page.into_iter().find(|(found, _)| *found == property).map(|(_, value)| value))
    }

    /// Lists the handles in a range. Through a resource manager: only ours.
    pub fn handles(&mut self, range: HandleRange, deadline: Instant) -> Result<Vec<Handle>, Error> {
        let mut handles = Vec::new();
        let mut first = range.first();
        for _ in 0..MAX_PAGES {
            let (more, page) = self.capability(
                CAPABILITY_HANDLES,
                (first, PAGE),
                |reader| reader.u32("handle"),
                deadline,
            )?;
            let last = page.last().copied();
            handles.extend(page.into_iter().map(Handle::new));
            match last {
                // Loaded sessions come with the top byte of their own kind, so the range's is put back.
                Some(last) if more == More::Yes && last & INDEX_MASK != INDEX_MASK => {
                    first = range.first() | ((last & INDEX_MASK) + 1);
                }
                _ => break,
            }
        }
        Ok(handles)
    }

    fn capability<T>(
        &mut self,
        capability: u32,
        (first, count): (u32, u32),
        entry: impl FnMut(&mut Reader<'_>) -> Result<T, MarshalError>,
        deadline: Instant,
    ) -> Result<(More, Vec<T>), Error> {
        let mut parameters = Writer::new();
        parameters
            .put_u32(capability)
            .and_then(|writer| writer.put_u32(first))
            .and_then(|writer| writer.put_u32(count))
            .map_err(Error::Input)?;
        let plain =
            Plain { code: CommandCode::GetCapability, handles: &[], returns: ReturnsHandle::No };
        let body = self.run(&plain, &parameters, deadline)?;
        parse_page(&body, capability, entry)
    }
}

fn property_entry(reader: &mut Reader<'_>) -> Result<(u32, u32), MarshalError> {
    Ok((reader.u32("property")?, reader.u32("value")?))
}

/// `moreData` of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

fn parse_page<T>(
    body: &Body,
    capability: u32,
    mut entry: impl FnMut(&mut Reader<'_>) -> Result<T, MarshalError>,
) -> Result<(More, Vec<T>), Error> {
    parse_all(CommandCode::GetCapability, body, |reader| {
        let more = match reader.u8("moreData")? {
            0 => More::No,
            _ => More::Yes,
        };
        let answered = reader.u32("capability")?;
        if answered != capability {
            return Err(MarshalError::Value { field: "capability", value: u64::from(answered) });
        }
        // The count is a claim: entries are read one by one, and the first missing one ends it.
        let count = reader.u32("count")?;
        let entries = (0..count).map(|_| entry(reader)).collect::<Result<_, _>>()?;
        Ok((more, entries))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(parameters: &[u8]) -> Body {
        Body { handle: None, parameters: parameters.to_vec().into(), authorization: Vec::new() }
    }

    #[test]
    fn a_claimed_count_is_not_trusted() {
        let huge = [0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0];
        let page = parse_page(&body(&huge), CAPABILITY_HANDLES, |reader| reader.u32("handle"));
        assert!(page.is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse_page(&body(&bytes), CAPABILITY_HANDLES, |reader| reader.u32("handle"));
        }
    }
}
