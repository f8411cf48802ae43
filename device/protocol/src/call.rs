//! The client's side of the envelope: a request is written as one line, and its answer is read.

use std::fmt;

use device_key_types::strict_json::Object;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error_object::ErrorObject;

/// Writes a request as one line, with its line feed.
pub fn write_request(
    id: i64,
    method: &str,
    params: &impl Serialize,
) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Request { jsonrpc: "2.0", id, method, params })?;
    line.push(b'\n');
    Ok(line)
}

/// Reads the answer to the request with this id: the result as JSON, or the error.
pub fn read_answer(
    line: &[u8],
    id: i64,
) -> Result<Result<Box<RawValue>, ErrorObject>, UnreadableAnswer> {
    let Object(answer) = serde_json::from_slice(line).map_err(UnreadableAnswer::Malformed)?;
    match answer {
        Answer { id: Some(answered), result: Some(result), error: None } if answered == id => {
            Ok(Ok(result))
        }
        // A server that could not read the id answers without one.
        Answer { id: answered, result: None, error: Some(Object(error)) }
            if answered.is_none_or(|answered| answered == id) =>
        {
            Ok(Err(error))
        }
        _ => Err(UnreadableAnswer::NotOfThisRequest),
    }
}

/// Why a line is not the answer to a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableAnswer {
    /// The line is not a JSON-RPC answer.
    #[error("the line is not a JSON-RPC answer")]
    Malformed(#[source] serde_json::Error),
    /// The line is neither a result nor an error, or it has the id of another request.
    #[error("the line is neither a result nor an error of this request")]
    NotOfThisRequest,
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    id: i64,
    method: &'a str,
    params: &'a P,
}

#[derive(Deserialize)]
struct Answer {
    id: Option<i64>,
    result: Option<Box<RawValue>>,
    error: Option<Object<ErrorObject>>,
}

/// A value together with the JSON text that it was read from, which may have members that this
/// version does not know. Serialising the value writes that text.
#[derive(Clone)]
pub struct Received<T> {
    value: T,
    json: Box<RawValue>,
}

impl<T: DeserializeOwned> Received<T> {
    /// Reads a value, which must be an object.
    pub fn read(json: Box<RawValue>) -> serde_json::Result<Self> {
        let Object(value) = serde_json::from_str(json.get())?;
        Ok(Self { value, json })
    }
}

impl<T> Received<T> {
    /// The JSON text as it was received.
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// The value without its text.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> std::ops::Deref for Received<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Received<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Serialize for Received<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Received<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Box::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use device_key_types::{OsProtectionCondition, ProtectionClass, Reason};
    use serde_json::{Value, json};

    use super::*;
    use crate::answer::Answer;
    use crate::envelope::Message;
    use crate::rpc_error::RpcError;

    fn answer_of(error: &RpcError) -> ErrorObject {
        let line = write_request(7, "m", &json!({"a": 1})).unwrap();
        let Ok(Message::Request(request)) = Message::parse(&line) else { panic!("a request") };
        assert_eq!((request.id.to_string().as_str(), request.method.as_str()), ("7", "m"));
        let answer = Answer::failure(Some(&request.id), request.version, error);
        read_answer(answer.as_bytes(), 7).unwrap().unwrap_err()
    }

    #[test]
    fn a_request_and_its_result() {
        let line = write_request(0, "m", &json!({})).unwrap();
        assert_eq!(line, b"{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"m\",\"params\":{}}\n");
        let result = read_answer(b"{\"id\":0,\"result\":{\"b\": 1.50, \"a\":2}}\n", 0);
        assert_eq!(result.unwrap().unwrap().get(), "{\"b\": 1.50, \"a\":2}");
    }

    #[test]
    fn every_error_can_be_read_back() {
        let error =
            RpcError::in_field(Reason::OsProtectionUnavailable, device_key_types::Field::KeyId)
                .with_available(vec![ProtectionClass::HardwareTpm])
                .with_cause(Some(OsProtectionCondition::SameUser))
                .with_message("words");
        let read = answer_of(&error);
        assert_eq!(read, ErrorObject::from(&error));
        assert_eq!((&*read.message, read.data.field.as_deref()), ("words", Some("keyId")));
        assert!(read.is(Reason::OsProtectionUnavailable) && !read.is(Reason::KeyNotFound));
        assert_eq!(read.data.available.unwrap()[0].known(), Some(ProtectionClass::HardwareTpm));
        assert_eq!(read.data.cause.unwrap().known(), Some(OsProtectionCondition::SameUser));
        assert_eq!(answer_of(&Reason::KeyNotFound.into()).data.available, None);
    }

    #[test]
    fn names_of_a_newer_service_are_kept() {
        let error = json!({"code": -1, "message": "words", "data": {
            "reason": "from_the_future", "available": ["later_class"], "cause": "later_cause",
        }});
        let line = json!({"id": 1, "error": error}).to_string();
        let read = read_answer(line.as_bytes(), 1).unwrap().unwrap_err();
        let reason = read.data.reason.as_ref().unwrap();
        assert_eq!((reason.known(), reason.to_string().as_str()), (None, "from_the_future"));
        assert_eq!(serde_json::to_value(&read).unwrap(), error);
        let bare = br#"{"id":null,"error":{"code":1,"message":"only words"}}"#;
        assert_eq!(read_answer(bare, 1).unwrap().unwrap_err().data.reason, None);
    }

    #[test]
    fn lines_that_are_not_answers() {
        for line in [
            "",
            "1",
            "[1,{}]",
            "{}",
            r#"{"id":1}"#,
            r#"{"id":2,"result":1}"#,
            r#"{"result":1}"#,
            r#"{"id":2,"error":{"code":1,"message":""}}"#,
            r#"{"id":1,"error":[1,""]}"#,
            r#"{"id":1,"error":{"code":1,"message":""},"result":1}"#,
        ] {
            assert!(read_answer(line.as_bytes(), 1).is_err(), "{line}");
        }
    }

    #[test]
    fn a_received_value_is_written_unchanged() {
        #[derive(Deserialize)]
        struct Known {
            a: u8,
        }
        let text = r#"[{"z":{"y": 1e3},"a": 7}]"#;
        let received: Vec<Received<Known>> = serde_json::from_str(text).unwrap();
        assert_eq!((received[0].a, received[0].json()), (7, r#"{"z":{"y": 1e3},"a": 7}"#));
        assert_eq!(serde_json::to_string(&received).unwrap(), text);
        assert!(serde_json::from_value::<Received<Known>>(Value::from(vec![1])).is_err());
    }
}
