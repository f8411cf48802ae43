//! `device/key/admin/*`, for root on a Unix socket only. A purge goes to the audit log.

use device_key::{Administrator, DeviceKeyStore, LocalPeer, OwnerKeys, OwnerUid};
use device_key_protocol::RpcError;
use device_key_protocol::admin::{
    self, AdminListParams, AdminListResult, MAX_PAGE, PurgeParams, PurgeResult, UserKeys,
};
use device_key_types::Reason;

use crate::methods::audit::{Audit, Subject};
use crate::methods::device_key::{Call, in_params, with_store};
use crate::methods::table::{DuplicateMethod, Methods};

/// Mounts both methods.
pub(crate) fn mount(
    methods: Methods,
    store: &DeviceKeyStore,
    audit: &Audit,
) -> Result<Methods, DuplicateMethod> {
    methods
        .local_with_departure(admin::LIST, with_store(store, audit, list))?
        .local_with_departure(admin::PURGE, with_store(store, audit, purge))
}

async fn list(Call { store, audit, peer, params, .. }: Call) -> Result<AdminListResult, RpcError> {
    audit
        .lookup(admin::LIST, &peer, async |_| {
            let administrator = administrator(&peer)?;
            let (first, last) = params.read::<AdminListParams>()?.parse()?;
            let (from, to) = (OwnerUid::new(first), OwnerUid::new(last));
            let owners = store.owners(&administrator, from, to, MAX_PAGE).await;
            let user = |OwnerKeys { owner, keys }| UserKeys { uid: owner.as_raw(), keys };
            Ok(AdminListResult::new(owners.map_err(in_params)?.into_iter().map(user).collect()))
        })
        .await
}

async fn purge(Call { store, audit, peer, params, .. }: Call) -> Result<PurgeResult, RpcError> {
    audit
        .operation(admin::PURGE, &peer, async |subject| {
            let administrator = administrator(&peer)?;
            let owner = OwnerUid::new(params.read::<PurgeParams>()?.uid);
            *subject = Subject::keys_of(owner);
            let purged = store.purge(&administrator, owner).await.map_err(in_params)?;
            Ok(PurgeResult { purged })
        })
        .await
}

fn administrator(peer: &LocalPeer) -> Result<Administrator, RpcError> {
    peer.as_administrator().ok_or_else(|| Reason::NotPermitted.into())
}
