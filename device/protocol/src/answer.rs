//! Answers to requests, and to lines that are not requests.

use device_key_types::Reason;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::envelope::{Rejected, RequestId, Version};
use crate::error_object::ErrorObject;
use crate::rpc_error::RpcError;

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

impl Rejected {
    /// The answer to the line. If the line does not show whether its sender writes `jsonrpc`, the
    /// answer follows `usual`, the version of the sender's last readable message.
    pub fn answer(&self, usual: Version) -> Answer {
        let error = RpcError::from(self.reason);
        Answer::failure(self.id.as_ref(), self.version.unwrap_or(usual), &error)
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
