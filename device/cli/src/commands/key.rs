//! Shows a key, for `create` and `public`.

use base64ct::{Base64, Encoding as _};
use device_key_client::Received;
use device_key_client::key::KeyResult;

use super::Shown;
use crate::table;

/// The key as JSON and as a table.
pub(super) fn shown(key: &Received<KeyResult>) -> Shown {
    let mut pairs =
        vec![("key id", key.key_id.to_string()), ("protection", key.protection_class.to_string())];
    pairs.extend(key.tpm_kind.as_ref().map(|kind| ("kind of TPM", kind.to_string())));
    pairs.push(("algorithm", key.algorithm.to_string()));
    pairs.push(("public key", Base64::encode_string(key.public_key.spki_der())));
    Shown::new(key, table::pairs(&pairs))
}
