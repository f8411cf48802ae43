use super::{
    Shown,
    key::{self, KeyParams},
};
use crate::{args::KeyArguments, client::Client, exit::Failure};

/// `device/key/public`
pub(super) fn run(arguments: &KeyArguments) -> Result<Shown, Failure> {
    let params = KeyParams { key_id: arguments.key_id.to_string() };
    let result = Client::connect(&arguments.connection)?.call("device/key/public", &params)?;
    key::shown(&result)
}
