//! `TPM2_GetCapability` (Part 3, 30.2): the properties of the TPM, and the handles in use.

use std::time::Instant;

use super::parse_all;
use crate::client::{PlainCommand, Tpm};
use crate::constants::{CAPABILITY_HANDLES, CAPABILITY_PROPERTIES, CommandCode};
use crate::error::Error;
use crate::frame::{ResponseBody, ReturnsHandle};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader, Writer};
use crate::structures::TpmProperties;

/// How many entries to ask for at once. A TPM returns fewer if its buffer is smaller.
const PAGE: u32 = 128;
/// How many pages to read at most, so that a TPM that always announces more data cannot keep the
/// caller in a loop.
const MAX_PAGES: usize = 32;
/// The bits of a handle that number it within its range. The top byte is the handle's type
/// (`TPM_HT`).
const INDEX_MASK: u32 = 0x00ff_ffff;

/// The ranges whose handles can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandleRange {
    /// NV indices.
    NvIndices,
    /// Loaded objects.
    Transient,
    /// Persistent objects, which stay over a reboot.
    Persistent,
    /// Sessions that are loaded in the TPM.
    LoadedSessions,
    /// Sessions whose context was saved outside of the TPM. Each still takes one of the TPM's
    /// session slots.
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
    /// Reads the manufacturer, the vendor strings and the firmware version. These are hints only:
    /// nothing authenticates them.
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
                    if more == MoreData::Yes
                        && last < TpmProperties::FIRST + TpmProperties::COUNT - 1 =>
                {
                    first = last.saturating_add(1).max(first);
                }
                _ => break,
            }
        }
        Ok(TpmProperties::from_pairs(&pairs))
    }

    /// Reads the value of one property (`TPM_PT`, Part 2, 6.13). Returns `None` if the TPM does not
    /// have the property. The value is not authenticated.
    pub(crate) fn property(
        &mut self,
        property: u32,
        deadline: Instant,
    ) -> Result<Option<u32>, Error> {
        // If the TPM does not have the property, it starts with the next property that it has.
        let (_, page) =
            self.capability(CAPABILITY_PROPERTIES, (property, 1), property_entry, deadline)?;
        Ok(page.into_iter().find(|(found, _)| *found == property).map(|(_, value)| value))
    }

    /// Lists the handles in a range. Through a resource manager, the TPM lists only the handles of
    /// this connection.
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
                // The top byte of a returned session handle is the session's own type, not the type
                // of this range. So the next query combines the range's top byte with the index
                // after the last one.
                Some(last) if more == MoreData::Yes && last & INDEX_MASK != INDEX_MASK => {
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
    ) -> Result<(MoreData, Vec<T>), Error> {
        let mut parameters = Writer::new();
        parameters
            .put_u32(capability)
            .and_then(|writer| writer.put_u32(first))
            .and_then(|writer| writer.put_u32(count))
            .map_err(Error::Input)?;
        let plain = PlainCommand {
            code: CommandCode::GetCapability,
            handles: &[],
            returns: ReturnsHandle::No,
        };
        let body = self.run(&plain, &parameters, deadline)?;
        parse_page(&body, capability, entry)
    }
}

fn property_entry(reader: &mut Reader<'_>) -> Result<(u32, u32), MarshalError> {
    Ok((reader.u32("property")?, reader.u32("value")?))
}

/// The `moreData` field of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MoreData {
    Yes,
    No,
}

fn parse_page<T>(
    body: &ResponseBody,
    capability: u32,
    mut entry: impl FnMut(&mut Reader<'_>) -> Result<T, MarshalError>,
) -> Result<(MoreData, Vec<T>), Error> {
    parse_all(CommandCode::GetCapability, body, |reader| {
        let more = match reader.u8("moreData")? {
            0 => MoreData::No,
            _ => MoreData::Yes,
        };
        let answered = reader.u32("capability")?;
        if answered != capability {
            return Err(MarshalError::Value { field: "capability", value: u64::from(answered) });
        }
        // Do not trust the count: read the entries one by one, so that the first missing entry is
        // an error.
        let count = reader.u32("count")?;
        let entries = (0..count).map(|_| entry(reader)).collect::<Result<_, _>>()?;
        Ok((more, entries))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(parameters: &[u8]) -> ResponseBody {
        ResponseBody {
            handle: None,
            parameters: parameters.to_vec().into(),
            authorization: Vec::new(),
        }
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
