use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Shown;
use crate::{client, exit::Failure, table};

/// Params that name a key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyParams {
    pub(super) key_id: String,
}

/// A key, as `create` and `public` answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    key_id: String,
    public_key_spki_der_base64: String,
    algorithm: String,
    protection_class: String,
    tpm_kind: Option<String>,
}

/// Shows a key.
pub(super) fn shown(result: &RawValue) -> Result<Shown, Failure> {
    let key: Answer = client::read(result)?;
    let mut pairs = vec![("key id", key.key_id), ("protection", key.protection_class)];
    pairs.extend(key.tpm_kind.map(|kind| ("kind of TPM", kind)));
    pairs.push(("algorithm", key.algorithm));
    pairs.push(("public key", key.public_key_spki_der_base64));
    Ok(Shown { json: result.get().to_owned(), table: table::pairs(&pairs) })
}
