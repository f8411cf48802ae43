//! Which spans and which of their fields leave this machine, and under which names.
//!
//! Everything else stays here: a field that is added to a span somewhere is not exported until it
//! stands in this list, and events never are. Values are bounded in length, so that spans waiting
//! in the queue are. The caller's request ids and `tracestate` are left out for that reason, and
//! because they may be anything.
//!
//! | span | field | exported as | of metrics too |
//! |---|---|---|---|
//! | `request` | `rpc.method` | `rpc.method` | yes |
//! | `request`, `connection` | `transport` | `device_key.transport` | yes |
//! | `provider`, `waiting` | `provider` | `device_key.provider` | yes |
//! | `provider`, `bindings` | `operation` | `device_key.operation` | yes |
//! | `request`, `provider` | `reason` | `error.type` | yes |
//! | any | `key_id` | `device_key.key_id` | no |
//!
//! Metrics come from spans as well:
//!
//! | span | metric | what |
//! |---|---|---|
//! | [`REQUEST`] | `device_key.requests` | how many were answered |
//! | [`REQUEST`] | `rpc.server.call.duration` | seconds until the answer, histogram |
//! | [`PROVIDER`] | `device_key.provider.operation.duration` | seconds in the provider, histogram |
//! | [`WAITING`] | `device_key.provider.waiting` | how many wait for the provider now |
//! | [`CONNECTION`] | `device_key.connections` | how many are open now |
//!
//! `error.type` is the reason of a refusal and is absent when all went well.

/// The span of one request.
pub const REQUEST: &str = "request";

/// The span of one operation in a provider.
pub const PROVIDER: &str = "provider";

/// The span of one operation that waits for its turn in a provider.
pub const WAITING: &str = "waiting";

/// The span of one connection. It may live for months, so that it is counted but not traced.
pub const CONNECTION: &str = "connection";

/// The start of the names of our own modules, whose spans these are.
pub(crate) const OURS: &str = "device_key";

/// The attribute of metrics and spans that a field becomes, if it has few values.
pub(crate) fn dimension(field: &str) -> Option<&'static str> {
    match field {
        "rpc.method" => Some("rpc.method"),
        "transport" => Some("device_key.transport"),
        "provider" => Some("device_key.provider"),
        "operation" => Some("device_key.operation"),
        "reason" => Some("error.type"),
        _ => None,
    }
}

/// The attribute of spans that a field becomes.
pub(crate) fn attribute(field: &str) -> Option<&'static str> {
    match field {
        "key_id" => Some("device_key.key_id"),
        field => dimension(field),
    }
}
