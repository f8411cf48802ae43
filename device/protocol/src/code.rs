//! The JSON-RPC code of each reason.

use device_key_types::Reason;

/// A JSON-RPC error code.
pub type ErrorCode = i32;

const PARSE_ERROR: ErrorCode = -32700;
const INVALID_REQUEST: ErrorCode = -32600;
const METHOD_NOT_FOUND: ErrorCode = -32601;
const INVALID_PARAMS: ErrorCode = -32602;
const INTERNAL_ERROR: ErrorCode = -32603;
const TRY_AGAIN: ErrorCode = -32001;
const DEADLINE_PASSED: ErrorCode = -32002;

/// The code that goes with a reason. The codes from -32700 to -32600 are those of JSON-RPC 2.0,
/// section 5.1. Refusals by validation or policy have -32600, because existing clients know it.
pub const fn error_code(reason: Reason) -> ErrorCode {
    match reason {
        Reason::ParseError | Reason::MessageTooLarge => PARSE_ERROR,
        Reason::MethodNotFound => METHOD_NOT_FOUND,
        Reason::InvalidParams => INVALID_PARAMS,
        Reason::Overloaded | Reason::ShuttingDown => TRY_AGAIN,
        Reason::Timeout => DEADLINE_PASSED,
        Reason::ProviderBusy
        | Reason::ProviderLockedOut
        | Reason::ProviderUnavailable
        | Reason::KeyLost
        | Reason::ProviderFailed
        | Reason::StateUnavailable
        | Reason::StateReplaced
        | Reason::StateTooNew
        | Reason::Internal => INTERNAL_ERROR,
        _ => INVALID_REQUEST,
    }
}
