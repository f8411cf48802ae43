//! The audit log: one event for each key operation and each refusal, with the caller, the key, the
//! purpose and the outcome.
//!
//! Events have the target `audit`, so that a log can keep them whatever else it filters. They never
//! hold accounts, clients, nonces, digests or signatures.

use device_key::{LocalPeer, Peer, PeerProcess};
use device_key_protocol::RpcError;
use device_key_types::attestation::Challenge;
use device_key_types::payload::{Statement, Target};
use device_key_types::{DeviceKeyId, SignPayload};
use tracing::info;

/// The target of the audit events.
pub const TARGET: &str = "audit";

/// The key and the statement that a request is about, as far as the request could be read.
#[derive(Default)]
pub(super) struct Subject {
    key_id: Option<DeviceKeyId>,
    statement: Option<(Statement, Target)>,
}

impl Subject {
    /// The subject of a request about a key.
    pub(super) fn key(key_id: DeviceKeyId) -> Self {
        Self { key_id: Some(key_id), statement: None }
    }

    /// The subject of a request to sign this payload.
    pub(super) fn signing(key_id: DeviceKeyId, payload: &SignPayload) -> Self {
        let statement = Some((payload.statement(), payload.target().clone()));
        Self { key_id: Some(key_id), statement }
    }

    /// The subject of a request to attest a key.
    pub(super) fn attesting(key_id: DeviceKeyId, challenge: &Challenge) -> Self {
        let statement = Some((Statement::Attestation, challenge.target.clone()));
        Self { key_id: Some(key_id), statement }
    }
}

/// Runs an operation that creates, uses or deletes a key, and logs its outcome. The operation fills
/// in its subject as soon as it knows it.
pub(super) async fn operation<T>(
    method: &'static str,
    peer: &LocalPeer,
    run: impl AsyncFnOnce(&mut Subject) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    let mut subject = Subject::default();
    let outcome = run(&mut subject).await;
    log(method, peer, &subject, outcome.as_ref().err());
    outcome
}

/// Runs a request that only reads, and logs it if it is refused.
pub(super) async fn lookup<T>(
    method: &'static str,
    peer: &LocalPeer,
    run: impl AsyncFnOnce(&mut Subject) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    let mut subject = Subject::default();
    let outcome = run(&mut subject).await;
    if let Err(error) = &outcome {
        log(method, peer, &subject, Some(error));
    }
    outcome
}

/// Logs a request that did not pass the transport gate.
pub(super) fn refused_at_gate(method: &'static str, peer: Peer, error: &RpcError) {
    let reason = error.reason().as_str();
    info!(target: TARGET, method, outcome = reason, transport = peer.transport());
}

fn log(method: &'static str, peer: &LocalPeer, subject: &Subject, refusal: Option<&RpcError>) {
    let reason = refusal.map(|error| error.reason().as_str());
    let statement = subject.statement.as_ref();
    let process = peer.process();
    info!(
        target: TARGET,
        method,
        outcome = reason.unwrap_or("ok"),
        uid = peer.owner().as_raw(),
        pid = process.map(PeerProcess::id),
        command_unverified = process.map(PeerProcess::command),
        transport = peer.transport().as_str(),
        key_id = subject.key_id.map(tracing::field::display),
        statement = statement.map(|(statement, _)| statement.as_str()),
        target_origin = statement.map(|(_, target)| target.origin.as_str()),
        target_path = statement.map(|(_, target)| target.path.as_str()),
    );
}
