//! The params of a request.

use device_key_types::Reason;
use device_key_types::strict_json::Object;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::rpc_error::RpcError;

/// The params of a request before they are read. `Debug` hides them.
#[derive(Clone)]
pub struct Params(Option<Box<RawValue>>);

impl Params {
    pub(crate) fn new(raw: Option<&RawValue>) -> Self {
        Self(raw.map(ToOwned::to_owned))
    }

    /// Reads params that must be an object. Members that `T` does not know are ignored unless `T`
    /// denies them. Positional params are refused.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        let raw = self.0.as_deref().ok_or(Reason::InvalidParams)?;
        let Object(params) =
            serde_json::from_str(raw.get()).map_err(|_| RpcError::from(Reason::InvalidParams))?;
        Ok(params)
    }
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Params(…)")
    }
}
