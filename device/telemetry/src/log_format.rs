//! The formats of the log on standard error.

use std::io;
use std::str::FromStr;

use rustix::fs::fstat;

/// The format in which events are written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for each event, with time and level. Coloured only on a terminal.
    Text,
    /// One JSON object on a line for each event.
    Json,
    /// One line for each event, with syslog's priority in front (`<6>`) and without a time. The
    /// journal stores both separately from the text.
    ///
    /// The journal's own protocol would store the fields separately too. This format is used
    /// because it needs no other socket in the service's sandbox, and goes to the same stream as
    /// the text of a panic. Also, no text of a caller can become a field that looks like a field of
    /// the journal itself.
    Journal,
}

/// The name is not the name of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the formats are text, json and journal")]
pub struct UnknownLogFormat;

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;

    fn from_str(name: &str) -> Result<Self, UnknownLogFormat> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "journal" => Ok(Self::Journal),
            _ => Err(UnknownLogFormat),
        }
    }
}

impl LogFormat {
    /// The format for standard error, given the value of `JOURNAL_STREAM`.
    ///
    /// The variable alone does not tell whether standard error is the journal: child processes
    /// inherit it, even if their standard error goes elsewhere (systemd.exec(5)).
    pub(crate) fn for_standard_error(journal_stream: Option<&str>) -> Self {
        let standard_error = fstat(io::stderr()).map(|stat| (stat.st_dev, stat.st_ino));
        match (journal_stream.and_then(device_and_inode), standard_error) {
            (Some(journal), Ok(ours)) if journal == ours => Self::Journal,
            _ => Self::Text,
        }
    }
}

fn device_and_inode(journal_stream: &str) -> Option<(u64, u64)> {
    let (device, inode) = journal_stream.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}
