//! The envelope of a request, and lines that are not requests.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use device_key_types::Reason;
use device_key_types::strict_json::{self, Object};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::params::Params;

/// A line that can be served.
#[derive(Debug)]
pub enum Message {
    /// A message with an id. It is answered exactly once.
    Request(Request),
    /// A message without an id. It is never answered.
    Notification,
}

/// A request whose params have not been read yet.
#[derive(Debug)]
pub struct Request {
    /// The id, which the answer repeats.
    pub id: RequestId,
    /// The method's name.
    pub method: String,
    /// The params as the client sent them.
    pub params: Params,
    /// The caller's trace, if the caller sent one.
    pub trace: Option<TraceContext>,
    /// Whether the answer must have a `jsonrpc` member.
    pub version: Version,
}

/// A string of at most 256 bytes or a 64-bit integer, kept as the client spelled it.
#[derive(Clone, Debug)]
pub struct RequestId(Box<RawValue>);

/// Whether the caller writes `"jsonrpc":"2.0"`. The answer has the member if the request had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The member is there, as JSON-RPC 2.0 requires.
    #[default]
    Stated,
    /// The member is left out, as existing clients do.
    Omitted,
}

/// W3C Trace Context of the caller. Malformed values are ignored, as the specification requires.
#[derive(Clone, Debug, Deserialize)]
pub struct TraceContext {
    /// The `traceparent` header's value.
    pub traceparent: String,
    /// The `tracestate` header's value.
    #[serde(default)]
    pub tracestate: Option<String>,
}

/// A line that is refused as a whole.
#[derive(Debug)]
pub struct Rejected {
    pub(crate) id: Option<RequestId>,
    pub(crate) version: Option<Version>,
    pub(crate) reason: Reason,
}

impl Message {
    /// Reads one line, without its line feed.
    pub fn parse(line: &[u8]) -> Result<Self, Rejected> {
        let unreadable = || Rejected { id: None, version: None, reason: Reason::ParseError };
        let text = std::str::from_utf8(line).map_err(|_| unreadable())?;
        strict_json::check(text).map_err(|_| unreadable())?;
        let not_a_request = |reason| Rejected { id: None, version: None, reason };
        let Object(envelope): Object<Envelope<'_>> = serde_json::from_str(text).map_err(|_| {
            let is_array = text.trim_ascii_start().starts_with('[');
            not_a_request(if is_array { Reason::BatchUnsupported } else { Reason::InvalidRequest })
        })?;
        envelope.into_message()
    }
}

/// The envelope with its members still unparsed. If one member is invalid, the answer can still
/// repeat the id and the version.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Member<'a>,
    #[serde(borrow, default)]
    id: Member<'a>,
    #[serde(borrow, default)]
    method: Member<'a>,
    #[serde(borrow, default)]
    params: Member<'a>,
    #[serde(borrow, default)]
    trace: Member<'a>,
}

/// A member of the envelope. A plain `Option` could not tell `null` from a missing member.
#[derive(Default)]
struct Member<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

impl<'a> Member<'a> {
    fn read<T: Deserialize<'a>>(&self) -> Option<T> {
        self.0.and_then(|raw| serde_json::from_str(raw.get()).ok())
    }
}

impl Envelope<'_> {
    fn into_message(self) -> Result<Message, Rejected> {
        let version = match self.jsonrpc.0 {
            None => Some(Version::Omitted),
            Some(_) => self
                .jsonrpc
                .read::<Cow<'_, str>>()
                .filter(|version| version == "2.0")
                .map(|_| Version::Stated),
        };
        let id = self.id.0.map(RequestId::parse);
        let method = self.method.read::<String>();
        match (version, id, method) {
            (Some(version), Some(Some(id)), Some(method)) => Ok(Message::Request(Request {
                id,
                method,
                params: Params::new(self.params.0),
                trace: self.trace.read::<Object<TraceContext>>().map(|Object(trace)| trace),
                version,
            })),
            (Some(_), None, Some(_)) => Ok(Message::Notification),
            (version, id, _) => {
                Err(Rejected { id: id.flatten(), version, reason: Reason::InvalidRequest })
            }
        }
    }
}

impl RequestId {
    /// The longest id that is a string, in bytes, with its quotes. The answer repeats the id, so
    /// without a limit the answer to a cheap request could be as long as the longest line.
    const MAX_BYTES: usize = 258;

    fn parse(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let is_id = (text.starts_with('"') && text.len() <= Self::MAX_BYTES)
            || serde_json::from_str::<i64>(text).is_ok()
            || serde_json::from_str::<u64>(text).is_ok();
        is_id.then(|| Self(raw.to_owned()))
    }

    /// The id as JSON.
    pub fn as_json(&self) -> &RawValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    /// Writes the id as JSON for traces and logs. The caller chooses an id that is a string, so all
    /// but letters, digits and a few marks of ASCII is escaped, and a long id ends with `...` after
    /// 64 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let json = self.0.get();
        if !json.starts_with('"') {
            return f.write_str(json);
        }
        // The id was parsed before, so it is a string in JSON.
        let text: Cow<'_, str> = serde_json::from_str(json).unwrap_or_default();
        let mut shown = String::with_capacity(SHOWN);
        let mut is_whole = true;
        for character in text.chars() {
            let end = shown.len();
            match character {
                '"' | '\\' => shown.extend(['\\', character]),
                '-' | '_' | '.' | ':' | '/' | '+' => shown.push(character),
                _ if character.is_ascii_alphanumeric() => shown.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(shown, "\\u{unit:04x}")?;
                    }
                }
            }
            if shown.len() > SHOWN {
                shown.truncate(end);
                is_whole = false;
                break;
            }
        }
        write!(f, "\"{shown}\"{}", if is_whole { "" } else { "..." })
    }
}

impl Rejected {
    /// Refuses a line that was longer than the limit. Its content is lost.
    pub const fn too_large() -> Self {
        Self { id: None, version: None, reason: Reason::MessageTooLarge }
    }

    /// Why the line is refused.
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

#[cfg(test)]
mod tests;
