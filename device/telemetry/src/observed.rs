//! Which spans and which of their fields leave this machine, and under which names.
//!
//! Everything else stays on this machine: a field that is added to a span is not exported until it
//! is added to this list, and events are never exported. The values in the list have a bounded
//! length, so the spans in the queue are bounded too. The caller's request ids and `tracestate` are
//! left out because their length is not bounded and their content can be anything.
//!
//! | span | field | exported as | also in metrics |
//! |---|---|---|---|
//! | `request` | `rpc.method` | `rpc.method` | yes |
//! | `request`, `connection` | `transport` | `device_key.transport` | yes |
//! | `provider`, `waiting` | `provider` | `device_key.provider` | yes |
//! | `provider`, `bindings` | `operation` | `device_key.operation` | yes |
//! | `request`, `provider` | `reason` | `error.type` | yes |
//! | any | `key_id` | `device_key.key_id` | no |
//!
//! Metrics are made from spans too:
//!
//! | span | metric | meaning |
//! |---|---|---|
//! | [`REQUEST`] | `device_key.requests` | number of answered requests |
//! | [`REQUEST`] | `rpc.server.call.duration` | histogram: seconds until the answer |
//! | [`PROVIDER`] | `device_key.provider.operation.duration` | histogram: seconds in the provider |
//! | [`WAITING`] | `device_key.provider.waiting` | number of operations that wait now |
//! | [`CONNECTION`] | `device_key.connections` | number of open connections |
//!
//! `error.type` is the reason of a refusal and is absent if the request succeeded.

/// The span of one request.
pub const REQUEST: &str = "request";

/// The span of one operation in a provider.
pub const PROVIDER: &str = "provider";

/// The span of one operation that waits for its turn in a provider.
pub const WAITING: &str = "waiting";

/// The span of one connection. A connection may live for months, so it is counted but not traced.
pub const CONNECTION: &str = "connection";

/// The prefix of the names of this project's modules. Only spans of these modules are observed.
pub(crate) const OUR_MODULES: &str = "device_key";

/// The attribute of metrics and spans to which a field is mapped. `None` if the field is not
/// exported or can have many values.
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

/// The attribute of spans to which a field is mapped. `None` if the field is not exported.
pub(crate) fn attribute(field: &str) -> Option<&'static str> {
    match field {
        "key_id" => Some("device_key.key_id"),
        field => dimension(field),
    }
}
