//! A listener for tests and its clients: plain HTTP clients, and WebSocket clients that write the
//! opening request themselves, with the key and the answer of RFC 6455 section 1.3.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use device_key_protocol::RpcError;
use device_key_server::{
    AppServer, CapabilityToken, Methods, ServerDescription, WebSocketLimits, WebSocketListening,
    WebSocketSettings,
};
use device_key_testing::{Assembly, MemoryProvider};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream,
};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How long any wait may take. No test is meant to come near it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A deadline that a test waits for.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

pub(crate) const TOKEN: &str = "correct-horse-battery-staple-0123456789";

const OPENING: &str = "Host: localhost\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPT: &str = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";

/// A listener that serves until it is dropped.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) server: AppServer,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
}

pub(crate) struct Client(pub(crate) WebSocketStream<TcpStream>);

/// An answer over plain HTTP, in lower case.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.expect("within the deadline")
}

pub(crate) fn description() -> ServerDescription {
    ServerDescription {
        name: "test".to_owned(),
        version: "0".to_owned(),
        home: "/home/of/test".into(),
    }
}

pub(crate) fn server(host: Methods) -> AppServer {
    let store = Assembly::new().provider(MemoryProvider::hardware()).store();
    AppServer::new(description(), store, host).unwrap()
}

/// A method for every peer, which tells over which transport it was called.
pub(crate) fn health() -> Methods {
    Methods::new()
        .anywhere("host/health", |peer, _| async move {
            Ok::<_, RpcError>(json!({"transport": peer.transport()}))
        })
        .unwrap()
}

pub(crate) fn token() -> CapabilityToken {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(TOKEN.as_bytes()).unwrap();
    CapabilityToken::read(&path).unwrap()
}

pub(crate) fn limits(limits: WebSocketLimits) -> WebSocketSettings {
    WebSocketSettings { limits, ..WebSocketSettings::default() }
}

impl Listener {
    /// Serves on loopback.
    pub(crate) fn start(settings: WebSocketSettings) -> Self {
        Self::with(server(health()), settings)
    }

    pub(crate) fn with(server: AppServer, settings: WebSocketSettings) -> Self {
        Self::on((Ipv4Addr::LOCALHOST, 0).into(), server, settings)
    }

    pub(crate) fn on(address: SocketAddr, server: AppServer, settings: WebSocketSettings) -> Self {
        let listening = WebSocketListening::bind(address, settings).unwrap();
        let address = (Ipv4Addr::LOCALHOST, listening.address().port()).into();
        let serving = tokio::spawn(listening.serve(server.clone()));
        Self { address, server, serving }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        within(TcpStream::connect(self.address)).await.unwrap()
    }

    /// Sends a request byte for byte and reads until the connection is closed.
    pub(crate) async fn http(&self, request: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        Reply::read_to_end(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> u16 {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await.status
    }

    /// Opens a WebSocket with additional headers, or gives the refusal.
    pub(crate) async fn open_with(&self, headers: &str) -> Result<Client, Reply> {
        self.open_then(headers, b"").await
    }

    /// Opens a WebSocket, and sends more bytes together with the request.
    pub(crate) async fn open_then(&self, headers: &str, bytes: &[u8]) -> Result<Client, Reply> {
        let mut stream = self.connect().await;
        let opening = format!("GET / HTTP/1.1\r\n{OPENING}{headers}\r\n");
        stream.write_all(&[opening.as_bytes(), bytes].concat()).await.unwrap();
        let mut head = Reply::read_head(&mut stream).await;
        if head.status != 101 {
            head.text += &Reply::rest(&mut stream).await;
            return Err(head);
        }
        assert!(head.text.contains(ACCEPT), "{}", head.text);
        assert!(head.text.contains("upgrade: websocket\r\n"), "{}", head.text);
        assert!(head.text.contains("connection: upgrade\r\n"), "{}", head.text);
        Ok(Client(WebSocketStream::from_raw_socket(stream, Role::Client, None).await))
    }

    pub(crate) async fn open(&self) -> Client {
        self.open_with("").await.unwrap_or_else(|reply| panic!("{}", reply.text))
    }

    /// Opens a WebSocket and shakes hands.
    pub(crate) async fn initialized(&self) -> Client {
        let mut client = self.open().await;
        let answer = client.exchange(&initialize().to_string()).await;
        assert!(answer["result"].is_object(), "{answer}");
        client
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Reply {
    pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Self {
        let mut reply = Self::read_head(stream).await;
        reply.text += &Self::rest(stream).await;
        reply
    }

    async fn read_head(stream: &mut TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = within(stream.read_u8()).await;
            head.push(byte.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&head))));
        }
        let text = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let status = text.strip_prefix("http/1.").unwrap()[2..5].parse().unwrap();
        Self { status, text }
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut rest = String::new();
        within(stream.read_to_string(&mut rest)).await.unwrap();
        rest
    }
}

impl Client {
    pub(crate) async fn send(&mut self, message: Message) {
        within(self.0.send(message)).await.unwrap();
    }

    /// The next message, which need not be an answer.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        within(self.0.next()).await.map(Result::unwrap)
    }

    /// The next answer, as it is on the wire.
    pub(crate) async fn line(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn receive(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    pub(crate) async fn exchange(&mut self, message: &str) -> Value {
        self.send(Message::text(message)).await;
        self.receive().await
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let request = json!({"id": "call", "method": method, "params": params});
        self.exchange(&request.to_string()).await
    }

    /// The code with which the server closes. After the close frame the connection must end in
    /// order.
    pub(crate) async fn closed(&mut self) -> CloseCode {
        let code = match self.next().await {
            Some(Message::Close(Some(frame))) => frame.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(self.next().await, None);
        code
    }
}

/// Sends a line over an in-process connection, and gives the next line of answers.
pub(crate) async fn exchange_line(stream: &mut BufReader<DuplexStream>, line: &str) -> String {
    within(stream.write_all(format!("{line}\n").as_bytes())).await.unwrap();
    let mut answer = String::new();
    within(stream.read_line(&mut answer)).await.unwrap();
    answer
}

pub(crate) fn initialize() -> Value {
    let client_info = json!({"name": "test", "version": "0"});
    json!({"id": 0, "method": "initialize", "params": {"clientInfo": client_info}})
}

pub(crate) fn reason(answer: &Value) -> &str {
    answer["error"]["data"]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {answer}"))
}
