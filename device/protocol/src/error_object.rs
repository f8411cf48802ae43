//! The `error` member of an answer.

use std::borrow::Cow;

use device_key_types::{OsProtectionCondition, ProtectionClass, Reason};
use serde::{Deserialize, Serialize};

use crate::code::{ErrorCode, error_code};
use crate::name::Name;
use crate::rpc_error::RpcError;

/// Why a request was answered with an error, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// The JSON-RPC code. Several reasons share one code.
    pub code: ErrorCode,
    /// A sentence for people, which may change.
    pub message: Cow<'static, str>,
    /// The part for programs, which is stable.
    #[serde(default)]
    pub data: ErrorData,
}

/// The stable part of an error. Each member may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// The stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name<Reason>>,
    /// The path into the params of the field that was refused, such as `payload.nonce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'static, str>>,
    /// The protection classes that another policy would have given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Vec<Name<ProtectionClass>>>,
    /// The condition of the OS-protected class that does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Name<OsProtectionCondition>>,
}

impl ErrorObject {
    /// Whether the request was refused for this reason.
    pub fn is(&self, reason: Reason) -> bool {
        self.data.reason == Some(reason.into())
    }
}

impl From<&RpcError> for ErrorObject {
    fn from(error: &RpcError) -> Self {
        let RpcError { reason, message, field, available, cause } = error.clone();
        let data = ErrorData {
            reason: Some(reason.into()),
            field,
            available: available.map(|classes| classes.into_iter().map(Name::from).collect()),
            cause: cause.map(Name::from),
        };
        Self { code: error_code(reason), message, data }
    }
}
