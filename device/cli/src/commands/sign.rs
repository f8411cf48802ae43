//! `device-key sign`: signs a statement.

use base64ct::{Base64, Encoding as _};
use device_key_client::key::SignParams;

use super::{Shown, json_file};
use crate::args::SignArguments;
use crate::client::Client;
use crate::exit::Failure;
use crate::table;

/// Calls `device/key/sign`.
pub(super) fn run(arguments: &SignArguments) -> Result<Shown, Failure> {
    let payload = json_file::read(&arguments.payload, "payload")?;
    let params = SignParams::new(&arguments.key_id, payload);
    let mut client = Client::connect(&arguments.connection)?;
    let signed = client.ask(async |client| client.sign(&params).await)?;
    let table = table::pairs(&[
        ("signature", Base64::encode_string(&signed.signature.to_der())),
        ("signed payload", Base64::encode_string(&signed.signed_payload)),
        ("algorithm", signed.algorithm.to_string()),
    ]);
    Ok(Shown::new(&signed, table))
}
