//! The controller's side of the relying party's protocol.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use base64ct::{Base64, Encoding as _};
use device_key_types::DeviceKeyId;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A program that controls machines remotely. The relying party knows it by an access token for an
/// account.
#[derive(Clone)]
pub struct Controller {
    address: SocketAddr,
    endpoints: String,
    access_token: String,
}

/// The relying party's answer to a request that it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The stable code of the reason.
    pub reason: String,
    /// The field that was refused, if a field was the reason.
    pub field: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        self.field.iter().try_for_each(|field| write!(f, " {field}"))
    }
}

/// A statement and its signature, as `device/key/sign` gives them: standard base64.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The member `signedPayloadBase64`.
    pub signed_payload: String,
    /// The member `signatureDerBase64`.
    pub signature: String,
}

impl Proof {
    /// The proof with one bit of the statement changed.
    pub fn tampered(&self) -> Result<Self> {
        let mut bytes = Base64::decode_vec(&self.signed_payload).ok().context("base64")?;
        *bytes.last_mut().context("a statement")? ^= 1;
        Ok(Self { signed_payload: Base64::encode_string(&bytes), ..self.clone() })
    }
}

impl Controller {
    /// Creates a controller for the relying party at this address, with endpoints below this path.
    pub fn new(address: SocketAddr, path_prefix: &str, access_token: &str) -> Self {
        let endpoints = format!("{path_prefix}/remote/control/client");
        Self { address, endpoints, access_token: access_token.to_owned() }
    }

    /// A controller for this relying party with another token.
    #[must_use]
    pub fn with_token(&self, access_token: &str) -> Self {
        Self { access_token: access_token.to_owned(), ..self.clone() }
    }

    /// Posts JSON to an endpoint such as `/enroll`. Returns the answer or the refusal.
    pub async fn post(&self, endpoint: &str, body: &Value) -> Result<Result<Value, Refused>> {
        self.request(Method::POST, endpoint, Some(body)).await
    }

    /// Lists the account's devices.
    pub async fn devices(&self) -> Result<Result<Value, Refused>> {
        self.request(Method::GET, "/devices", None).await
    }

    /// Revokes a device.
    pub async fn revoke(&self, key_id: &DeviceKeyId) -> Result<Result<Value, Refused>> {
        self.request(Method::DELETE, &format!("/devices/{key_id}"), None).await
    }

    /// Opens a WebSocket connection with a connection token and a proof.
    pub async fn connect(
        &self,
        token: &str,
        key_id: &DeviceKeyId,
        proof: &Proof,
    ) -> Result<Result<Connection, Refused>> {
        let request = Request::builder()
            .uri(&self.endpoints)
            .header(header::HOST, self.address.to_string())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, Base64::encode_string(&[0; 16]))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("device-key-id", key_id.to_string())
            .header("device-key-signed-payload", &proof.signed_payload)
            .header("device-key-signature", &proof.signature)
            .body(Full::default())?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Err(refused(response).await?));
        }
        let upgraded = TokioIo::new(hyper::upgrade::on(response).await?);
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        Ok(Ok(Connection { socket }))
    }

    async fn request(
        &self,
        method: Method,
        endpoint: &str,
        body: Option<&Value>,
    ) -> Result<Result<Value, Refused>> {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{endpoint}", self.endpoints))
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.access_token))
            .body(Full::new(body))?;
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Ok(Err(refused(response).await?));
        }
        let body = response.into_body().collect().await?.to_bytes();
        let answer = if body.is_empty() { json!({}) } else { serde_json::from_slice(&body)? };
        Ok(Ok(answer))
    }

    /// Sends a request on a connection of its own.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection): (SendRequest<Full<Bytes>>, _) =
            handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender.send_request(request).await?)
    }
}

async fn refused(response: Response<Incoming>) -> Result<Refused> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |member: &str| answer.get(member).and_then(Value::as_str).map(str::to_owned);
    Ok(Refused {
        status,
        reason: text("reason").unwrap_or_else(|| format!("status {status}")),
        field: text("field"),
    })
}

/// An open WebSocket connection.
pub struct Connection {
    socket: WebSocketStream<TokioIo<Upgraded>>,
}

impl Connection {
    /// Sends a message and waits for the answer.
    pub async fn exchange(&mut self, message: &str) -> Result<String> {
        self.socket.send(Message::text(message)).await?;
        match self.socket.next().await.context("an open connection")?? {
            Message::Text(text) => Ok(text.to_string()),
            other => anyhow::bail!("not a text but {other:?}"),
        }
    }

    /// Waits until the relying party closes the connection. Returns the reason that it gives.
    pub async fn closed(&mut self) -> Result<String> {
        while let Some(message) = self.socket.next().await {
            if let Message::Close(Some(frame)) = message? {
                return Ok(frame.reason.to_string());
            }
        }
        Ok("closed without a reason".to_owned())
    }
}
