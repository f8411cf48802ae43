//! An HTTP and WebSocket client for the tests.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Builder;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::server::PREFIX;

/// A client of one server. It opens a connection for each request.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
}

/// The status of an answer, and its JSON, or null if there is none.
pub(crate) type Answer = (u16, Value);

impl Client {
    /// Sends a request of this account to a resource below the base path.
    pub(crate) async fn post(&self, account: &str, resource: &str, body: &Value) -> Answer {
        let request = self.request("POST", resource, Some(account));
        self.send(request.header(CONTENT_TYPE, "application/json"), &body.to_string()).await
    }

    pub(crate) async fn get(&self, account: &str, resource: &str) -> Answer {
        self.send(self.request("GET", resource, Some(account)), "").await
    }

    pub(crate) async fn delete(&self, account: &str, resource: &str) -> Answer {
        self.send(self.request("DELETE", resource, Some(account)), "").await
    }

    pub(crate) fn request(&self, method: &str, resource: &str, account: Option<&str>) -> Builder {
        self.at(method, &format!("{PREFIX}/remote/control/client{resource}"), account)
    }

    pub(crate) fn at(&self, method: &str, path: &str, account: Option<&str>) -> Builder {
        let request =
            Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        match account {
            Some(account) => request.header("authorization", format!("Bearer {account}")),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: Builder, body: &str) -> Answer {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let response = self.raw(request.body(Full::new(body)).unwrap()).await;
        answer(response).await
    }

    async fn raw(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.unwrap()
    }

    /// A WebSocket request without credentials.
    pub(crate) fn upgrade(&self) -> Builder {
        self.request("GET", "", None)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
    }

    pub(crate) async fn open(&self, request: Builder) -> Result<Socket, Answer> {
        let mut response = self.raw(request.body(Full::default()).unwrap()).await;
        if response.status() != 101 {
            return Err(answer(response).await);
        }
        let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
        let stream = TokioIo::new(upgraded);
        Ok(Socket(WebSocketStream::from_raw_socket(stream, Role::Client, None).await))
    }
}

async fn answer(response: Response<Incoming>) -> Answer {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    if body.is_empty() {
        return (status, Value::Null);
    }
    (status, serde_json::from_slice(&body).unwrap())
}

/// Returns the status and the reason of a refusal.
pub(crate) fn refusal((status, body): &Answer) -> (u16, &str) {
    (*status, body["reason"].as_str().unwrap_or("none"))
}

/// An open connection.
pub(crate) struct Socket(pub(crate) WebSocketStream<TokioIo<Upgraded>>);

impl Socket {
    /// Sends a text and returns the text that comes back.
    pub(crate) async fn echo(&mut self, text: &str) -> String {
        self.0.send(Message::text(text)).await.unwrap();
        self.0.next().await.unwrap().unwrap().into_text().unwrap().as_str().to_owned()
    }

    /// Waits until the server closes the connection. Returns the code and the reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.0.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.as_str().to_owned()),
            other => panic!("{other:?} instead of a close frame"),
        }
    }
}
