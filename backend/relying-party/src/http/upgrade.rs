//! The request that opens a device's connection, which is a WebSocket.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, Response};
use device_key_websocket::{Handshake, bearer, single};
use hyper_util::rt::TokioIo;
use tracing::{debug, info};

use super::refusal::HttpRefusal;
use super::state::HttpState;
use super::{session, wire};
use crate::error::RelyingPartyError;
use crate::relying_party::connection::ConnectionProof;
use crate::relying_party::token::ConnectionToken;

const KEY_ID: HeaderName = HeaderName::from_static("device-key-id");
const SIGNED_PAYLOAD: HeaderName = HeaderName::from_static("device-key-signed-payload");
const SIGNATURE: HeaderName = HeaderName::from_static("device-key-signature");

/// Opens a connection for a token and its proof. Everything else is checked first, because the
/// token is used up by the first request that could have opened a connection.
pub(super) async fn connect(
    State(state): State<Arc<HttpState>>,
    mut request: Request,
) -> Result<Response<Body>, HttpRefusal> {
    let handshake = Handshake::read(&request)?;
    let token = bearer(request.headers()).and_then(ConnectionToken::from_bytes);
    let token = token.ok_or(RelyingPartyError::TokenRefused)?;
    let proof = proof(request.headers())?;
    if state.stop.is_cancelled() {
        return Err(HttpRefusal::Stopping);
    }
    let slot =
        state.device_slots.clone().try_acquire_owned().map_err(|_| HttpRefusal::Overloaded)?;
    let connection = state.relying_party.open_connection(&token, &proof).await?;

    let upgrade = hyper::upgrade::on(&mut request);
    let serving = state.clone();
    state.tasks.spawn(async move {
        let key_id = connection.device.key_id;
        match upgrade.await {
            Ok(upgraded) => {
                info!(%key_id, "a device is connected");
                let stream = TokioIo::new(upgraded);
                let ending = session::serve(
                    stream,
                    connection,
                    &serving.stop,
                    serving.relying_party.limits(),
                )
                .await;
                info!(%key_id, ?ending, "a device's connection has ended");
            }
            Err(error) => {
                debug!(%key_id, cause = %error, "a device left before its connection was open");
            }
        }
        drop(slot);
    });
    Ok(handshake.response())
}

fn proof(headers: &HeaderMap) -> Result<ConnectionProof, RelyingPartyError> {
    Ok(ConnectionProof {
        key_id: wire::key_id(text(headers, &KEY_ID, "device-key-id")?)?,
        signed_bytes: base64(headers, &SIGNED_PAYLOAD, "device-key-signed-payload")?,
        signature_der: base64(headers, &SIGNATURE, "device-key-signature")?,
    })
}

fn base64(
    headers: &HeaderMap,
    header: &HeaderName,
    field: &'static str,
) -> Result<Vec<u8>, RelyingPartyError> {
    wire::base64(field, text(headers, header, field)?)
}

fn text<'a>(
    headers: &'a HeaderMap,
    header: &HeaderName,
    field: &'static str,
) -> Result<&'a str, RelyingPartyError> {
    let value = single(headers, header).and_then(|value| value.to_str().ok());
    value.ok_or(RelyingPartyError::Value { field, reason: "missing_header" })
}
