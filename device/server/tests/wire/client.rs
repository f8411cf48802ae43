//! A server on parts in memory, and a client that is connected in process.

use std::sync::Arc;

use device_key::{DeviceKeyProvider, Peer};
use device_key_server::{AppServer, DuplicateMethod, Methods, ServerDescription};
use device_key_testing::{Assembly, FixedClock, MemoryProvider};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf,
};

pub(crate) struct Client {
    requests: WriteHalf<DuplexStream>,
    answers: Answers,
}

/// The answers of one connection.
pub(crate) struct Answers(BufReader<ReadHalf<DuplexStream>>);

/// Makes a server on parts in memory. Returns it and the clock that it reads.
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
        Self::over(server.connect_in_process())
    }

    /// Connects as this peer, without the handshake.
    pub(crate) fn connect_as(server: &AppServer, peer: Peer) -> Self {
        Self::over(server.connect(peer))
    }

    fn over(stream: DuplexStream) -> Self {
        let (answers, requests) = tokio::io::split(stream);
        Self { requests, answers: Answers(BufReader::new(answers)) }
    }

    /// Connects and shakes hands.
    pub(crate) async fn initialized(server: &AppServer) -> Self {
        let mut client = Self::connect(server);
        let answer = client.exchange(&initialize()).await;
        assert!(answer["result"].is_object(), "{answer}");
        client
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.requests.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Value {
        self.answers.next().await.expect("an answer")
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

    /// Creates a key and returns its id.
    pub(crate) async fn create(&mut self, account: &str, client: &str) -> String {
        let params = json!({"accountUserId": account, "clientId": client});
        let answer = self.call("device/key/create", params).await;
        answer["result"]["keyId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Both directions, for a test that uses them at the same time.
    pub(crate) fn into_parts(self) -> (WriteHalf<DuplexStream>, Answers) {
        (self.requests, self.answers)
    }

    /// Ends the input, and gives every answer that is still to come.
    pub(crate) async fn finish(self) -> Vec<Value> {
        let Self { mut requests, mut answers } = self;
        requests.shutdown().await.unwrap();
        let mut rest = Vec::new();
        while let Some(answer) = answers.next().await {
            rest.push(answer);
        }
        rest
    }
}

impl Answers {
    /// The next answer, or `None` when the server has ended the connection.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).await.unwrap();
        if line.is_empty() {
            return None;
        }
        let line = line.strip_suffix(b"\n").expect("a line");
        Some(serde_json::from_slice(line).unwrap())
    }
}

pub(crate) fn reason(answer: &Value) -> &str {
    answer["error"]["data"]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {answer}"))
}
