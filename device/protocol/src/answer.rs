//! Answers to requests, and why a request is answered with an error.

use std::borrow::Cow;

use device_key_types::{Field, FieldError, OsProtectionCondition, ProtectionClass, Reason};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::envelope::{RequestId, Version};
use crate::error_object::ErrorObject;

/// A line to send, with its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(Vec<u8>);

impl Answer {
    /// Answers a request with its result.
    pub fn success(id: &RequestId, version: Version, result: &impl Serialize) -> Self {
        let envelope = Success { jsonrpc: version.member(), id: id.as_json(), result };
        Self::line(&envelope)
            .unwrap_or_else(|_| Self::failure(Some(id), version, &RpcError::from(Reason::Internal)))
    }

    /// Answers with an error. The answer has no id if the request's id could not be read.
    pub fn failure(id: Option<&RequestId>, version: Version, error: &RpcError) -> Self {
        let envelope = Failure {
            jsonrpc: version.member(),
            error: ErrorObject::from(error),
            id: id.map(RequestId::as_json),
        };
        // Strings and integers always serialise. If they ever did not, the answer would be empty,
        // and the connection would close instead of sending a broken line.
        Self::line(&envelope).unwrap_or(Self(Vec::new()))
    }

    fn line(envelope: &impl Serialize) -> serde_json::Result<Self> {
        let mut line = Vec::with_capacity(512);
        serde_json::to_writer(&mut line, envelope)?;
        line.push(b'\n');
        Ok(Self(line))
    }

    /// The line's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Version {
    const fn member(self) -> Option<&'static str> {
        match self {
            Self::Stated => Some("2.0"),
            Self::Omitted => None,
        }
    }
}

/// Why a request is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    pub(crate) reason: Reason,
    pub(crate) message: Cow<'static, str>,
    pub(crate) field: Option<Cow<'static, str>>,
    pub(crate) available: Option<Vec<ProtectionClass>>,
    pub(crate) cause: Option<OsProtectionCondition>,
}

impl RpcError {
    /// The stable code of the refusal.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The path into the params of the field that was refused.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Refuses a field of the params.
    #[must_use]
    pub fn in_field(reason: Reason, field: Field) -> Self {
        Self { field: Some(field.as_str().into()), ..reason.into() }
    }

    /// Refuses a field of the params' payload.
    #[must_use]
    pub fn in_payload(error: FieldError) -> Self {
        Self { field: Some(format!("payload.{}", error.field).into()), ..error.reason.into() }
    }

    /// Refuses a field of the params' challenge.
    #[must_use]
    pub fn in_challenge(error: FieldError) -> Self {
        Self { field: Some(format!("challenge.{}", error.field).into()), ..error.reason.into() }
    }

    /// Adds the protection classes that another policy would have given.
    #[must_use]
    pub fn with_available(mut self, available: Vec<ProtectionClass>) -> Self {
        self.available = Some(available);
        self
    }

    /// Adds the condition of the OS-protected class that does not hold.
    #[must_use]
    pub fn with_cause(mut self, cause: Option<OsProtectionCondition>) -> Self {
        self.cause = cause;
        self
    }

    /// Replaces the text for people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }
}

impl From<Reason> for RpcError {
    fn from(reason: Reason) -> Self {
        Self { reason, message: reason.message().into(), field: None, available: None, cause: None }
    }
}

#[derive(Serialize)]
struct Success<'a, R> {
    #[serde(skip_serializing_if = "Option::is_none")]
    jsonrpc: Option<&'static str>,
    id: &'a RawValue,
    result: &'a R,
}

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    jsonrpc: Option<&'static str>,
    error: ErrorObject,
    id: Option<&'a RawValue>,
}
