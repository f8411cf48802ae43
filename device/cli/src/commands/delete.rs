//! `device-key delete`: deletes a key.

use device_key_client::lifecycle::DeleteParams;

use super::Shown;
use crate::args::KeyArguments;
use crate::client::Client;
use crate::exit::Failure;

/// Calls `device/key/delete`.
pub(super) fn run(arguments: &KeyArguments) -> Result<Shown, Failure> {
    let params = DeleteParams::new(&arguments.key_id);
    let mut client = Client::connect(&arguments.connection)?;
    let deleted = client.ask(async |client| client.delete(&params).await)?;
    Ok(Shown::new(&deleted, format!("deleted {}\n", arguments.key_id)))
}
