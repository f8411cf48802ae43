//! The routes: which handler answers which request.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post};
use device_key_types::payload::Statement;
use tokio::time::timeout;
use tracing::{debug, info};

use super::extract::{Authenticated, StrictJson};
use super::refusal::{HttpRefusal, LoggedReason};
use super::state::HttpState;
use super::upgrade;
use super::wire::{self, json};

type Answer = Result<Response<Body>, HttpRefusal>;

/// Every resource but the probe is below the path on which devices connect.
pub(super) fn router(state: &Arc<HttpState>) -> Router {
    let backend = state.relying_party.backend();
    let base = backend.target(Statement::Connection).path.as_str();
    Router::new()
        .route(base, get(upgrade::connect))
        .route(&format!("{base}/challenge"), post(connection_challenge))
        .route(&format!("{base}/enroll"), post(enroll))
        .route(&format!("{base}/enroll/challenge"), post(enrollment_challenge))
        .route(&format!("{base}/enroll/attestation"), post(attestation))
        .route(&format!("{base}/devices"), get(devices))
        .route(&format!("{base}/devices/{{key_id}}"), delete(revoke))
        .route("/healthz", get(health))
        .fallback(async || HttpRefusal::NotFound)
        .method_not_allowed_fallback(async || HttpRefusal::Method)
        .layer(from_fn_with_state(state.clone(), bounded))
        .with_state(state.clone())
}

/// Ends a request that takes too long, and logs the outcome of every request. The log contains
/// the method and the route, but nothing else from the request.
async fn bounded(
    State(state): State<Arc<HttpState>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let begun = Instant::now();
    let method = request.method().clone();
    let deadline = state.relying_party.limits().request_deadline;
    let response = match timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => HttpRefusal::Timeout.into_response(),
    };
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let status = response.status().as_u16();
    let elapsed = begun.elapsed();
    if let Some(LoggedReason(reason)) = response.extensions().get() {
        info!(%method, route, status, reason, ?elapsed, "a request was refused");
    } else {
        debug!(%method, route, status, ?elapsed, "a request was answered");
    }
    response
}

async fn enrollment_challenge(
    State(state): State<Arc<HttpState>>,
    Authenticated(account): Authenticated,
    StrictJson(request): StrictJson<wire::EnrollmentChallengeRequest>,
) -> Answer {
    let client_id = request.parse()?;
    let invitation = state.relying_party.invite_enrollment(&account, client_id).await?;
    Ok(json(StatusCode::OK, &wire::EnrollmentChallengeAnswer::from(&invitation)))
}

async fn attestation(
    State(state): State<Arc<HttpState>>,
    Authenticated(account): Authenticated,
    StrictJson(request): StrictJson<wire::AttestationRequest>,
) -> Answer {
    let answer = request.parse()?;
    let credential = state.relying_party.begin_attestation(&account, answer).await?;
    Ok(json(StatusCode::OK, &credential))
}

async fn enroll(
    State(state): State<Arc<HttpState>>,
    Authenticated(account): Authenticated,
    StrictJson(request): StrictJson<wire::EnrollmentRequest>,
) -> Answer {
    let answer = request.parse()?;
    let device = state.relying_party.enroll(&account, &answer).await?;
    Ok(json(StatusCode::CREATED, &wire::DeviceAnswer::from(&device)))
}

async fn connection_challenge(
    State(state): State<Arc<HttpState>>,
    Authenticated(account): Authenticated,
    StrictJson(request): StrictJson<wire::ConnectionChallengeRequest>,
) -> Answer {
    let key_id = request.parse()?;
    let invitation = state.relying_party.invite_connection(&account, &key_id).await?;
    Ok(json(StatusCode::OK, &wire::ConnectionChallengeAnswer::from(&invitation)))
}

async fn devices(
    State(state): State<Arc<HttpState>>,
    Authenticated(account): Authenticated,
) -> Answer {
    let devices = state.relying_party.devices(&account).await?;
    Ok(json(StatusCode::OK, &wire::DevicesAnswer::of(&devices)))
}

async fn revoke(
    State(state): State<Arc<HttpState>>,
    Authenticated(account): Authenticated,
    Path(key_id): Path<String>,
) -> Answer {
    let key_id = wire::key_id(&key_id)?;
    state.relying_party.revoke(&account, &key_id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Tells whether requests could be served now: the store could be read and written a second ago at
/// most, and the service is not stopping.
async fn health(State(state): State<Arc<HttpState>>) -> Answer {
    #[derive(serde::Serialize)]
    struct Health {
        status: &'static str,
    }
    if state.stop.is_cancelled() {
        return Err(HttpRefusal::Stopping);
    }
    state.readiness.outcome().await.ok_or(HttpRefusal::Timeout)?.map_err(HttpRefusal::Unready)?;
    Ok(json(StatusCode::OK, &Health { status: "ready" }))
}
