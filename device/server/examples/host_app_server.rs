//! A host that mounts a method of its own beside `device/key/*` and talks to itself in process.
//!
//! `cargo run --example host_app_server`. To keep the example short, its parts are this project's
//! test doubles. A product gives `DeviceKeyStore` the `SQLite` store and a real provider instead.

use std::error::Error;
use std::sync::Arc;

use device_key::{DeviceKeyStore, Parts, RemoteControlPolicy, StoreLimits};
use device_key_server::{AppServer, Methods, ServerDescription};
use device_key_testing::{MemoryBindings, MemoryProvider};
use device_key_types::{OsRandom, SystemClock};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

#[derive(Deserialize)]
struct GreetParams {
    name: String,
}

fn host() -> Result<AppServer, Box<dyn Error>> {
    let store = DeviceKeyStore::new(Parts {
        policy: RemoteControlPolicy::default(),
        limits: StoreLimits::default(),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        bindings: MemoryBindings::new(),
        providers: vec![Arc::new(MemoryProvider::hardware())],
    });
    // The method is local: a remote peer would be refused before its params are read.
    let methods = Methods::new().local("host/greet", |_peer, params| async move {
        let GreetParams { name } = params.read()?;
        Ok(json!({"greeting": format!("hello, {name}")}))
    })?;
    let description = ServerDescription {
        name: "example-host".to_owned(),
        version: "0.1.0".to_owned(),
        home: "/var/lib/example-host".into(),
    };
    Ok(AppServer::new(description, store, methods)?)
}

/// Sends three requests over one connection and returns their answers.
pub async fn talk_to_host() -> Result<Vec<Value>, Box<dyn Error>> {
    let (answers, mut input) = tokio::io::split(host()?.connect_in_process());
    let client_info = json!({"name": "example", "version": "0.1.0"});
    let requests = [
        json!({"id": 0, "method": "initialize", "params": {"clientInfo": client_info}}),
        json!({"id": 1, "method": "host/greet", "params": {"name": "example"}}),
        json!({
            "id": 2,
            "method": "device/key/create",
            "params": {"accountUserId": "account-user-1", "clientId": "cli_123"},
        }),
    ];
    for request in requests {
        input.write_all(format!("{request}\n").as_bytes()).await?;
    }
    // This ends the input. Every request is still answered.
    input.shutdown().await?;
    let mut lines = BufReader::new(answers).lines();
    let mut transcript = Vec::new();
    while let Some(line) = lines.next_line().await? {
        transcript.push(serde_json::from_str(&line)?);
    }
    Ok(transcript)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    for answer in talk_to_host().await? {
        println!("{answer}");
    }
    Ok(())
}
