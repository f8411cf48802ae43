//! Command and response framing: header, handles, authorization area, parameters (Part 1, section
//! "Command/Response Structure").

use crate::constants::{CommandCode, TAG_NO_SESSIONS, TAG_SESSIONS};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader, Writer};
use crate::response_code::ResponseCode;
use crate::session::Authorization;
use crate::transport::HEADER_SIZE;

/// How a command is authorized.
pub(crate) enum Authorized<'a> {
    /// It needs no authorization.
    No,
    /// With an empty password, in the clear: for a hierarchy whose authValue is empty.
    EmptyPassword,
    /// In a session.
    Session(&'a Authorization),
}

/// Puts a command together.
pub(crate) fn command(
    code: CommandCode,
    handles: &[Handle],
    authorized: &Authorized<'_>,
    parameters: &[u8],
) -> Result<Writer, MarshalError> {
    let mut body = Writer::new();
    for handle in handles {
        body.put_u32(handle.value())?;
    }
    let mut area = Writer::new();
    let tag = authorized.build(&mut area)?;
    if tag == TAG_SESSIONS {
        body.put_u32(length(area.as_bytes())?)?.put(area.as_bytes())?;
    }
    body.put(parameters)?;
    let size = body.as_bytes().len().saturating_add(HEADER_SIZE);
    let mut command = Writer::new();
    command
        .put_u16(tag)?
        .put_u32(u32::try_from(size).unwrap_or(u32::MAX))?
        .put_u32(code.value())?
        .put(body.as_bytes())?;
    Ok(command)
}

impl Authorized<'_> {
    /// Writes the authorization and returns the tag that a command with it has.
    fn build(&self, area: &mut Writer) -> Result<u16, MarshalError> {
        match self {
            Self::No => return Ok(TAG_NO_SESSIONS),
            // Password authorization (Part 1, section "Password Authorizations"): no nonce, no attributes.
            Self::EmptyPassword => {
                area.put_u32(Handle::PASSWORD.value())?.put_sized(&[])?.put_u8(0)?.put_sized(&[])?;
            }
            Self::Session(authorization) => authorization.build(area)?,
        }
        Ok(TAG_SESSIONS)
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    /// The handle that a command of the kind "creates or loads something" returns.
    pub(crate) handle: Option<Handle>,
    /// The parameters.
    pub(crate) parameters: Vec<u8>,
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
    Ok(Body { handle, parameters: parameters.to_vec(), authorization: authorization.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_without_authorization_are_header_handles_parameters() {
        let command =
            command(CommandCode::ReadPublic, &[Handle::STORAGE_ROOT_KEY], &Authorized::No, &[])
                .unwrap();
        assert_eq!(command.as_bytes(), [0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x73, 0x81, 0, 0, 1]);
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
