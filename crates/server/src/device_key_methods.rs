use device_key::{Chain, DeviceKey, DeviceKeyError, DeviceKeyStore};
use device_key_protocol::{
    RpcError, error_code,
    key::{self, CreateParams, KeyResult, PublicParams, SignParams, SignResult},
};
use device_key_types::{FieldError, Reason};
use tracing::{debug, error};

use crate::methods::{DuplicateMethod, Methods};

/// Mounts `device/key/*`, for local peers only.
pub(crate) fn mount(methods: Methods, store: &DeviceKeyStore) -> Result<Methods, DuplicateMethod> {
    let create = store.clone();
    let public = store.clone();
    let sign = store.clone();
    methods
        .local(key::CREATE, move |peer, params| {
            let store = create.clone();
            async move {
                let (binding, policy) = params.read::<CreateParams>()?.parse()?;
                let key = store.create(&peer, binding, policy).await.map_err(in_params)?;
                Ok(described(&key))
            }
        })?
        .local(key::PUBLIC, move |peer, params| {
            let store = public.clone();
            async move {
                let key_id = params.read::<PublicParams>()?.parse()?;
                let key = store.public(&peer, &key_id).await.map_err(in_params)?;
                Ok(described(&key))
            }
        })?
        .local(key::SIGN, move |peer, params| {
            let store = sign.clone();
            async move {
                let admission = store.policy().at(store.clock().now());
                let (key_id, payload) = params.read::<SignParams>()?.parse(&admission)?;
                let signed = store.sign(&peer, &key_id, payload).await.map_err(in_payload)?;
                Ok(SignResult::new(&signed.signature, &signed.signed_bytes))
            }
        })
}

fn described(key: &DeviceKey) -> KeyResult {
    KeyResult::new(&key.key_id, &key.public_key, key.protection_class, key.tpm_kind)
}

fn in_params(error: DeviceKeyError) -> RpcError {
    answer(error, |FieldError { field, reason }| RpcError::in_field(reason, field))
}

fn in_payload(error: DeviceKeyError) -> RpcError {
    answer(error, RpcError::in_payload)
}

/// The client gets reason and field; what caused a fault of ours goes to the log alone.
fn answer(error: DeviceKeyError, in_field: impl FnOnce(FieldError) -> RpcError) -> RpcError {
    let reason = error.reason();
    if error_code(reason) == error_code(Reason::Internal) {
        error!(%reason, cause = %Chain(&error), "request failed");
    } else {
        debug!(%reason, cause = %Chain(&error), "request refused");
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
