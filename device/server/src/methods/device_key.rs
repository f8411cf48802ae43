//! `device/key/*`, for local peers only. Each method's outcome goes to the audit log together with
//! its subject. The cause of an internal error goes to the ordinary log only.

use device_key::{
    DeviceKey, DeviceKeyBinding, DeviceKeyError, DeviceKeyStore, KeyPage, LocalPeer, Page,
    ProviderErrorKind, ProviderStatus,
};
use device_key_protocol::initialize::ProviderInfo;
use device_key_protocol::key::{
    self, CreateParams, KeyResult, PublicParams, SignParams, SignResult,
};
use device_key_protocol::lifecycle::{
    self, DeleteParams, DeleteResult, ListParams, ListQuery, ListResult, ListedKey,
    ProvidersParams, ProvidersResult,
};
use device_key_protocol::{Params, RpcError, error_code};
use device_key_types::{ErrorChain, FieldError, Reason};
use tracing::{debug, error};

use crate::connection::departure::Departure;
use crate::methods::audit::{Audit, Subject};
use crate::methods::table::{DuplicateMethod, Methods};

/// Mounts the methods.
pub(crate) fn mount(
    methods: Methods,
    store: &DeviceKeyStore,
    audit: &Audit,
) -> Result<Methods, DuplicateMethod> {
    methods
        .local_with_departure(key::CREATE, with_store(store, audit, create))?
        .local_with_departure(key::PUBLIC, with_store(store, audit, public))?
        .local_with_departure(key::SIGN, with_store(store, audit, sign))?
        .local_with_departure(lifecycle::LIST, with_store(store, audit, list))?
        .local_with_departure(lifecycle::DELETE, with_store(store, audit, delete))?
        .local_with_departure(lifecycle::PROVIDERS, with_store(store, audit, providers))
}

/// One call of a method: the store and the audit log to use, the caller, the unread params, and
/// what tells when the caller leaves.
pub(super) struct Call {
    pub(super) store: DeviceKeyStore,
    pub(super) audit: Audit,
    pub(super) peer: LocalPeer,
    pub(super) params: Params,
    pub(super) departure: Departure,
}

pub(super) fn with_store<F, M: Fn(Call) -> F>(
    store: &DeviceKeyStore,
    audit: &Audit,
    method: M,
) -> impl Fn(LocalPeer, Params, Departure) -> F + use<F, M> {
    let (store, audit) = (store.clone(), audit.clone());
    move |peer, params, departure| {
        let (store, audit) = (store.clone(), audit.clone());
        method(Call { store, audit, peer, params, departure })
    }
}

async fn create(
    Call { store, audit, peer, params, departure }: Call,
) -> Result<KeyResult, RpcError> {
    audit
        .operation(key::CREATE, &peer, async |subject| {
            let (binding, policy) = params.read::<CreateParams>()?.parse()?;
            let created = store.create_unless(departure.wait(), &peer, binding, policy).await;
            let key = created.map_err(in_params)?;
            *subject = Subject::key(key.key_id);
            Ok(described(&key))
        })
        .await
}

async fn public(Call { store, audit, peer, params, .. }: Call) -> Result<KeyResult, RpcError> {
    audit
        .lookup(key::PUBLIC, &peer, async |subject| {
            let key_id = params.read::<PublicParams>()?.parse()?;
            *subject = Subject::key(key_id);
            let key = store.public(&peer, &key_id).await.map_err(in_params)?;
            Ok(described(&key))
        })
        .await
}

async fn sign(Call { store, audit, peer, params, .. }: Call) -> Result<SignResult, RpcError> {
    audit
        .operation(key::SIGN, &peer, async |subject| {
            let policy = store.policy();
            let policy = policy.at(store.clock().now());
            let (key_id, payload) = params.read::<SignParams>()?.parse(&policy)?;
            *subject = Subject::signing(key_id, &payload);
            let signed = store.sign(&peer, &key_id, payload).await.map_err(in_payload)?;
            Ok(SignResult::new(&signed.signature, &signed.signed_bytes))
        })
        .await
}

async fn list(Call { store, audit, peer, params, .. }: Call) -> Result<ListResult, RpcError> {
    audit
        .lookup(lifecycle::LIST, &peer, async |_| {
            let ListQuery { account_user_id, client_id, after, limit } =
                params.read::<ListParams>()?.parse()?;
            let page = Page { account_user_id, client_id, after, limit };
            let KeyPage { keys, has_more } = store.list(&peer, page).await.map_err(in_params)?;
            Ok(ListResult::new(keys.iter().map(listed).collect(), has_more))
        })
        .await
}

async fn delete(Call { store, audit, peer, params, .. }: Call) -> Result<DeleteResult, RpcError> {
    audit
        .operation(lifecycle::DELETE, &peer, async |subject| {
            let key_id = params.read::<DeleteParams>()?.parse()?;
            *subject = Subject::key(key_id);
            store.delete(&peer, &key_id).await.map_err(in_params)?;
            Ok(DeleteResult {})
        })
        .await
}

async fn providers(
    Call { store, audit, peer, params, .. }: Call,
) -> Result<ProvidersResult, RpcError> {
    audit
        .lookup(lifecycle::PROVIDERS, &peer, async |_| {
            params.read::<ProvidersParams>()?;
            Ok(ProvidersResult { providers: provider_infos(&store, &peer) })
        })
        .await
}

/// The providers that this peer can use, as far as is known without asking a key device.
pub(crate) fn provider_infos(store: &DeviceKeyStore, peer: &LocalPeer) -> Vec<ProviderInfo> {
    let info = |status: ProviderStatus| ProviderInfo {
        name: status.provider.name.to_owned(),
        protection_class: status.provider.protection_class.into(),
        available: status.unavailable.is_none(),
        reason: status.unavailable.map(|kind| kind.reason().into()),
        cause: status
            .unavailable
            .and_then(ProviderErrorKind::os_protection_condition)
            .map(Into::into),
    };
    store.providers(peer).into_iter().map(info).collect()
}

fn described(key: &DeviceKey) -> KeyResult {
    KeyResult::new(&key.key_id, &key.public_key, key.protection_class, key.tpm_kind)
}

fn listed(key: &DeviceKeyBinding) -> ListedKey {
    let DeviceKeyBinding { key_id, binding, protection_class, tpm_kind, created_at, .. } = key;
    ListedKey::new(key_id, binding, *protection_class, *tpm_kind, *created_at)
}

pub(super) fn in_params(error: DeviceKeyError) -> RpcError {
    answer(error, |FieldError { field, reason }| RpcError::in_field(reason, field))
}

fn in_payload(error: DeviceKeyError) -> RpcError {
    answer(error, RpcError::in_payload)
}

pub(super) fn in_challenge(error: DeviceKeyError) -> RpcError {
    answer(error, RpcError::in_challenge)
}

/// The client gets the reason and the field. The cause goes to the log only.
fn answer(error: DeviceKeyError, in_field: impl FnOnce(FieldError) -> RpcError) -> RpcError {
    let reason = error.reason();
    if error_code(reason) == error_code(Reason::Internal) {
        error!(%reason, cause = %ErrorChain(&error), "request failed");
    } else {
        debug!(%reason, cause = %ErrorChain(&error), "request refused");
    }
    let cause = error.os_protection_condition();
    match error {
        DeviceKeyError::Field(error) => in_field(error),
        DeviceKeyError::NoProtection { available, .. } if !available.is_empty() => {
            RpcError::from(reason).with_available(available)
        }
        _ => RpcError::from(reason).with_cause(cause),
    }
}
