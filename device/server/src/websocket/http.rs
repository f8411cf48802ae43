//! The one HTTP request of each connection: a probe, or the opening of a WebSocket.

use std::{convert::Infallible, net::SocketAddr, sync::OnceLock};

use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    http::uri::PathAndQuery,
    server::conn::http1,
    service::service_fn,
    upgrade::{OnUpgrade, Parts, on},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};
use tracing::info;

use super::{
    House,
    refusal::{Refusal, plain},
    upgrade::Accept,
};

/// Of a request's line and headers; more are 431. A token of the longest kind and what a browser
/// sends fit in half of it.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// A client that was let in, before its first frame.
pub(crate) struct Admitted {
    pub(crate) stream: TcpStream,
    /// What came behind the request already.
    pub(crate) read: Vec<u8>,
    pub(crate) slot: OwnedSemaphorePermit,
}

/// Answers one request; gives the client if that admitted it. The caller sets the deadline.
pub(crate) async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    house: &House,
) -> Result<Option<Admitted>, hyper::Error> {
    let admitted: OnceLock<(OnUpgrade, OwnedSemaphorePermit)> = OnceLock::new();
    let service = service_fn(async |mut request: Request<Incoming>| {
        let response = match grant(&request, house) {
            Ok(Granted::Probe(status)) => plain(status),
            Ok(Granted::WebSocket(accept, slot)) => {
                // Set once: whatever we answer, it was the connection's last request.
                let _ = admitted.set((on(&mut request), slot));
                accept.response()
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
    let Some((upgrade, slot)) = admitted.into_inner() else { return Ok(None) };
    // It is always a stream as we made it above.
    let parts = upgrade.await?.downcast::<TokioIo<TcpStream>>().ok();
    Ok(parts.map(|Parts { io, read_buf, .. }| Admitted {
        stream: io.into_inner(),
        read: read_buf.into(),
        slot,
    }))
}

/// What there is, each under one path and without a query.
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
    Probe(StatusCode),
    WebSocket(Accept, OwnedSemaphorePermit),
}

fn grant(request: &Request<Incoming>, house: &House) -> Result<Granted, Refusal> {
    house.access.check_origin(request.headers())?;
    let path = request.uri().path_and_query().map(PathAndQuery::as_str);
    let resource = path.and_then(Resource::at).ok_or(Refusal::Path)?;
    if request.method() != Method::GET {
        return Err(Refusal::Method);
    }
    match resource {
        Resource::Health => Ok(Granted::Probe(StatusCode::OK)),
        Resource::Readiness if house.is_ready() => Ok(Granted::Probe(StatusCode::OK)),
        Resource::Readiness => Ok(Granted::Probe(StatusCode::SERVICE_UNAVAILABLE)),
        Resource::WebSocket => {
            house.access.check_token(request.headers())?;
            let accept = Accept::of(request)?;
            Ok(Granted::WebSocket(accept, house.slot().ok_or(Refusal::Busy)?))
        }
    }
}
