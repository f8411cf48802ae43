//! `device-key public`: shows the public part of a key.

use device_key_client::key::PublicParams;

use super::{Shown, key};
use crate::args::KeyArguments;
use crate::client::Client;
use crate::exit::Failure;

/// Calls `device/key/public`.
pub(super) fn run(arguments: &KeyArguments) -> Result<Shown, Failure> {
    let params = PublicParams::new(&arguments.key_id);
    let mut client = Client::connect(&arguments.connection)?;
    Ok(key::shown(&client.ask(async |client| client.public(&params).await)?))
}
