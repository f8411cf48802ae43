//! Creates a key in the running service, signs a connection statement with it, and prints both.
//!
//! Run with `cargo run -p device-key-client --example sign`. The service's socket is found as the
//! `device-key` command finds it.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use device_key_client::key::{CreateParams, SignParams};
use device_key_client::{Client, ClientSettings, ServiceSocket};
use device_key_types::ProtectionPolicy;
use serde_json::json;
use serde_json::value::to_raw_value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = ClientSettings::new("sign-example", env!("CARGO_PKG_VERSION"));
    let mut client = Client::connect(&ServiceSocket::locate()?, &settings).await?;

    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    let params = CreateParams::new(&"account".parse()?, &"client".parse()?, Some(policy));
    let key = client.create(&params).await?;
    println!("key {}, protected by {}", key.key_id, key.protection_class);

    // A real controller gets these values from its backend.
    let statement = json!({
        "type": "remoteControlClientConnection",
        "nonce": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "audience": "remote_control_client_websocket",
        "sessionId": "session",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/api/codex/remote/control/client",
        "accountUserId": "account",
        "clientId": "client",
        "tokenSha256Base64url": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "tokenExpiresAt": SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 60,
        "scopes": ["remote_control_controller_websocket"],
    });
    let params = SignParams::new(&key.key_id, to_raw_value(&statement)?);
    let signed = client.sign(&params).await?;
    key.public_key.verify(&signed.signed_payload, &signed.signature)?;
    println!("{}", signed.json());
    Ok(())
}
