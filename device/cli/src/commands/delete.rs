use super::{Shown, key::KeyParams};
use crate::{args::KeyArguments, client::Client, exit::Failure};

/// `device/key/delete`
pub(super) fn run(arguments: &KeyArguments) -> Result<Shown, Failure> {
    let params = KeyParams { key_id: arguments.key_id.to_string() };
    let result = Client::connect(&arguments.connection)?.call("device/key/delete", &params)?;
    Ok(Shown { json: result.get().to_owned(), table: format!("deleted {}\n", arguments.key_id) })
}
