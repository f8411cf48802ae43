//! Lines that are requests, and lines that are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn request(line: &str) -> Request {
    match Message::parse(line.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &[u8]) -> (&'static str, Value) {
    let rejected = Message::parse(line).unwrap_err();
    let answer = rejected.answer(Version::Stated);
    (rejected.reason().as_str(), serde_json::from_slice(answer.as_bytes()).unwrap())
}

#[test]
fn ids_are_echoed_as_they_were_spelled() {
    for id in ["0", "-1", "9223372036854775807", "18446744073709551615", r#""""#, r#""\u0061""#] {
        let request = request(&format!(r#"{{"id":{id},"method":"m"}}"#));
        assert_eq!(request.id.as_json().get(), id);
    }
    let longest = format!("\"{}\"", "x".repeat(256));
    assert_eq!(request(&format!(r#"{{"id":{longest},"method":"m"}}"#)).id.as_json().get(), longest);
    let longer = format!("\"{}\"", "x".repeat(257));
    for id in [&longer, "null", "1.0", "1e3", "18446744073709551616", "true", "[]", "{}"] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
        let (reason, answer) = refusal(line.as_bytes());
        assert_eq!((reason, &answer["id"]), ("invalid_request", &Value::Null), "{id}");
    }
}

#[test]
fn the_version_is_stated_if_the_caller_states_it() {
    assert_eq!(request(r#"{"id":1,"method":"m"}"#).version, Version::Omitted);
    assert_eq!(request(r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#).version, Version::Stated);
    for version in ["\"1.0\"", "2.0", "null"] {
        let (reason, answer) =
            refusal(format!(r#"{{"jsonrpc":{version},"id":7,"method":"m"}}"#).as_bytes());
        assert_eq!((reason, &answer["id"]), ("invalid_request", &json!(7)));
    }
}

#[test]
fn a_line_that_is_not_a_request_is_refused_with_its_reason() {
    let cases: [(&[u8], &str); 12] = [
        (b"", "parse_error"),
        (b"{", "parse_error"),
        (b"\xff\xfe", "parse_error"),
        (b"{\"id\":1,\"method\":\"m\xff\"}", "parse_error"),
        (br#"{"id":1,"id":2,"method":"m"}"#, "parse_error"),
        (br#"{"id":1,"method":"m","params":{"a":{"x":1,"x":2}}}"#, "parse_error"),
        (b"[]", "batch_unsupported"),
        (br#" [{"id":1,"method":"m"}]"#, "batch_unsupported"),
        (b"1", "invalid_request"),
        (b"{}", "invalid_request"),
        (br#"{"id":1}"#, "invalid_request"),
        (br#"{"id":1,"method":["m"]}"#, "invalid_request"),
    ];
    for (line, expected) in cases {
        let (reason, answer) = refusal(line);
        assert_eq!(reason, expected, "{}", String::from_utf8_lossy(line));
        assert_eq!(answer["error"]["data"]["reason"], expected);
    }
}

#[test]
fn a_message_without_id_is_a_notification() {
    for line in [r#"{"method":"initialized"}"#, r#"{"jsonrpc":"2.0","method":"x","params":[1]}"#] {
        assert!(matches!(Message::parse(line.as_bytes()), Ok(Message::Notification)));
    }
}

#[test]
fn params_are_objects() {
    #[derive(Debug, Deserialize)]
    struct One {
        a: u8,
    }
    let read =
        |params: &str| request(&format!(r#"{{"id":1,"method":"m"{params}}}"#)).params.read::<One>();
    assert_eq!(read(r#","params":{"a":1,"unknown":2}"#).unwrap().a, 1);
    for params in ["", r#","params":null"#, r#","params":[1]"#, r#","params":{"a":"1"}"#] {
        assert_eq!(read(params).unwrap_err().reason(), Reason::InvalidParams, "{params}");
    }
}

#[test]
fn a_malformed_trace_is_ignored() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let with = |trace: Value| request(&json!({"id": 1, "method": "m", "trace": trace}).to_string());
    let trace = with(json!({"traceparent": parent, "tracestate": "a=b"})).trace.unwrap();
    assert_eq!((trace.traceparent.as_str(), trace.tracestate.as_deref()), (parent, Some("a=b")));
    assert!(with(json!({"traceparent": parent})).trace.is_some());
    for trace in [json!(null), json!([parent, "a=b"]), json!({"traceparent": 1}), json!("x")] {
        assert!(with(trace).trace.is_none());
    }
}

fn shown(id: &str) -> String {
    request(&json!({"id": id, "method": "m"}).to_string()).id.to_string()
}

#[test]
fn ids_are_shown_in_ascii_without_spaces_and_punctuation_of_a_log() {
    assert_eq!(shown("a-1_b.c:d/e+f"), r#""a-1_b.c:d/e+f""#);
    assert_eq!(shown("}: outcome=ok"), r#""\u007d:\u0020outcome\u003dok""#);
    assert_eq!(shown("\u{9b}\u{85}\u{2028}\u{202e}"), r#""\u009b\u0085\u2028\u202e""#);
    assert_eq!(shown("\n\"\\\u{7f}é\u{e0001}"), r#""\u000a\"\\\u007f\u00e9\udb40\udc01""#);
    assert_eq!(request(r#"{"id":-7,"method":"m"}"#).id.to_string(), "-7");
    for character in ('\0'..='\u{3000}').chain('\u{e000}'..='\u{10ffff}').step_by(3) {
        let id = character.to_string();
        let shown = shown(&id);
        let stands_out = |byte: u8| byte.is_ascii_graphic() && !b"{}[]=,;'".contains(&byte);
        assert!(shown.bytes().all(stands_out), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), id);
    }
}

#[test]
fn shown_ids_are_short_and_whole_strings() {
    for id in ["é".repeat(100), "a".repeat(256), "\u{e0001}".repeat(60), "\\".repeat(120)] {
        let shown = shown(&id);
        let begin = shown.strip_suffix("...").unwrap();
        assert!(shown.len() <= 80, "{shown}");
        assert!(id.starts_with(&serde_json::from_str::<String>(begin).unwrap()), "{shown}");
    }
    assert_eq!(shown(&"a".repeat(64)), format!("\"{}\"", "a".repeat(64)));
}

proptest! {
    #[test]
    fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(rejected) = Message::parse(&line) {
            prop_assert!(rejected.answer(Version::Omitted).as_bytes().ends_with(b"\n"));
        }
    }
}
