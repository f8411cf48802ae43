use std::path::Path;

use device_key_types::attestation::{Activation, Credential, EndorsementKeyKind, Identity};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Shown, json_file};
use crate::{
    args::AttestArguments,
    client::{self, Client},
    exit::{Exit, Failure},
    table,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    key_id: String,
    challenge: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endorsement_key: Option<EndorsementKeyKind>,
    #[serde(flatten)]
    credential: Option<Credential>,
}

/// `device/key/attestation/identity`, or with a credential `device/key/attestation/activate`
pub(super) fn run(arguments: &AttestArguments) -> Result<Shown, Failure> {
    let params = Params {
        key_id: arguments.key_id.to_string(),
        challenge: json_file::read(&arguments.challenge, "challenge")?,
        endorsement_key: arguments.endorsement_key,
        credential: arguments.credential.as_deref().map(credential).transpose()?,
    };
    let mut client = Client::connect(&arguments.connection)?;
    if params.credential.is_some() {
        activated(&client.call("device/key/attestation/activate", &params)?)
    } else {
        identified(&client.call("device/key/attestation/identity", &params)?)
    }
}

fn credential(path: &Path) -> Result<Credential, Failure> {
    let json = json_file::read(path, "credential")?;
    serde_json::from_str(json.get()).map_err(|error| Failure {
        exit: Exit::Usage,
        what: format!("the credential in {} cannot be used", path.display()),
        cause: error.to_string(),
        cure: Some("give what the backend answered: credentialBlob and encryptedSecret".to_owned()),
    })
}

fn identified(result: &RawValue) -> Result<Shown, Failure> {
    let identity: Identity = client::read(result)?;
    let certificates = match identity.endorsement_key_certificates.len() {
        0 => "none in this TPM".to_owned(),
        count => count.to_string(),
    };
    let evidence = "with --json, for the backend".to_owned();
    let table = table::pairs(&[
        ("endorsement key", identity.endorsement_key.to_string()),
        ("its certificates", certificates),
        ("evidence", evidence),
    ]);
    Ok(Shown { json: result.get().to_owned(), table })
}

fn activated(result: &RawValue) -> Result<Shown, Failure> {
    let _: Activation = client::read(result)?;
    let table = table::pairs(&[
        ("credential", "opened".to_owned()),
        ("key", "certified".to_owned()),
        ("evidence", "with --json, for the backend".to_owned()),
    ]);
    Ok(Shown { json: result.get().to_owned(), table })
}
