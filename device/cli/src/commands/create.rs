//! `device-key create`: creates a key.

use device_key_client::key::CreateParams;

use super::{Shown, key};
use crate::args::CreateArguments;
use crate::client::Client;
use crate::exit::Failure;

/// Calls `device/key/create`.
pub(super) fn run(arguments: &CreateArguments) -> Result<Shown, Failure> {
    let policy = arguments.policy.map(Into::into);
    let params = CreateParams::new(&arguments.account, &arguments.client, policy);
    let mut client = Client::connect(&arguments.connection)?;
    Ok(key::shown(&client.ask(async |client| client.create(&params).await)?))
}
