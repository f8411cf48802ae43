//! The HTTP client with which the exporters reach a collector.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{StatusCode, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::export_settings::Destination;
use crate::outage::Outage;

/// Largest accepted answer in bytes. An answer holds only a status and a sentence about rejected
/// data.
const MAX_ANSWER: usize = 64 * 1024;

/// The HTTP client that sends one signal to its collector.
///
/// Sending blocks the calling thread. Only the exporter's own thread sends, so no other async
/// runtime is needed. Each export opens a connection of its own, because exports are seconds apart.
#[derive(Debug)]
pub(crate) struct CollectorClient {
    endpoint: Endpoint,
    timeout: Duration,
    outage: Arc<Outage>,
}

#[derive(Debug, thiserror::Error)]
enum ExportFailed {
    #[error("connecting to the collector failed: {0}")]
    Connect(#[source] io::Error),
    #[error("the collector did not answer in time")]
    TimedOut,
    #[error("the collector answered with status {0}")]
    Status(StatusCode),
}

impl CollectorClient {
    pub(crate) fn new(destination: &Destination, outage: Arc<Outage>) -> Self {
        Self { endpoint: destination.endpoint.clone(), timeout: destination.timeout, outage }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let exchange = async { timeout(self.timeout, exchange(&self.endpoint, request)).await };
        runtime.block_on(exchange).unwrap_or_else(|_elapsed| Err(ExportFailed::TimedOut.into()))
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.send(request);
        match &outcome {
            Ok(response) if response.status().is_success() => self.outage.delivered(),
            Ok(response) => self.outage.failed(&ExportFailed::Status(response.status())),
            Err(cause) => self.outage.failed(cause),
        }
        outcome
    }
}

async fn exchange(
    endpoint: &Endpoint,
    mut request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    // A request to the origin server names only the path (RFC 9112 section 3.2.1).
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str())?;
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));

    let stream = connect(endpoint).await.map_err(ExportFailed::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The task ends with the runtime at the latest, and the sender gets its errors.
    tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// Connects to the first address that accepts. Fails with the error of the last address.
async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for &address in endpoint.addresses() {
        outcome = TcpStream::connect(address).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}
