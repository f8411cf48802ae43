//! A service on a socket in a folder of its own, and its clients.

use std::{path::PathBuf, sync::Arc, time::Duration};

use device_key::{DeviceKeyProvider, DeviceKeyStore, Limits, OsRandom, Parts, RemoteControlPolicy};
use device_key_server::{
    AppServer, Methods, ServerDescription, ServerLimits, SocketMode, UnixSocket,
};
use device_key_testing::{FixedClock, MemoryBindings, MemoryProvider, samples};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// How long anything may take before a test gives it up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Service {
    pub(crate) server: AppServer,
    folder: TempDir,
}

pub(crate) fn server(
    limits: ServerLimits,
    providers: Vec<Arc<dyn DeviceKeyProvider>>,
) -> AppServer {
    let store = DeviceKeyStore::new(Parts {
        policy: RemoteControlPolicy::default(),
        limits: Limits::default(),
        clock: Arc::new(FixedClock::at(samples::NOW)),
        random: Arc::new(OsRandom),
        bindings: MemoryBindings::new(),
        providers,
    });
    let description = ServerDescription {
        name: "test".to_owned(),
        version: "0".to_owned(),
        home: "/home/of/test".into(),
    };
    AppServer::with_limits(description, store, Methods::new(), limits).unwrap()
}

impl Service {
    /// Listens, and serves on a task of its own.
    pub(crate) fn start(limits: ServerLimits, provider: impl DeviceKeyProvider + 'static) -> Self {
        let server = server(limits, vec![Arc::new(provider)]);
        let service = Self { server, folder: tempfile::tempdir().unwrap() };
        let socket = UnixSocket::bind(&service.path(), SocketMode::OwnUser).unwrap();
        tokio::spawn(socket.serve(service.server.clone()));
        service
    }

    pub(crate) fn with_limits(limits: ServerLimits) -> Self {
        Self::start(limits, MemoryProvider::hardware())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("run/device-key.sock")
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(&self.path()).await
    }

    pub(crate) async fn initialized(&self) -> Client {
        let mut client = self.connect().await;
        let answer = client.call("initialize", &initialize()).await;
        assert!(answer["result"].is_object(), "{answer}");
        client
    }
}

pub(crate) fn initialize() -> Value {
    json!({"clientInfo": {"name": "test", "version": "0"}})
}

pub(crate) fn binding() -> Value {
    json!({"accountUserId": "account", "clientId": "client"})
}

pub(crate) struct Client {
    lines: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

impl Client {
    pub(crate) async fn connect(path: &std::path::Path) -> Self {
        let (input, output) = UnixStream::connect(path).await.unwrap().into_split();
        Self { lines: BufReader::new(input), output }
    }

    pub(crate) async fn send(&mut self, method: &str, params: &Value) {
        let request = json!({"id": method, "method": method, "params": params});
        self.output.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    }

    /// Waits until the socket takes more.
    pub(crate) async fn writable(&self) {
        self.output.writable().await.unwrap();
    }

    /// As much as the socket takes at once; how much that is.
    pub(crate) fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.output.try_write(bytes)
    }

    /// The next answer, or nothing if the connection has ended.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("in time");
        // A connection that is cut off with bytes unread is reset.
        (read.unwrap_or(0) > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    pub(crate) async fn call(&mut self, method: &str, params: &Value) -> Value {
        self.send(method, params).await;
        self.receive().await.expect("an answer")
    }
}

pub(crate) fn reason(answer: &Value) -> &str {
    answer["error"]["data"]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {answer}"))
}
