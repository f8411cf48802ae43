use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use device_key_types::strict_json;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Shown;
use crate::{
    args::SignArguments,
    client::{self, Client},
    exit::{Exit, Failure},
    table,
};

/// The service takes no longer line.
const MAX_PAYLOAD_BYTES: u64 = 1024 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    key_id: String,
    payload: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    signature_der_base64: String,
    signed_payload_base64: String,
    algorithm: String,
}

/// `device/key/sign`
pub(super) fn run(arguments: &SignArguments) -> Result<Shown, Failure> {
    let payload = payload(&arguments.payload)?;
    let params = Params { key_id: arguments.key_id.to_string(), payload };
    let result = Client::connect(&arguments.connection)?.call("device/key/sign", &params)?;
    let signed: Answer = client::read(&result)?;
    let table = table::pairs(&[
        ("signature", signed.signature_der_base64),
        ("signed payload", signed.signed_payload_base64),
        ("algorithm", signed.algorithm),
    ]);
    Ok(Shown { json: result.get().to_owned(), table })
}

/// The payload's text as it stands in the file. The service parses it; here is only made sure that
/// it is one value, and one line.
fn payload(path: &Path) -> Result<Box<RawValue>, Failure> {
    let unusable = |cause: String| Failure {
        exit: Exit::Usage,
        what: format!("the payload in {} cannot be used", path.display()),
        cause,
        cure: Some("give a file with the statement as one JSON object, or - for input".to_owned()),
    };
    let text = read(path).map_err(|error| unusable(error.to_string()))?;
    strict_json::check(&text).map_err(|error| unusable(error.to_string()))?;
    // In JSON a line feed can only stand between tokens.
    RawValue::from_string(text.trim().replace('\n', " "))
        .map_err(|error| unusable(error.to_string()))
}

fn read(path: &Path) -> io::Result<String> {
    let input: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut text = String::new();
    input.take(MAX_PAYLOAD_BYTES.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_PAYLOAD_BYTES) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 1 MiB"))
    }
}
