//! A client of an in-process connection.

use std::sync::Arc;

use device_key::{DeviceKeyProvider, Peer};
use device_key_server::{
    Answers, AppServer, Connection, DuplicateMethod, Methods, ServerDescription,
};
use device_key_testing::{Assembly, FixedClock, MemoryProvider};
use serde_json::{Value, json};

pub(crate) struct Client {
    connection: Connection,
    answers: Answers,
}

/// A server on parts in memory, and the clock that it reads.
pub(crate) fn server(providers: Vec<Arc<dyn DeviceKeyProvider>>) -> (AppServer, Arc<FixedClock>) {
    server_with(providers, Methods::new())
}

pub(crate) fn server_with(
    providers: Vec<Arc<dyn DeviceKeyProvider>>,
    host: Methods,
) -> (AppServer, Arc<FixedClock>) {
    try_server_with(providers, host).unwrap()
}

pub(crate) fn try_server_with(
    providers: Vec<Arc<dyn DeviceKeyProvider>>,
    host: Methods,
) -> Result<(AppServer, Arc<FixedClock>), DuplicateMethod> {
    let assembly = providers.into_iter().fold(Assembly::new(), Assembly::shared_provider);
    let clock = assembly.clock.clone();
    let description = ServerDescription {
        name: "test".to_owned(),
        version: "1.2.3".to_owned(),
        home: "/home/of/test".into(),
    };
    Ok((AppServer::new(description, assembly.store(), host)?, clock))
}

pub(crate) fn memory() -> Vec<Arc<dyn DeviceKeyProvider>> {
    vec![Arc::new(MemoryProvider::hardware())]
}

pub(crate) fn initialize() -> Value {
    let client_info = json!({"name": "test", "version": "0"});
    json!({"id": 0, "method": "initialize", "params": {"clientInfo": client_info}})
}

impl Client {
    /// Connects in process, without the handshake.
    pub(crate) fn connect(server: &AppServer) -> Self {
        let (connection, answers) = server.connect_in_process();
        Self { connection, answers }
    }

    /// Connects as a transport would for this peer, without the handshake.
    pub(crate) fn connect_as(server: &AppServer, peer: Peer) -> Self {
        let (connection, answers) = server.connect(peer);
        Self { connection, answers }
    }

    /// Connects and shakes hands.
    pub(crate) async fn initialized(server: &AppServer) -> Self {
        let mut client = Self::connect(server);
        let answer = client.exchange(&initialize()).await;
        assert!(answer["result"].is_object(), "{answer}");
        client
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.connection.feed(bytes).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Value {
        let answer = self.answers.next().await.expect("an answer");
        let line = answer.as_bytes().strip_suffix(b"\n").expect("a line");
        assert!(!line.contains(&b'\n'));
        serde_json::from_slice(line).unwrap()
    }

    /// Sends one message and waits for the next answer.
    pub(crate) async fn exchange(&mut self, message: &Value) -> Value {
        self.send(format!("{message}\n").as_bytes()).await;
        self.receive().await
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let answer =
            self.exchange(&json!({"id": "call", "method": method, "params": params})).await;
        assert_eq!(answer["id"], "call");
        answer
    }

    /// Creates a key and gives its id.
    pub(crate) async fn create(&mut self, account: &str, client: &str) -> String {
        let params = json!({"accountUserId": account, "clientId": client});
        let answer = self.call("device/key/create", params).await;
        answer["result"]["keyId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Both directions, for a test that uses them at the same time.
    pub(crate) fn into_parts(self) -> (Connection, Answers) {
        (self.connection, self.answers)
    }

    /// Ends the input, and gives every answer that was still to come.
    pub(crate) async fn finish(self) -> Vec<Value> {
        let Self { connection, mut answers } = self;
        let drained = tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Some(answer) = answers.next().await {
                rest.push(serde_json::from_slice(answer.as_bytes()).unwrap());
            }
            rest
        });
        connection.finish().await.unwrap();
        drained.await.unwrap()
    }
}

pub(crate) fn reason(answer: &Value) -> &str {
    answer["error"]["data"]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {answer}"))
}
