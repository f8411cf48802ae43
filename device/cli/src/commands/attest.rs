//! `device-key attest`: shows a backend which TPM holds a key, and proves it.

use std::path::Path;

use device_key_client::attestation::{ActivateParams, IdentityParams};
use device_key_types::attestation::Credential;

use super::{Shown, json_file};
use crate::args::AttestArguments;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::table;

/// Calls `device/key/attestation/identity`, or `device/key/attestation/activate` if there is a
/// credential.
pub(super) fn run(arguments: &AttestArguments) -> Result<Shown, Failure> {
    let challenge = json_file::read(&arguments.challenge, "challenge")?;
    let params = IdentityParams::new(&arguments.key_id, challenge, arguments.endorsement_key);
    let credential = arguments.credential.as_deref().map(credential).transpose()?;
    let mut client = Client::connect(&arguments.connection)?;
    match credential {
        Some(credential) => activated(&mut client, &ActivateParams::new(params, &credential)),
        None => identified(&mut client, &params),
    }
}

fn credential(path: &Path) -> Result<Credential, Failure> {
    let json = json_file::read(path, "credential")?;
    serde_json::from_str(json.get()).map_err(|error| Failure {
        exit: Exit::Usage,
        what: format!("the credential in {} cannot be used", path.display()),
        cause: error.to_string(),
        fix: Some("give the backend's answer, with credentialBlob and encryptedSecret".to_owned()),
    })
}

fn identified(client: &mut Client, params: &IdentityParams) -> Result<Shown, Failure> {
    let identity = client.ask(async |client| client.identity(params).await)?;
    let certificates = match identity.endorsement_key_certificates.len() {
        0 => "none in this TPM".to_owned(),
        count => count.to_string(),
    };
    let table = table::pairs(&[
        ("endorsement key", identity.endorsement_key.to_string()),
        ("its certificates", certificates),
        ("evidence", "with --json, for the backend".to_owned()),
    ]);
    Ok(Shown::new(&identity, table))
}

fn activated(client: &mut Client, params: &ActivateParams) -> Result<Shown, Failure> {
    let activation = client.ask(async |client| client.activate(params).await)?;
    let table = table::pairs(&[
        ("credential", "opened".to_owned()),
        ("key", "certified".to_owned()),
        ("evidence", "with --json, for the backend".to_owned()),
    ]);
    Ok(Shown::new(&activation, table))
}
