//! Runs the controller's device: the real app-server as a child process, on a TPM.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64ct::{Base64, Encoding as _};
use device_key_client::attestation::{ActivateParams, IdentityParams};
use device_key_client::key::{CreateParams, KeyResult, SignParams};
use device_key_client::{Client, ClientError, ClientSettings, Received};
use device_key_types::attestation::Credential;
use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::process::Command;

use crate::controller::Proof;

/// A running app-server.
pub struct Device {
    client: Client,
}

impl Device {
    /// Spawns the app-server, which answers the attestation challenges of these origins. `tpm` is
    /// an address such as `unix:PATH`.
    pub async fn spawn(
        program: &Path,
        home: &Path,
        tpm: &str,
        attested: &[String],
    ) -> Result<Self> {
        let config = home.with_extension("toml");
        fs::write(&config, format!("[attestation]\norigins = {attested:?}\n"))?;
        let mut command = Command::new(program);
        command
            .args(["app-server", "--allow-simulated-tpm", "--tpm", tpm, "--home"])
            .arg(home)
            .arg("--config")
            .arg(config)
            .stderr(crate::log())
            .kill_on_drop(true);
        let settings = ClientSettings::new("controller", env!("CARGO_PKG_VERSION"));
        let client = Client::spawn(&mut command, &settings).await;
        let client = client.with_context(|| format!("cannot spawn {}", program.display()))?;
        Ok(Self { client })
    }

    /// Creates a key for an account and a client.
    pub async fn create_key(&mut self, account: &str, client: &str) -> Result<KeyResult> {
        let params = CreateParams::new(&account.parse()?, &client.parse()?, None);
        Ok(self.client.create(&params).await?.into_value())
    }

    /// Signs a statement. Returns the proof or the reason of the refusal.
    pub async fn sign(
        &mut self,
        key: &KeyResult,
        statement: &Value,
    ) -> Result<Result<Proof, String>> {
        let params = SignParams::new(&key.key_id, to_raw_value(statement)?);
        let signed = or_reason(self.client.sign(&params).await)?;
        Ok(signed.map(|signed| Proof {
            signed_payload: Base64::encode_string(&signed.signed_payload),
            signature: Base64::encode_string(&signed.signature.to_der()),
        }))
    }

    /// Shows which TPM holds the key. `challenge` is an enrollment challenge that contains an
    /// attestation challenge.
    pub async fn identity(&mut self, key: &KeyResult, challenge: &Value) -> Result<Value> {
        let identity = self.identity_for(key, challenge).await?;
        identity.map_err(|reason| anyhow::anyhow!("no identity: {reason}"))
    }

    /// Like [`identity`](Self::identity), but returns the reason of a refusal instead of an error.
    pub async fn identity_for(
        &mut self,
        key: &KeyResult,
        challenge: &Value,
    ) -> Result<Result<Value, String>> {
        let params = identity_params(key, challenge)?;
        json(self.client.identity(&params).await)
    }

    /// Opens a credential and certifies the key. Returns the activation or the reason of the
    /// refusal.
    pub async fn activate(
        &mut self,
        key: &KeyResult,
        challenge: &Value,
        credential: &Value,
    ) -> Result<Result<Value, String>> {
        let credential = Credential::deserialize(credential)?;
        let params = ActivateParams::new(identity_params(key, challenge)?, &credential);
        json(self.client.activate(&params).await)
    }
}

fn identity_params(key: &KeyResult, challenge: &Value) -> Result<IdentityParams> {
    let challenge = challenge.get("attestation").context("an attestation challenge")?;
    Ok(IdentityParams::new(&key.key_id, to_raw_value(challenge)?, None))
}

fn json<T>(answer: Result<Received<T>, ClientError>) -> Result<Result<Value, String>> {
    let answer = or_reason(answer)?;
    Ok(match answer {
        Ok(received) => Ok(serde_json::from_str(received.json())?),
        Err(reason) => Err(reason),
    })
}

/// The result, or the reason of a refusal. Any other error ends the demo.
fn or_reason<T>(answer: Result<T, ClientError>) -> Result<Result<T, String>> {
    match answer {
        Ok(result) => Ok(Ok(result)),
        Err(ClientError::Refused { error, .. }) => {
            let reason = error.data.reason.map(|reason| reason.to_string());
            Ok(Err(reason.unwrap_or_else(|| "no reason".to_owned())))
        }
        Err(error) => Err(error.into()),
    }
}
