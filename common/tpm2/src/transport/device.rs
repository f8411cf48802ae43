//! The Linux TPM character devices, opened non-blocking.
//!
//! The driver takes a whole command in one write, returns the whole response in one read, and
//! answers a write with EBUSY while a response is unread. On a blocking descriptor, the write would
//! take as long as the command. With `O_NONBLOCK`, the driver runs the command in the background
//! and `poll` reports the response, so that a deadline is possible (Linux
//! `drivers/char/tpm/tpm-dev-common.c`).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Transport, TransportError, check_command, claimed_length, wait};
use crate::marshal::MAX_MESSAGE;

/// An open TPM device.
#[derive(Debug)]
pub struct Device {
    descriptor: OwnedFd,
    poisoned: bool,
}

impl Device {
    /// Opens the character device at `path`. A file of another type counts as absent.
    pub fn open(path: &Path) -> Result<Self, TransportError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
        let mode = rustix::fs::fstat(&descriptor)?.st_mode;
        if FileType::from_raw_mode(mode) != FileType::CharacterDevice {
            return Err(TransportError::Absent);
        }
        Self::from_descriptor(descriptor)
    }

    /// Takes a descriptor that behaves like the driver: each write is one message, and each read is
    /// one message. A `SOCK_SEQPACKET` pair behaves in this way, so tests can use it on machines
    /// without a TPM driver.
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<Self, TransportError> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Self { descriptor, poisoned: false })
    }

    fn write(&self, command: &[u8], deadline: Instant) -> Result<(), TransportError> {
        if deadline <= Instant::now() {
            return Err(TransportError::TimedOut);
        }
        loop {
            match rustix::io::write(&self.descriptor, command) {
                Ok(written) if written == command.len() => return Ok(()),
                // The rest cannot follow in a second write, because the driver would take it as a
                // new command.
                Ok(_) => return Err(TransportError::Malformed),
                Err(Errno::AGAIN) => {
                    wait::until_ready(&self.descriptor, PollFlags::OUT, deadline)?;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn read(&self, deadline: Instant) -> Result<Vec<u8>, TransportError> {
        let mut response = vec![0; MAX_MESSAGE];
        loop {
            wait::until_ready(&self.descriptor, PollFlags::IN, deadline)?;
            match rustix::io::read(&self.descriptor, response.as_mut_slice()) {
                Ok(0) => return Err(TransportError::Disconnected),
                Ok(count) => {
                    response.truncate(count);
                    return match claimed_length(&response)? {
                        Some(length) if length == count => Ok(response),
                        _ => Err(TransportError::Malformed),
                    };
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Transport for Device {
    fn transact(&mut self, command: &[u8], deadline: Instant) -> Result<Vec<u8>, TransportError> {
        check_command(command)?;
        if self.poisoned {
            return Err(TransportError::Poisoned);
        }
        let result = match self.write(command, deadline) {
            // The driver accepted nothing, so the connection is unchanged.
            Err(TransportError::Busy) => return Err(TransportError::Busy),
            Err(error) => Err(error),
            Ok(()) => self.read(deadline),
        };
        self.poisoned = result.is_err();
        result
    }
}
