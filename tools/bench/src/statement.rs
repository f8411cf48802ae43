//! The requests that the measurements send.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use device_key_client::initialize::{ClientInfo, InitializeParams};
use device_key_client::key::CreateParams;
use device_key_types::ProtectionPolicy;
use device_key_types::strict_json::Object;
use serde_json::json;

pub(crate) const ACCOUNT: &str = "bench-account";
pub(crate) const CLIENT: &str = "bench-client";

/// Returns, as one line, a request to sign a connection statement that expires in ten minutes.
pub(crate) fn sign_line(key_id: &str) -> Result<Vec<u8>> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let payload = json!({
        "type": "remoteControlClientConnection",
        "nonce": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "audience": "remote_control_client_websocket",
        "sessionId": "wssess_0123456789",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/api/codex/remote/control/client",
        "accountUserId": ACCOUNT,
        "clientId": CLIENT,
        "tokenSha256Base64url": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "tokenExpiresAt": now + 600,
        "scopes": ["remote_control_controller_websocket"],
    });
    let params = json!({"keyId": key_id, "payload": payload});
    let request = json!({"id": 0, "method": "device/key/sign", "params": params});
    Ok(format!("{request}\n").into_bytes())
}

/// The params that create a key for these statements.
pub(crate) fn create(policy: Option<ProtectionPolicy>) -> Result<CreateParams> {
    Ok(CreateParams::new(&ACCOUNT.parse()?, &CLIENT.parse()?, policy))
}

/// The params of the handshake.
pub(crate) fn initialize() -> InitializeParams {
    let info = ClientInfo { name: "bench".to_owned(), version: "0".to_owned(), title: None };
    InitializeParams { client_info: Object(info), capabilities: None }
}
