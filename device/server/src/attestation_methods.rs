//! `device/key/attestation/*`, for local peers only, as [`device_key_methods`](super::device_key_methods).

use device_key::{DeviceKeyStore, LocalPeer};
use device_key_protocol::{
    Params, RpcError,
    attestation::{self, ActivateParams, AttestationRequest, IdentityParams},
};
use device_key_types::attestation::{Activation, Identity};

use crate::{
    audit::{self, Subject},
    device_key_methods::{in_challenge, with_store},
    methods::{DuplicateMethod, Methods},
};

/// Mounts both methods.
pub(crate) fn mount(methods: Methods, store: &DeviceKeyStore) -> Result<Methods, DuplicateMethod> {
    methods
        .local(attestation::IDENTITY, with_store(store, identity))?
        .local(attestation::ACTIVATE, with_store(store, activate))
}

async fn identity(
    store: DeviceKeyStore,
    peer: LocalPeer,
    params: Params,
) -> Result<Identity, RpcError> {
    let mut subject = Subject::default();
    let outcome = async {
        let admission = store.policy().at(store.clock().now());
        let AttestationRequest { key_id, challenge, endorsement_key } =
            params.read::<IdentityParams>()?.parse(&admission)?;
        subject = Subject::attesting(key_id, &challenge);
        let identity = store.attestation_identity(&peer, &key_id, challenge, endorsement_key);
        identity.await.map_err(in_challenge)
    }
    .await;
    audit::operation(attestation::IDENTITY, &peer, &subject, &outcome);
    outcome
}

async fn activate(
    store: DeviceKeyStore,
    peer: LocalPeer,
    params: Params,
) -> Result<Activation, RpcError> {
    let mut subject = Subject::default();
    let outcome = async {
        let admission = store.policy().at(store.clock().now());
        let (request, credential) = params.read::<ActivateParams>()?.parse(&admission)?;
        let AttestationRequest { key_id, challenge, endorsement_key } = request;
        subject = Subject::attesting(key_id, &challenge);
        let activation =
            store.activate_attestation(&peer, &key_id, challenge, credential, endorsement_key);
        activation.await.map_err(in_challenge)
    }
    .await;
    audit::operation(attestation::ACTIVATE, &peer, &subject, &outcome);
    outcome
}
