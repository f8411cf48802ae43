//! The stable codes of refusals and failures.

use std::fmt;

/// Why a request was refused or failed, as a stable code that clients may match on.
///
/// The codes are part of the protocol and do not change. The messages beside them may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The line is not JSON, not UTF-8, has a duplicate key or is nested too deeply.
    ParseError,
    /// The line is longer than the limit.
    MessageTooLarge,
    /// The line is JSON but not a request.
    InvalidRequest,
    /// The message is a JSON-RPC batch.
    BatchUnsupported,
    /// The request came before `initialize`.
    NotInitialized,
    /// The request is a second `initialize`.
    AlreadyInitialized,
    /// There is no such method.
    MethodNotFound,
    /// The params do not have the method's shape.
    InvalidParams,
    /// The key id is not `dk_` and 43 characters of canonical base64url.
    InvalidKeyId,
    /// A text field is empty.
    EmptyField,
    /// A text field is longer than 512 bytes.
    FieldTooLong,
    /// A text field has a Unicode control character (general category Cc).
    ControlCharacter,
    /// The nonce is not 32 to 256 bytes in canonical, unpadded base64url.
    InvalidNonce,
    /// The digest is not 32 bytes in canonical, unpadded base64url.
    InvalidDigest,
    /// The origin is not spelled as its own ASCII serialisation (RFC 6454).
    OriginNotCanonical,
    /// The origin is canonical, but the policy does not allow it.
    OriginNotAllowed,
    /// The path is not canonical, or the policy does not allow it for this statement at this
    /// origin.
    PathNotAllowed,
    /// The scopes are not exactly the one scope of a connection.
    ScopesMismatch,
    /// The expiry is now or in the past.
    Expired,
    /// The expiry is more than 900 seconds ahead.
    ExpiresTooLate,
    /// The statement names another account or client than the key is bound to.
    BindingMismatch,
    /// The owner has no such key.
    KeyNotFound,
    /// This platform has no hardware protection.
    HardwareUnavailable,
    /// Only a weaker class is available, and the caller does not accept it.
    DegradedProtectionNotAllowed,
    /// A condition of the OS-protected class does not hold.
    OsProtectionUnavailable,
    /// The provider cannot attest keys.
    AttestationUnavailable,
    /// The credential was not made for this key on this device.
    CredentialNotActivated,
    /// A key method was called over a remote transport.
    TransportNotLocal,
    /// The method is for the administrator of the machine only.
    NotPermitted,
    /// The cursor of a list does not have the form of a cursor that this server returns.
    InvalidCursor,
    /// The caller's user has as many keys as a user may have.
    QuotaExceeded,
    /// The person at the machine denied the request. The code is reserved. This version never
    /// returns it, because no provider asks a person.
    UserDenied,
    /// A queue is full. The client may try again.
    Overloaded,
    /// The service is stopping. The client may try again later.
    ShuttingDown,
    /// The client's connection was lost before the operation took effect. Only audit events have
    /// this code, because nobody is left to answer.
    ClientLeft,
    /// The deadline of the operation passed.
    Timeout,
    /// Another program is using the platform's key device.
    ProviderBusy,
    /// The platform's key device refuses authorizations for a while (dictionary-attack lockout).
    ProviderLockedOut,
    /// The platform's key device is gone or restarting.
    ProviderUnavailable,
    /// The key exists here, but the platform can no longer load it.
    KeyLost,
    /// The platform's key device answered with an error.
    ProviderFailed,
    /// The state database cannot be read or written.
    StateUnavailable,
    /// Files of the state were replaced or removed under the running service, so a write would be
    /// lost.
    StateReplaced,
    /// The state database was written by a newer version.
    StateTooNew,
    /// There is a fault in this software.
    Internal,
}

