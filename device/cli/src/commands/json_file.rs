//! Reads a JSON value from a file or from standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use device_key_types::strict_json;
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};

/// The largest file that is read. The service refuses longer lines.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads the JSON text in a file, or on standard input for `-`, and puts it on one line. The text
/// must be one JSON value; the service checks everything else. `what` names the value in errors.
pub(super) fn read(path: &Path, what: &str) -> Result<Box<RawValue>, Failure> {
    let unusable = |cause: String| Failure {
        exit: Exit::Usage,
        what: format!("the {what} in {} cannot be used", path.display()),
        cause,
        fix: Some(format!(
            "give a file with the {what} as one JSON object, or - for standard input"
        )),
    };
    let text = text(path).map_err(|error| unusable(error.to_string()))?;
    strict_json::check(&text).map_err(|error| unusable(error.to_string()))?;
    // In valid JSON a line feed can stand only between tokens.
    RawValue::from_string(text.trim().replace('\n', " "))
        .map_err(|error| unusable(error.to_string()))
}

fn text(path: &Path) -> io::Result<String> {
    let input: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut text = String::new();
    input.take(MAX_BYTES.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 1 MiB"))
    }
}
