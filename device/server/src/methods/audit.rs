//! The audit log: one event for each key operation and each refusal, with the caller, the key, the
//! purpose and the outcome.
//!
//! Events have the target `audit`, so that a log can keep them whatever else it filters. They never
//! hold accounts, clients, nonces, digests or signatures. Room for an operation's event is reserved
//! before the operation begins. If a user is refused the same again and again, most of these
//! refusals become a number in one event.

pub(crate) mod log;
mod refusals;

use std::sync::Arc;

use device_key::{LocalPeer, OwnerUid, Peer, PeerProcess};
use device_key_protocol::RpcError;
use device_key_types::attestation::Challenge;
use device_key_types::payload::{Statement, Target};
use device_key_types::{DeviceKeyId, Reason, SignPayload};
use tracing::info;

use self::log::{AuditLog, Room};
use self::refusals::{Kind, Refusals};

/// The target of the audit events.
pub const TARGET: &str = "audit";

/// The key and the statement that a request is about, or the user whose keys it is about, as far as
/// the request could be read.
#[derive(Default)]
pub(super) struct Subject {
    key_id: Option<DeviceKeyId>,
    statement: Option<(Statement, Target)>,
    owner: Option<OwnerUid>,
}

impl Subject {
    /// The subject of a request about a key.
    pub(super) fn key(key_id: DeviceKeyId) -> Self {
        Self { key_id: Some(key_id), ..Self::default() }
    }

    /// The subject of a request about all keys of a user.
    pub(super) fn keys_of(owner: OwnerUid) -> Self {
        Self { owner: Some(owner), ..Self::default() }
    }

    /// The subject of a request to sign this payload.
    pub(super) fn signing(key_id: DeviceKeyId, payload: &SignPayload) -> Self {
        let statement = Some((payload.statement(), payload.target().clone()));
        Self { key_id: Some(key_id), statement, owner: None }
    }

    /// The subject of a request to attest a key.
    pub(super) fn attesting(key_id: DeviceKeyId, challenge: &Challenge) -> Self {
        let statement = Some((Statement::Attestation, challenge.target.clone()));
        Self { key_id: Some(key_id), statement, owner: None }
    }
}

/// Audits the requests of a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    log: Arc<dyn AuditLog>,
    refusals: Arc<Refusals>,
}

impl Audit {
    pub(crate) fn new(log: Arc<dyn AuditLog>) -> Self {
        Self { refusals: Arc::new(Refusals::new(Arc::clone(&log))), log }
    }

    /// Runs an operation that creates, uses or deletes a key, and logs its outcome. The operation
    /// fills in its subject as soon as it knows it. If the log has no room for the outcome, the
    /// operation is refused before it begins.
    pub(super) async fn operation<T>(
        &self,
        method: &'static str,
        peer: &LocalPeer,
        run: impl AsyncFnOnce(&mut Subject) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let mut subject = Subject::default();
        let room = self.room(Some(peer.owner()));
        let outcome = match &room {
            Some(_) => run(&mut subject).await,
            None => Err(Reason::Overloaded.into()),
        };
        match (room, &outcome) {
            (room, Err(error)) => self.refused(room, method, peer, &subject, error),
            (Some(room), Ok(_)) => room.log(&|| event(method, peer, &subject, None)),
            (None, Ok(_)) => {}
        }
        outcome
    }

    /// Runs a request that only reads, and logs it if it is refused.
    pub(super) async fn lookup<T>(
        &self,
        method: &'static str,
        peer: &LocalPeer,
        run: impl AsyncFnOnce(&mut Subject) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let mut subject = Subject::default();
        let outcome = run(&mut subject).await;
        if let Err(error) = &outcome {
            self.refused(self.room(Some(peer.owner())), method, peer, &subject, error);
        }
        outcome
    }

    /// Logs a request that did not pass the transport gate.
    pub(super) fn refused_at_gate(&self, method: &'static str, peer: Peer, error: &RpcError) {
        let reason = error.reason();
        let kind = Kind { owner: None, method, reason };
        self.refusals.log(kind, self.room(None), &|| {
            info!(target: TARGET, method, outcome = reason.as_str(), transport = peer.transport());
        });
    }

    fn refused(
        &self,
        room: Option<Room>,
        method: &'static str,
        peer: &LocalPeer,
        subject: &Subject,
        error: &RpcError,
    ) {
        let reason = error.reason();
        let kind = Kind { owner: Some(peer.owner()), method, reason };
        self.refusals.log(kind, room, &|| event(method, peer, subject, Some(reason)));
    }

    fn room(&self, owner: Option<OwnerUid>) -> Option<Room> {
        Room::reserve(&self.log, owner)
    }
}

fn event(method: &'static str, peer: &LocalPeer, subject: &Subject, refusal: Option<Reason>) {
    let statement = subject.statement.as_ref();
    let process = peer.process();
    info!(
        target: TARGET,
        method,
        outcome = refusal.map_or("ok", Reason::as_str),
        uid = peer.owner().as_raw(),
        pid = process.map(PeerProcess::id),
        command_unverified = process.map(PeerProcess::command),
        transport = peer.transport().as_str(),
        key_id = subject.key_id.map(tracing::field::display),
        of_uid = subject.owner.map(OwnerUid::as_raw),
        statement = statement.map(|(statement, _)| statement.as_str()),
        target_origin = statement.map(|(_, target)| target.origin.as_str()),
        target_path = statement.map(|(_, target)| target.path.as_str()),
    );
}