impl Reason {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParseError => "parse_error",
            Self::MessageTooLarge => "message_too_large",
            Self::InvalidRequest => "invalid_request",
            Self::BatchUnsupported => "batch_unsupported",
            Self::NotInitialized => "not_initialized",
            Self::AlreadyInitialized => "already_initialized",
            Self::MethodNotFound => "method_not_found",
            Self::InvalidParams => "invalid_params",
            Self::InvalidKeyId => "invalid_key_id",
            Self::EmptyField => "empty_field",
            Self::FieldTooLong => "field_too_long",
            Self::ControlCharacter => "control_character",
            Self::InvalidNonce => "invalid_nonce",
            Self::InvalidDigest => "invalid_digest",
            Self::OriginNotCanonical => "origin_not_canonical",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::PathNotAllowed => "path_not_allowed",
            Self::ScopesMismatch => "scopes_mismatch",
            Self::Expired => "expired",
            Self::ExpiresTooLate => "expires_too_late",
            Self::BindingMismatch => "binding_mismatch",
            Self::KeyNotFound => "key_not_found",
            Self::HardwareUnavailable => "hardware_unavailable",
            Self::DegradedProtectionNotAllowed => "degraded_protection_not_allowed",
            Self::OsProtectionUnavailable => "os_protection_unavailable",
            Self::AttestationUnavailable => "attestation_unavailable",
            Self::CredentialNotActivated => "credential_not_activated",
            Self::TransportNotLocal => "transport_not_local",
            Self::NotPermitted => "not_permitted",
            Self::InvalidCursor => "invalid_cursor",
            Self::QuotaExceeded => "quota_exceeded",
            Self::UserDenied => "user_denied",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::ClientLeft => "client_left",
            Self::Timeout => "timeout",
            Self::ProviderBusy => "provider_busy",
            Self::ProviderLockedOut => "provider_locked_out",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::KeyLost => "key_lost",
            Self::ProviderFailed => "provider_failed",
            Self::StateUnavailable => "state_unavailable",
            Self::StateReplaced => "state_replaced",
            Self::StateTooNew => "state_too_new",
            Self::Internal => "internal",
        }
    }

    /// A sentence for people. It may change; programs match [`Reason::as_str`].
    pub const fn message(self) -> &'static str {
        match self {
            Self::ParseError => "the line is not one strict JSON value in UTF-8",
            Self::MessageTooLarge => "the line is longer than the limit",
            Self::InvalidRequest => "the message is not a JSON-RPC request",
            Self::BatchUnsupported => "batches are not supported; send one request a line",
            Self::NotInitialized => "send initialize first",
            Self::AlreadyInitialized => "initialize was already answered on this connection",
            Self::MethodNotFound => "there is no such method",
            Self::InvalidParams => "the params do not have the shape of this method",
            Self::InvalidKeyId => "the key id must be dk_ and 43 characters of base64url",
            Self::EmptyField => "the field must not be empty",
            Self::FieldTooLong => "the field is longer than 512 bytes",
            Self::ControlCharacter => "the field contains a control character",
            Self::InvalidNonce => "the nonce must be 32 to 256 bytes in unpadded base64url",
            Self::InvalidDigest => "the digest must be 32 bytes in unpadded base64url",
            Self::OriginNotCanonical => "the origin is not spelled in its canonical form",
            Self::OriginNotAllowed => "the origin is not an allowed backend",
            Self::PathNotAllowed => "the path is not allowed for this statement",
            Self::ScopesMismatch => "the scopes are not those of a controller connection",
            Self::Expired => "the expiry has passed",
            Self::ExpiresTooLate => "the expiry is more than 15 minutes ahead",
            Self::BindingMismatch => "the key is bound to another account or client",
            Self::KeyNotFound => "there is no such key",
            Self::HardwareUnavailable => "no hardware protection is available for device keys",
            Self::DegradedProtectionNotAllowed => {
                "only a weaker protection class is available and the request does not accept it"
            }
            Self::OsProtectionUnavailable => "OS-protected keys are not available here",
            Self::AttestationUnavailable => "this key cannot be attested",
            Self::CredentialNotActivated => {
                "the credential was not made for this key on this device"
            }
            Self::TransportNotLocal => "device keys are not served over remote transports",
            Self::NotPermitted => "only root may do this, over the service's Unix socket",
            Self::InvalidCursor => "this service did not return this cursor",
            Self::QuotaExceeded => "the limit for this user is reached",
            Self::UserDenied => "the request was denied at the machine",
            Self::Overloaded => "too many requests are waiting; try again",
            Self::ShuttingDown => "the service is stopping; try again later",
            Self::ClientLeft => "the client left before the operation took effect",
            Self::Timeout => "the deadline passed before the key device answered",
            Self::ProviderBusy => "the key device is in use by another program; try again",
            Self::ProviderLockedOut => "the key device is locked after failed authorizations",
            Self::ProviderUnavailable => "the key device is gone or restarting; try again",
            Self::KeyLost => "the platform can no longer load this key; create a new one",
            Self::ProviderFailed => "the key device reported an error",
            Self::StateUnavailable => "the state database cannot be used",
            Self::StateReplaced => {
                "files of the service were replaced or removed while it ran; restart the service"
            }
            Self::StateTooNew => "the state database belongs to a newer version of device-key",
            Self::Internal => "internal error",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Reason {}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsProtectionCondition;

    /// All names that a type reads, as its own error lists them.
    fn names<T: serde::de::DeserializeOwned + fmt::Debug>() -> Vec<String> {
        let error = serde_json::from_str::<T>("\"\"").unwrap_err().to_string();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
        serde_json::from_value(name.into()).unwrap()
    }

    #[test]
    fn every_code_is_read_as_it_is_written() {
        let (reasons, conditions) = (names::<Reason>(), names::<OsProtectionCondition>());
        assert_eq!((reasons.len(), conditions.len()), (45, 15));
        for name in reasons {
            assert_eq!(read::<Reason>(&name).as_str(), name);
        }
        for name in conditions {
            assert_eq!(read::<OsProtectionCondition>(&name).as_str(), name);
        }
    }
}
