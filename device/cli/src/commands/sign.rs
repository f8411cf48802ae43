use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Shown, json_file};
use crate::{
    args::SignArguments,
    client::{self, Client},
    exit::Failure,
    table,
};

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
    let payload = json_file::read(&arguments.payload, "payload")?;
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
