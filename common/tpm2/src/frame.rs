//! Command and response framing: header, handles, authorization area, parameters (Part 1, section
//! "Command/Response Structure").

use zeroize::Zeroizing;

use crate::constants::{CommandCode, TAG_NO_SESSIONS, TAG_SESSIONS};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader, Writer};
use crate::response_code::ResponseCode;
use crate::session::{Authorization, Unkeyed};
use crate::transport::HEADER_SIZE;

/// One entry of a command's authorization area.
pub(crate) enum Authorized<'a> {
    /// In an HMAC session.
    Session(&'a Authorization),
    /// Without an HMAC.
    Unkeyed(Unkeyed),
}

/// Puts a command together. `authorized` has an entry for each handle that needs one, in their order.
pub(crate) fn command(
    code: CommandCode,
    handles: &[Handle],
    authorized: &[Authorized<'_>],
    parameters: &[u8],
) -> Result<Writer, MarshalError> {
    let mut body = Writer::new();
    for handle in handles {
        body.put_u32(handle.value())?;
    }
    if !authorized.is_empty() {
        let mut area = Writer::new();
        for one in authorized {
            one.build(&mut area)?;
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

/// The tag of a command with these authorizations, and of its response.
pub(crate) const fn tag(authorized: &[Authorized<'_>]) -> u16 {
    if authorized.is_empty() { TAG_NO_SESSIONS } else { TAG_SESSIONS }
}

impl Authorized<'_> {
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
        limit: crate::marshal::MAX_MESSAGE,
    })
}

/// What a response's header says.
pub(crate) enum Header {
    /// Success; the tag tells whether an authorization area follows.
    Success {
        /// `TPM_ST_SESSIONS` or `TPM_ST_NO_SESSIONS`.
        tag: u16,
    },
    /// Any other response code.
    Refusal(ResponseCode),
}

/// Reads the header and leaves the reader at what follows it.
pub(crate) fn header(reader: &mut Reader<'_>) -> Result<Header, MarshalError> {
    let tag = reader.u16("tag")?;
    let _size_checked_by_transport = reader.u32("responseSize")?;
    let code = reader.u32("responseCode")?;
    if let Some(code) = ResponseCode::from_header(code) {
        return Ok(Header::Refusal(code));
    }
    match tag {
        TAG_SESSIONS | TAG_NO_SESSIONS => Ok(Header::Success { tag }),
        _ => Err(MarshalError::Value { field: "tag", value: u64::from(tag) }),
    }
}

/// A successful response taken apart, its authorization area not checked yet.
pub(crate) struct Body {
    /// The handle that a command of the kind "creates or loads something" returns.
    pub(crate) handle: Option<Handle>,
    /// The parameters. Once decrypted they can be secret.
    pub(crate) parameters: Zeroizing<Vec<u8>>,
    /// The authorization area.
    pub(crate) authorization: Vec<u8>,
}

/// Whether a response carries a handle before its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnsHandle {
    Yes,
    No,
}

/// Takes a successful response apart. It must have the tag that its command had.
pub(crate) fn body(
    reader: &mut Reader<'_>,
    tag: u16,
    expected_tag: u16,
    returns: ReturnsHandle,
) -> Result<Body, MarshalError> {
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
    Ok(Body {
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
    fn authorizations_stand_in_their_order_between_handles_and_parameters() {
        let authorized = [
            Authorized::Unkeyed(Unkeyed::EmptyPassword),
            Authorized::Unkeyed(Unkeyed::Policy(Handle::new(0x0300_0001))),
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
    fn refusals_win_over_tags() {
        // A TPM 2.0 answers a bad tag with the tag of TPM 1.2 (TPM_ST_RSP_COMMAND) and TPM_RC_BAD_TAG.
        let bytes = [0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0, 0x1e];
        assert!(matches!(header(&mut Reader::new(&bytes)), Ok(Header::Refusal(_))));
    }

    proptest! {
        #[test]
        fn taking_apart_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80),
                                     sessions in any::<bool>(), handle in any::<bool>()) {
            let mut framed = vec![0x80, if sessions { 2 } else { 1 }, 0, 0, 0, 10, 0, 0, 0, 0];
            framed.extend_from_slice(&bytes);
            for input in [&bytes, &framed] {
                let mut reader = Reader::new(input);
                if let Ok(Header::Success { tag }) = header(&mut reader) {
                    let returns = if handle { ReturnsHandle::Yes } else { ReturnsHandle::No };
                    let _ = body(&mut reader, tag, tag, returns);
                }
            }
        }
    }
}
