//! The shared vectors under `testdata/vectors`, as typed values.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One payload, at one time, against one binding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadVector {
    /// A description of the case.
    pub comment: String,
    /// The clock, in Unix seconds.
    pub now: i64,
    /// What the key is bound to.
    pub binding: BindingText,
    /// The payload as a client sends it.
    pub payload: serde_json::Value,
    /// The expected outcome.
    pub expect: Expectation,
}

/// The text of a binding.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BindingText {
    /// The account.
    pub account_user_id: String,
    /// The client.
    pub client_id: String,
}

/// The expected outcome of a payload.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Expectation {
    /// It is signed.
    Signed(SignedVector),
    /// It is refused.
    Refused(RefusedVector),
}

/// The exact bytes that are signed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedVector {
    /// As text.
    pub signed_utf8: String,
    /// In standard, padded base64.
    pub signed_base64: String,
    /// Their SHA-256 in lower-case hex.
    pub sha256_hex: String,
}

/// The exact refusal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedVector {
    /// The reason.
    pub error: String,
    /// The field of the payload, if the refusal is about a single field.
    pub field: Option<String>,
}

/// One origin against the default policy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginVector {
    /// The text of the origin.
    pub origin: String,
    /// Whether it is allowed.
    pub allowed: bool,
    /// The reason, if the origin is refused.
    pub reason: Option<String>,
    /// A description of the case.
    pub comment: Option<String>,
}

/// The text of one binding.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BindingVector {
    /// A description of the case.
    pub comment: String,
    /// The account.
    pub account_user_id: String,
    /// The client.
    pub client_id: String,
    /// Whether both are accepted.
    pub valid: bool,
    /// The reason, if the account or the client is refused.
    pub reason: Option<String>,
    /// The first field that is refused.
    pub field: Option<String>,
}

/// The text of one key id.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyIdVector {
    /// A description of the case.
    pub comment: String,
    /// The text.
    pub key_id: String,
    /// Whether it is accepted.
    pub valid: bool,
    /// The reason, if the key id is refused.
    pub reason: Option<String>,
}

/// Every payload vector.
pub fn payloads() -> Vec<PayloadVector> {
    load("payloads.json")
}

/// Every origin vector.
pub fn origins() -> Vec<OriginVector> {
    load("origins.json")
}

/// Every binding vector.
pub fn bindings() -> Vec<BindingVector> {
    load("bindings.json")
}

/// Every key id vector.
pub fn key_ids() -> Vec<KeyIdVector> {
    load("key_ids.json")
}

fn load<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors");
    let text = std::fs::read_to_string(folder.join(file)).expect("the vectors are in the checkout");
    let vectors: Vec<T> = serde_json::from_str(&text).expect("the vectors have this shape");
    assert!(!vectors.is_empty(), "{file} is empty");
    vectors
}
