//! One event for each key operation and each refusal: who, which key, what for, with what outcome.
//!
//! Events have the target `audit`, so that a log can keep them whatever else it filters. They never
//! hold accounts, clients, nonces, digests or signatures.

use device_key::{LocalPeer, Peer, PeerProcess};
use device_key_protocol::RpcError;
use device_key_types::{
    DeviceKeyId, SignPayload,
    attestation::Challenge,
    payload::{Statement, Target},
};
use tracing::info;

/// The target of these events.
pub const TARGET: &str = "audit";

/// What a request is about, as far as it could be read.
#[derive(Default)]
pub(crate) struct Subject {
    pub(crate) key_id: Option<DeviceKeyId>,
    statement: Option<(Statement, Target)>,
}

impl Subject {
    /// A key's.
    pub(crate) fn key(key_id: DeviceKeyId) -> Self {
        Self { key_id: Some(key_id), statement: None }
    }

    /// A key's that should sign this.
    pub(crate) fn signing(key_id: DeviceKeyId, payload: &SignPayload) -> Self {
        let statement = Some((payload.statement(), payload.target().clone()));
        Self { key_id: Some(key_id), statement }
    }

    /// A key's that should be vouched for.
    pub(crate) fn attesting(key_id: DeviceKeyId, challenge: &Challenge) -> Self {
        let statement = Some((Statement::Attestation, challenge.target.clone()));
        Self { key_id: Some(key_id), statement }
    }
}

/// An operation that creates, uses or deletes a key.
pub(crate) fn operation<T>(
    method: &'static str,
    peer: &LocalPeer,
    subject: &Subject,
    outcome: &Result<T, RpcError>,
) {
    let reason = outcome.as_ref().err().map(|error| error.reason().as_str());
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

/// A request that only reads, if it is refused.
pub(crate) fn refusal<T>(
    method: &'static str,
    peer: &LocalPeer,
    subject: &Subject,
    outcome: &Result<T, RpcError>,
) {
    if outcome.is_err() {
        operation(method, peer, subject, outcome);
    }
}

/// A request that did not pass the transport gate.
pub(crate) fn refused_at_gate(method: &'static str, peer: Peer, error: &RpcError) {
    let reason = error.reason().as_str();
    info!(target: TARGET, method, outcome = reason, transport = peer.transport());
}
