//! Why a request is answered with an error, as the server states it.

use std::borrow::Cow;

use device_key_types::{Field, FieldError, OsProtectionCondition, ProtectionClass, Reason};

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
