//! The messages on the wire: JSON-RPC 2.0 envelopes, the params and results of the methods, and
//! errors.
//!
//! A server reads a line with [`Message::parse`], which is strict: the line must be one JSON value
//! in UTF-8, without a duplicate key at any depth, and with an object wherever the protocol has an
//! object. A line that cannot be served becomes a [`Rejected`], from which the answer to the line
//! is made. A client writes requests and reads answers with [`call`]. The crate is not async, does
//! no I/O and does not carry out methods.
//!
//! ```
//! use device_key_protocol::{Answer, Message};
//!
//! let line = br#"{"id":0,"method":"device/key/public","params":{"keyId":"dk_"}}"#;
//! let Ok(Message::Request(request)) = Message::parse(line) else { panic!("a request") };
//! assert_eq!(request.method, "device/key/public");
//! let answer = Answer::success(&request.id, request.version, &serde_json::json!({}));
//! assert_eq!(answer.as_bytes(), b"{\"id\":0,\"result\":{}}\n");
//! ```
#![forbid(unsafe_code)]

pub mod admin;
mod answer;
pub mod attestation;
mod base64;
pub mod call;
mod code;
mod envelope;
mod error_object;
pub mod initialize;
pub mod key;
pub mod lifecycle;
mod name;
mod params;
mod rpc_error;

pub use answer::Answer;
pub use code::{ErrorCode, error_code};
pub use envelope::{Message, Rejected, Request, RequestId, TraceContext, Version};
pub use error_object::{ErrorData, ErrorObject};
pub use name::Name;
pub use params::Params;
pub use rpc_error::RpcError;

/// The longest line in bytes, without its line feed: 1 MiB. A longer line is refused as
/// `message_too_large`.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
