//! The transports: each sends one command and receives its response within a deadline.

mod device;
mod stream;
mod wait;

use std::time::Instant;
use std::{fmt, io};

pub use device::Device;
pub use stream::UnixStream;

use crate::marshal::MAX_MESSAGE;

/// Bytes in a response header: tag (2), size (4), response code (4). Part 1, section
/// "Command/Response Structure".
pub(crate) const HEADER_SIZE: usize = 10;

/// A connection to a TPM that serves one command at a time.
pub trait Transport: Send + fmt::Debug {
    /// Sends one whole command and waits for its whole response, header included, until `deadline`.
    ///
    /// After any error except [`TransportError::Busy`], the response may still arrive later. The
    /// connection therefore fails with [`TransportError::Poisoned`] from then on. Drop it and
    /// connect again.
    fn transact(&mut self, command: &[u8], deadline: Instant) -> Result<Vec<u8>, TransportError>;
}

/// Why a command got no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The device or socket does not exist.
    #[error("there is no TPM at this address")]
    Absent,
    /// Another process has opened the device, or the driver still holds an unread response (EBUSY).
    #[error("the TPM is busy")]
    Busy,
    /// The other side closed the connection: end of file, reset, refused, or broken pipe.
    #[error("the TPM closed the connection")]
    Disconnected,
    /// The deadline passed before the response was complete.
    #[error("the TPM did not answer in time")]
    TimedOut,
    /// A command or response is longer than [`MAX_MESSAGE`].
    #[error("a message of {size} bytes is longer than {MAX_MESSAGE}")]
    Oversized {
        /// The size of the message, or the size that its header claims, in bytes.
        size: usize,
    },
    /// The received bytes are not one well-framed response.
    #[error("the TPM's response is not one well-framed message")]
    Malformed,
    /// An earlier exchange on this connection failed.
    #[error("an earlier exchange failed, so the connection must be replaced")]
    Poisoned,
    /// Any other error of the operating system.
    #[error("communication with the TPM failed")]
    Io(#[source] io::Error),
}

impl TransportError {
    /// The stable code of this error, such as `tpm_busy`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Absent => "tpm_absent",
            Self::Busy => "tpm_busy",
            Self::Disconnected => "tpm_disconnected",
            Self::TimedOut => "tpm_timed_out",
            Self::Oversized { .. } => "tpm_oversized",
            Self::Malformed => "tpm_malformed",
            Self::Poisoned => "tpm_poisoned",
            Self::Io(_) => "tpm_io",
        }
    }
}

impl From<rustix::io::Errno> for TransportError {
    fn from(errno: rustix::io::Errno) -> Self {
        use rustix::io::Errno;
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO => Self::Absent,
            Errno::BUSY => Self::Busy,
            Errno::CONNREFUSED | Errno::CONNRESET | Errno::PIPE | Errno::NOTCONN => {
                Self::Disconnected
            }
            Errno::TIMEDOUT => Self::TimedOut,
            other => Self::Io(other.into()),
        }
    }
}

/// Refuses a command that is too long for any TPM, before anything is sent.
fn check_command(command: &[u8]) -> Result<(), TransportError> {
    if command.len() > MAX_MESSAGE {
        return Err(TransportError::Oversized { size: command.len() });
    }
    Ok(())
}

/// Returns the length that a response's header claims, or `None` if the header is not complete yet.
fn claimed_length(received: &[u8]) -> Result<Option<usize>, TransportError> {
    let Some((header, _)) = received.split_first_chunk::<HEADER_SIZE>() else {
        return Ok(None);
    };
    let [_, _, a, b, c, d, ..] = *header;
    let size =
        usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| TransportError::Malformed)?;
    match size {
        0..HEADER_SIZE => Err(TransportError::Malformed),
        HEADER_SIZE..=MAX_MESSAGE => Ok(Some(size)),
        _ => Err(TransportError::Oversized { size }),
    }
}
