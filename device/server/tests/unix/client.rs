//! A service that listens in a folder of its own, and clients for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use device_key::DeviceKeyProvider;
use device_key_server::{
    AppServer, Methods, ServerDescription, ServerLimits, SocketMode, UnixSocket,
};
use device_key_testing::{Assembly, MemoryProvider, samples};
use device_key_types::payload::Statement;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Service {
    pub(crate) server: AppServer,
    folder: TempDir,
}

pub(crate) fn server(
    limits: ServerLimits,
    providers: Vec<Arc<dyn DeviceKeyProvider>>,
) -> AppServer {
    hosting(Methods::new(), limits, providers)
}

/// Works as [`server`], with a host's methods.
pub(crate) fn hosting(
    host: Methods,
    limits: ServerLimits,
    providers: Vec<Arc<dyn DeviceKeyProvider>>,
) -> AppServer {
    let store = providers.into_iter().fold(Assembly::new(), Assembly::shared_provider).store();
    let description = ServerDescription {
        name: "test".to_owned(),
        version: "0".to_owned(),
        home: "/home/of/test".into(),
    };
    AppServer::with_limits(description, store, host, limits).unwrap()
}

impl Service {
    /// Listens, and serves on a task of its own.
    pub(crate) fn start(limits: ServerLimits, provider: impl DeviceKeyProvider + 'static) -> Self {
        Self::open_to(SocketMode::OwnUser, limits, provider)
    }

    /// Works as [`start`](Self::start), with a socket that the mode's users may connect to.
    pub(crate) fn open_to(
        mode: SocketMode,
        limits: ServerLimits,
        provider: impl DeviceKeyProvider + 'static,
    ) -> Self {
        Self::serving(mode, server(limits, vec![Arc::new(provider)]))
    }

    pub(crate) fn serving(mode: SocketMode, server: AppServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let service = Self { server, folder };
        let socket = UnixSocket::bind(&service.path(), mode).unwrap();
        tokio::spawn(socket.serve(service.server.clone()));
        service
    }

    /// Makes the socket's own mode the only thing that keeps other users out.
    pub(crate) fn let_others_search_the_folder(&self) {
        let path = self.path();
        fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
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

/// Params that a key with this [`binding`] signs.
pub(crate) fn sign(key_id: &str) -> Value {
    let payload = json!({
        "type": Statement::Connection.as_str(),
        "nonce": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "audience": "remote_control_client_websocket",
        "sessionId": "session",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/wham/remote/control/client",
        "accountUserId": "account",
        "clientId": "client",
        "tokenSha256Base64url": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "tokenExpiresAt": samples::NOW.as_seconds() + 60,
        "scopes": ["remote_control_controller_websocket"],
    });
    json!({"keyId": key_id, "payload": payload})
}

pub(crate) struct Client {
    lines: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

impl Client {
    pub(crate) async fn connect(path: &std::path::Path) -> Self {
        Self::over(UnixStream::connect(path).await.unwrap())
    }

    pub(crate) fn over(stream: UnixStream) -> Self {
        let (input, output) = stream.into_split();
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

    /// Waits until a part of an answer has come.
    pub(crate) async fn readable(&self) {
        self.lines.get_ref().readable().await.unwrap();
    }

    /// Sends as much as the socket takes at once. Returns how many bytes that were.
    pub(crate) fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.output.try_write(bytes)
    }

    /// The next answer, or nothing if the connection has ended.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("in time");
        // A connection that is dropped with unread bytes is reset, and reading fails.
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
