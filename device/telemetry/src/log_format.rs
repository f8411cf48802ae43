use std::{io, str::FromStr};

use rustix::fs::fstat;

/// How events are written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line each with time and level; coloured on a terminal only.
    Text,
    /// A JSON object a line.
    Json,
    /// A line each with syslog's priority in front (`<6>`) and no time, both of which the journal
    /// keeps apart from the text.
    ///
    /// The journal's own protocol would keep fields apart too. This is preferred because it needs
    /// no other socket in the service's sandbox, stays one stream with what a panic prints, and no
    /// caller's text can become a field that looks like the journal's own.
    Journal,
}

/// A name that no format has.
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
    /// What fits standard error, given `JOURNAL_STREAM`.
    ///
    /// The variable alone says nothing: children inherit it, also those whose standard error goes
    /// elsewhere (systemd.exec(5)).
    pub(crate) fn fitting(journal_stream: Option<&str>) -> Self {
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
