//! Answers the one HTTP request of each connection: a probe, or the opening of a WebSocket.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use device_key_websocket::Handshake;
use hyper::body::Incoming;
use hyper::http::uri::PathAndQuery;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Parts, on};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::info;

use super::access::WebSocketAccess;
use super::refusal::{RequestRefusal, plain};
use super::settings::Readiness;
use crate::app_server::AppServer;

/// The most bytes of a request's line and headers; longer ones are answered 431. The longest token
/// and the headers of a browser fit in half of this.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Decides what the requests of one listener get.
pub(super) struct Gate {
    pub(super) server: AppServer,
    pub(super) access: WebSocketAccess,
    pub(super) readiness: Readiness,
    /// Bounds the open connections.
    pub(super) slots: Arc<Semaphore>,
}

/// A client whose WebSocket was opened, before its first frame.
pub(super) struct AcceptedUpgrade {
    pub(super) stream: TcpStream,
    /// The bytes that came together with the request.
    pub(super) read_already: Vec<u8>,
    pub(super) slot: OwnedSemaphorePermit,
}

impl Gate {
    /// Answers one request. Returns the client if the request opened a WebSocket. The caller sets
    /// the deadline.
    pub(super) async fn answer_request(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<Option<AcceptedUpgrade>, hyper::Error> {
        let accepted: OnceLock<(OnUpgrade, OwnedSemaphorePermit)> = OnceLock::new();
        let service = service_fn(async |mut request: Request<Incoming>| {
            let response = match self.decide(&request) {
                Ok(Granted::Health) => plain(StatusCode::OK),
                Ok(Granted::Readiness) if self.is_ready().await => plain(StatusCode::OK),
                Ok(Granted::Readiness) => plain(StatusCode::SERVICE_UNAVAILABLE),
                Ok(Granted::WebSocket(handshake, slot)) => {
                    // Set at most once, because each answer ends the HTTP connection.
                    let _ = accepted.set((on(&mut request), slot));
                    handshake.response()
                }
                Err(refusal) => {
                    info!(%peer, ?refusal, "a WebSocket client was refused");
                    refusal.response()
                }
            };
            Ok::<_, Infallible>(response)
        });
        http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await?;
        let Some((upgrade, slot)) = accepted.into_inner() else { return Ok(None) };
        // The stream always has the type that it was given above.
        let parts = upgrade.await?.downcast::<TokioIo<TcpStream>>().ok();
        Ok(parts.map(|Parts { io, read_buf, .. }| AcceptedUpgrade {
            stream: io.into_inner(),
            read_already: read_buf.into(),
            slot,
        }))
    }

    fn decide(&self, request: &Request<Incoming>) -> Result<Granted, RequestRefusal> {
        self.access.check_origin(request.headers())?;
        let path = request.uri().path_and_query().map(PathAndQuery::as_str);
        let resource = path.and_then(Resource::at).ok_or(RequestRefusal::Path)?;
        if request.method() != Method::GET {
            return Err(RequestRefusal::Method);
        }
        match resource {
            Resource::Health => Ok(Granted::Health),
            Resource::Readiness => Ok(Granted::Readiness),
            Resource::WebSocket => {
                self.access.check_token(request.headers())?;
                let handshake = Handshake::read(request)?;
                // While the server stops, the listener waits for all slots. The semaphore is fair,
                // so no client overtakes the listener and gets one.
                let slot = Arc::clone(&self.slots).try_acquire_owned();
                Ok(Granted::WebSocket(handshake, slot.map_err(|_| RequestRefusal::Busy)?))
            }
        }
    }

    /// Whether the service is not stopping, the host agrees, and a key could be recorded.
    async fn is_ready(&self) -> bool {
        let may_be = || !self.server.stopping().is_cancelled() && self.readiness.is_ready();
        may_be() && self.server.is_writable().await && may_be()
    }
}

/// The resources. Each has one path and no query.
enum Resource {
    WebSocket,
    Health,
    Readiness,
}

impl Resource {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::WebSocket),
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Readiness),
            _ => None,
        }
    }
}

enum Granted {
    Health,
    Readiness,
    WebSocket(Handshake, OwnedSemaphorePermit),
}
