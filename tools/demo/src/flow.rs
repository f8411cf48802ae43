//! The steps that a controller takes between its device and the relying party.

use anyhow::{Context as _, Result};
use device_key_client::key::KeyResult;
use device_key_types::Sha256Digest;
use device_key_types::payload::device_identity_digest;
use serde_json::{Map, Value, json};

use crate::controller::{Controller, Proof, Refused};
use crate::device::Device;

/// The enrollment statement that answers a challenge.
pub fn enrollment_statement(challenge: &Value, key: &KeyResult) -> Result<Value> {
    let class = key.protection_class.known().context("a known protection class")?;
    let identity = device_identity_digest(&key.key_id, class, &key.public_key)?;
    let mut statement = members(challenge)?;
    statement.remove("attestation");
    statement.insert("deviceIdentitySha256Base64url".to_owned(), json!(identity.to_string()));
    Ok(Value::Object(statement))
}

/// The connection statement that answers an invitation.
pub fn connection_statement(invitation: &Value) -> Result<Value> {
    let mut statement = members(invitation)?;
    let token = statement.remove("token");
    let token = token.as_ref().and_then(Value::as_str).context("a token")?;
    let digest = Sha256Digest::of(token.as_bytes()).to_string();
    statement.insert("tokenSha256Base64url".to_owned(), json!(digest));
    Ok(Value::Object(statement))
}

fn members(object: &Value) -> Result<Map<String, Value>> {
    object.as_object().cloned().context("an object")
}

/// The text of a member of an answer.
pub fn text<'a>(answer: &'a Value, member: &str) -> Result<&'a str> {
    answer.get(member).and_then(Value::as_str).with_context(|| member.to_owned())
}

/// The members that every request to enroll a key contains.
pub fn claim(challenge: &Value, key: &KeyResult) -> Result<Value> {
    Ok(json!({
        "challengeId": text(challenge, "challengeId")?,
        "keyId": key.key_id,
        "publicKeySpkiDerBase64": key.public_key,
        "protectionClass": key.protection_class,
    }))
}

impl Controller {
    /// Requests a challenge to enroll a client.
    pub async fn enrollment_challenge(&self, client: &str) -> Result<Value> {
        let challenge = self.post("/enroll/challenge", &json!({"clientId": client})).await?;
        challenge.map_err(|refused| anyhow::anyhow!("no enrollment challenge: {refused}"))
    }

    /// Sends the identity of a TPM. Returns a credential for that TPM or the refusal.
    pub async fn send_identity(
        &self,
        challenge: &Value,
        key: &KeyResult,
        identity: &Value,
    ) -> Result<Result<Value, Refused>> {
        let mut body = claim(challenge, key)?;
        insert(&mut body, "identity", identity.clone());
        self.post("/enroll/attestation", &body).await
    }

    /// Sends the proof, and the activation if there is one. Returns the enrolled device or the
    /// refusal.
    pub async fn enroll(
        &self,
        challenge: &Value,
        key: &KeyResult,
        proof: &Proof,
        activation: Option<&Value>,
    ) -> Result<Result<Value, Refused>> {
        let mut body = claim(challenge, key)?;
        insert(&mut body, "algorithm", json!("ecdsa_p256_sha256"));
        insert(&mut body, "signedPayloadBase64", json!(proof.signed_payload));
        insert(&mut body, "signatureDerBase64", json!(proof.signature));
        if let Some(activation) = activation {
            insert(&mut body, "activation", activation.clone());
        }
        self.post("/enroll", &body).await
    }

    /// Attests and enrolls a key. Returns the device as the relying party describes it.
    pub async fn enroll_attested(
        &self,
        device: &mut Device,
        key: &KeyResult,
        client: &str,
    ) -> Result<Value> {
        let challenge = self.enrollment_challenge(client).await?;
        let identity = device.identity(key, &challenge).await?;
        let credential = self.send_identity(&challenge, key, &identity).await?;
        let credential =
            credential.map_err(|refused| anyhow::anyhow!("no credential: {refused}"))?;
        let activation = device.activate(key, &challenge, &credential).await?;
        let activation = activation.map_err(|reason| anyhow::anyhow!("no activation: {reason}"))?;
        let proof = device.sign(key, &enrollment_statement(&challenge, key)?).await?;
        let proof = proof.map_err(|reason| anyhow::anyhow!("no proof: {reason}"))?;
        let enrolled = self.enroll(&challenge, key, &proof, Some(&activation)).await?;
        enrolled.map_err(|refused| anyhow::anyhow!("not enrolled: {refused}"))
    }

    /// Requests a connection. Returns the invitation or the refusal.
    pub async fn invite(&self, key: &KeyResult) -> Result<Result<Value, Refused>> {
        self.post("/challenge", &json!({"keyId": key.key_id})).await
    }
}

fn insert(body: &mut Value, member: &str, value: Value) {
    if let Value::Object(members) = body {
        members.insert(member.to_owned(), value);
    }
}
