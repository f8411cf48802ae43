//! The framing of commands and responses: header, handles, authorization area and parameters (Part
//! 1, section "Command/Response Structure").

use zeroize::Zeroizing;

use crate::constants::{CommandCode, TAG_NO_SESSIONS, TAG_SESSIONS};
use crate::handle::Handle;
use crate::marshal::{MAX_MESSAGE, MarshalError, Reader, Writer};
use crate::response_code::ResponseCode;
use crate::session::{Authorization, Unkeyed};
use crate::transport::HEADER_SIZE;

/// One entry of a command's authorization area.
pub(crate) enum AuthorizationEntry<'a> {
    /// An authorization in an HMAC session.
    Session(&'a Authorization),
    /// An authorization without an HMAC.
    Unkeyed(Unkeyed),
}

/// Builds a command. `authorized` has one entry for each handle that needs an authorization, in the
/// order of the handles.
pub(crate) fn command(
    code: CommandCode,
    handles: &[Handle],
    authorized: &[AuthorizationEntry<'_>],
    parameters: &[u8],
) -> Result<Writer, MarshalError> {
    let mut body = Writer::new();
    for handle in handles {
        body.put_u32(handle.value())?;
    }
    if !authorized.is_empty() {
        let mut area = Writer::new();
        for entry in authorized {
            entry.build(&mut area)?;
        }
        body.put_u32(length(area.as_bytes())?)?.put(area.as_bytes())?;
    }
    body.put(parameters)?;
    let size = body.as_bytes().len().saturating_add(HEADER_SIZE);
    let mut command = Writer::new();
    command
        .put_u16(tag(authorized))?
        .put_u32(u32::try_from(size).unwrap_or(u32::MAX))?
        .put_u32(code.value())?
        .put(body.as_bytes())?;
    Ok(command)
}

/// Returns the tag of a command with these authorizations. A successful response has the same tag.
pub(crate) const fn tag(authorized: &[AuthorizationEntry<'_>]) -> u16 {
    if authorized.is_empty() { TAG_NO_SESSIONS } else { TAG_SESSIONS }
}

impl AuthorizationEntry<'_> {
    fn build(&self, area: &mut Writer) -> Result<(), MarshalError> {
        match self {
            Self::Session(authorization) => authorization.build(area),
            Self::Unkeyed(unkeyed) => unkeyed.build(area),
        }
    }
}

fn length(bytes: &[u8]) -> Result<u32, MarshalError> {
    u32::try_from(bytes.len()).map_err(|_| MarshalError::TooLong {
        field: "authorization area",
        size: bytes.len(),
        limit: MAX_MESSAGE,
    })
}

/// The header of a response.
pub(crate) enum ResponseHeader {
    /// The command succeeded. The tag tells whether an authorization area follows.
    Success {
        /// `TPM_ST_SESSIONS` or `TPM_ST_NO_SESSIONS`.
        tag: u16,
    },
    /// The TPM refused the command with this response code.
    Refusal(ResponseCode),
}

/// Reads the header of a response. The reader then stands at the first byte after the header.
pub(crate) fn header(reader: &mut Reader<'_>) -> Result<ResponseHeader, MarshalError> {
    let tag = reader.u16("tag")?;
    let _size_checked_by_transport = reader.u32("responseSize")?;
    let code = reader.u32("responseCode")?;
    if let Some(code) = ResponseCode::from_header(code) {
        return Ok(ResponseHeader::Refusal(code));
    }
    match tag {
        TAG_SESSIONS | TAG_NO_SESSIONS => Ok(ResponseHeader::Success { tag }),
        _ => Err(MarshalError::Value { field: "tag", value: u64::from(tag) }),
    }
}

/// The parts of a successful response. The authorization area is not checked yet.
pub(crate) struct ResponseBody {
    /// The handle that the response returns, if its command returns one.
    pub(crate) handle: Option<Handle>,
    /// The parameters. They can be secret once they are decrypted.
    pub(crate) parameters: Zeroizing<Vec<u8>>,
    /// The authorization area.
    pub(crate) authorization: Vec<u8>,
}

/// Whether a response carries a handle before its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReturnsHandle {
    Yes,
    No,
}

/// Splits a successful response into its parts. Its tag must be the tag of its command.
pub(crate) fn body(
    reader: &mut Reader<'_>,
    tag: u16,
    expected_tag: u16,
    returns: ReturnsHandle,
) -> Result<ResponseBody, MarshalError> {
    if tag != expected_tag {
        return Err(MarshalError::Value { field: "tag", value: u64::from(tag) });
    }
    let handle = match returns {
        ReturnsHandle::Yes => Some(Handle::new(reader.u32("handle")?)),
        ReturnsHandle::No => None,
    };
    let (parameters, authorization) = if tag == TAG_SESSIONS {
        let size = reader.u32("parameterSize")?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let parameters = reader.take(size, "parameters")?;
        (parameters, reader.take_rest())
    } else {
        (reader.take_rest(), &[][..])
    };
    Ok(ResponseBody {
        handle,
        parameters: Zeroizing::new(parameters.to_vec()),
        authorization: authorization.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_without_authorization_are_header_handles_parameters() {
        let command =
            command(CommandCode::ReadPublic, &[Handle::STORAGE_ROOT_KEY], &[], &[]).unwrap();
        assert_eq!(command.as_bytes(), [0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x73, 0x81, 0, 0, 1]);
    }

    #[test]
    fn authorizations_come_in_order_between_handles_and_parameters() {
        let authorized = [
            AuthorizationEntry::Unkeyed(Unkeyed::EmptyPassword),
            AuthorizationEntry::Unkeyed(Unkeyed::Policy(Handle::new(0x0300_0001))),
        ];
        let handles = [Handle::OWNER, Handle::ENDORSEMENT];
        let command = command(CommandCode::Sign, &handles, &authorized, &[7, 8]).unwrap();
        let expected: &[&[u8]] = &[
            &[0x80, 2, 0, 0, 0, 42, 0, 0, 1, 0x5D],
            &[0x40, 0, 0, 1, 0x40, 0, 0, 0x0B, 0, 0, 0, 18],
            &[0x40, 0, 0, 9, 0, 0, 0, 0, 0],
            &[3, 0, 0, 1, 0, 0, 1, 0, 0],
            &[7, 8],
        ];
        assert_eq!(command.as_bytes(), expected.concat());
    }

    #[test]
    fn a_refusal_is_read_before_the_tag_is_checked() {
        // A TPM 2.0 answers a bad tag with the tag of TPM 1.2 (TPM_ST_RSP_COMMAND) and
        // TPM_RC_BAD_TAG.
        let bytes = [0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0, 0x1e];
        assert!(matches!(header(&mut Reader::new(&bytes)), Ok(ResponseHeader::Refusal(_))));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80),
                                sessions in any::<bool>(), handle in any::<bool>()) {
            let mut framed = vec![0x80, if sessions { 2 } else { 1 }, 0, 0, 0, 10, 0, 0, 0, 0];
            framed.extend_from_slice(&bytes);
            for input in [&bytes, &framed] {
                let mut reader = Reader::new(input);
                if let Ok(ResponseHeader::Success { tag }) = header(&mut reader) {
                    let returns = if handle { ReturnsHandle::Yes } else { ReturnsHandle::No };
                    let _ = body(&mut reader, tag, tag, returns);
                }
            }
        }
    }
}
