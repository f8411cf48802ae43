//! `device/key/attestation/*`, for local peers only. These methods log like those of
//! [`device_key`](super::device_key).

use device_key::DeviceKeyStore;
use device_key_protocol::RpcError;
use device_key_protocol::attestation::{self, ActivateParams, AttestationRequest, IdentityParams};
use device_key_types::attestation::{Activation, Identity};

use crate::methods::audit::{Audit, Subject};
use crate::methods::device_key::{Call, in_challenge, with_store};
use crate::methods::table::{DuplicateMethod, Methods};

/// Mounts both methods.
pub(crate) fn mount(
    methods: Methods,
    store: &DeviceKeyStore,
    audit: &Audit,
) -> Result<Methods, DuplicateMethod> {
    methods
        .local_with_departure(attestation::IDENTITY, with_store(store, audit, identity))?
        .local_with_departure(attestation::ACTIVATE, with_store(store, audit, activate))
}

async fn identity(Call { store, audit, peer, params, .. }: Call) -> Result<Identity, RpcError> {
    audit
        .operation(attestation::IDENTITY, &peer, async |subject| {
            let policy = store.policy();
            let policy = policy.at(store.clock().now());
            let AttestationRequest { key_id, challenge, endorsement_key } =
                params.read::<IdentityParams>()?.parse(&policy)?;
            *subject = Subject::attesting(key_id, &challenge);
            let identity = store.attestation_identity(&peer, &key_id, challenge, endorsement_key);
            identity.await.map_err(in_challenge)
        })
        .await
}

async fn activate(Call { store, audit, peer, params, .. }: Call) -> Result<Activation, RpcError> {
    audit
        .operation(attestation::ACTIVATE, &peer, async |subject| {
            let policy = store.policy();
            let policy = policy.at(store.clock().now());
            let (request, credential) = params.read::<ActivateParams>()?.parse(&policy)?;
            let AttestationRequest { key_id, challenge, endorsement_key } = request;
            *subject = Subject::attesting(key_id, &challenge);
            let activation =
                store.activate_attestation(&peer, &key_id, challenge, credential, endorsement_key);
            activation.await.map_err(in_challenge)
        })
        .await
}
