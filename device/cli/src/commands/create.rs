use serde::Serialize;

use super::{Shown, key};
use crate::{
    args::{CreateArguments, Policy},
    client::Client,
    exit::Failure,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    account_user_id: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protection_policy: Option<&'static str>,
}

/// `device/key/create`
pub(super) fn run(arguments: &CreateArguments) -> Result<Shown, Failure> {
    let params = Params {
        account_user_id: arguments.account.as_str(),
        client_id: arguments.client.as_str(),
        protection_policy: arguments.policy.map(|policy| match policy {
            Policy::HardwareOnly => "hardware_only",
            Policy::AllowOsProtectedNonextractable => "allow_os_protected_nonextractable",
        }),
    };
    let result = Client::connect(&arguments.connection)?.call("device/key/create", &params)?;
    key::shown(&result)
}
