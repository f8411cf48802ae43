//! Statements that the right key signed, but in bytes that no device would sign.

use serde_json::{Value, json};

use super::case::{Case, NOW, SoftwareKey, remove};
use super::language::judge;

struct Spellings {
    key: SoftwareKey,
    right: Case,
    cases: Vec<Case>,
}

impl Spellings {
    fn new() -> Self {
        let key = SoftwareKey::new();
        let right = key.connection();
        Self { key, cases: vec![right.clone()], right }
    }

    fn text(&self) -> String {
        String::from_utf8(self.right.signed.clone()).unwrap()
    }

    /// These bytes, signed by the right key.
    fn bytes(&mut self, outcome: &str, signed: &[u8]) {
        let signature = self.key.sign(signed);
        let name = String::from_utf8_lossy(signed);
        self.cases.push(self.right.but(&name, outcome, |case| {
            case.signed = signed.to_vec();
            case.signature = signature;
        }));
    }

    /// The valid text with another spelling of one part, which must occur exactly once.
    fn respelled(&mut self, outcome: &str, part: &str, other: &str) {
        let text = self.text();
        assert_eq!(text.matches(part).count(), 1, "{part}");
        self.bytes(outcome, text.replacen(part, other, 1).as_bytes());
    }

    /// The valid statement with another value.
    fn changed(&mut self, outcome: &str, change: impl FnOnce(&mut Value)) {
        let mut signed: Value = serde_json::from_slice(&self.right.signed).unwrap();
        change(&mut signed);
        self.bytes(outcome, signed.to_string().as_bytes());
    }
}

#[test]
fn another_spelling_of_the_statement_is_refused() {
    let mut all = Spellings::new();
    let text = all.text();
    for signed in [format!(" {text}"), format!("{text}\n"), text.replace(',', ", ")] {
        all.bytes("not_canonical", signed.as_bytes());
    }
    for (part, other) in [
        (r#""payload":{"#, "\"payload\" :\t{"),
        ("https://chatgpt.com", r"https:\/\/chatgpt.com"),
        (r#":"client""#, r#":"cl\u0069ent""#),
        (r#""clientId""#, r#""client\u0049d""#),
        (r#""domain""#, r#""d\u006fmain""#),
        ("codex-device-key", r"\u0063odex-device-key"),
    ] {
        all.respelled("not_canonical", part, other);
    }
    let account = r#""accountUserId":"account","#;
    let moved =
        text.replace(account, "").replace(r#""clientId""#, &format!(r#"{account}"clientId""#));
    all.bytes("not_canonical", moved.as_bytes());
    let payload = text.split_once(r#""payload":"#).unwrap().1.strip_suffix('}').unwrap();
    let swapped = format!(r#"{{"payload":{payload},"domain":"codex-device-key-sign-payload/v1"}}"#);
    all.bytes("not_canonical", swapped.as_bytes());
    judge(&all.cases);
}

#[test]
fn another_shape() {
    let mut all = Spellings::new();
    let text = all.text();
    let deep = "[".repeat(8_000) + &"]".repeat(8_000);
    for signed in ["", "null", "7", "[]", "{}", "{", "\u{feff}{}", &deep, &deep[..8_000]] {
        all.bytes("malformed_statement", signed.as_bytes());
    }
    for signed in [format!("[{text}]"), format!("{text}{{}}"), format!("\u{feff}{text}")] {
        all.bytes("malformed_statement", signed.as_bytes());
    }
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    all.bytes("malformed_statement", &utf16);
    all.bytes("malformed_statement", &text.replace("account\"", "account\u{ff}\"").into_latin_1());
    let expires_at = format!("{}", NOW + 60);
    for (part, other) in [
        // A duplicate name: at both depths, with equal and different values, in one and two
        // spellings.
        (r#"{"domain""#, r#"{"domain":"codex-device-key-sign-payload/v1","domain""#),
        (r#"{"domain""#, r#"{"domain":"another","domain""#),
        (r#""payload":{"#, r#""payload":{},"payload":{"#),
        (r#""clientId""#, r#""clientId":"client","clientId""#),
        (r#""clientId""#, r#""clientId":"another","clientId""#),
        (r#""clientId""#, r#""client\u0049d":"client","clientId""#),
        (r#""tokenExpiresAt""#, r#""tokenExpiresAt":1,"tokenExpiresAt""#),
        // Numbers that some parsers read as the expiry, but that are not written as integers.
        (&expires_at, &format!("{expires_at}.0")),
        (&expires_at, &format!("{expires_at}e0")),
        (&expires_at, &format!("0{expires_at}")),
        (&expires_at, &format!("+{expires_at}")),
        (&expires_at, &format!("{expires_at}.00000000000000000000001")),
        (&expires_at, "9223372036854775808"),
        (&expires_at, "NaN"),
        (&expires_at, "Infinity"),
        (&expires_at, "-Infinity"),
        (&expires_at, "true"),
        (&expires_at, &"9".repeat(5_000)),
        // JSON that only lenient parsers accept.
        (r#""client""#, "'client'"),
        (r#""client""#, "\"cli\nent\""),
        (r#""client""#, r#""cli\xent""#),
        (r#""nonce""#, r#"/**/"nonce""#),
        (r#"],"sessionId""#, r#",],"sessionId""#),
        // One half of a surrogate pair.
        (r#""client""#, r#""client\ud800""#),
        (r#""client""#, r#""client\udc00\ud800""#),
    ] {
        all.respelled("malformed_statement", part, other);
    }
    let shapes: [fn(&mut Value); 16] = [
        |signed| *signed = json!([signed["domain"], signed["payload"]]),
        |signed| *signed = json!({"domain,payload": ""}),
        |signed| *signed = json!({"domain": signed["domain"]}),
        |signed| *signed = json!({"payload": signed["payload"]}),
        |signed| signed["other"] = json!(1),
        |signed| signed["__proto__"] = json!({}),
        |signed| signed["payload"] = json!(signed["payload"].to_string()),
        |signed| signed["payload"] = json!([]),
        |signed| signed["payload"] = Value::Null,
        |signed| signed["payload"]["other"] = json!(1),
        |signed| signed["payload"]["__proto__"] = json!("a"),
        |signed| signed["payload"]["type"] = json!("remoteControl"),
        |signed| signed["payload"]["type"] = json!(["remoteControlClientConnection"]),
        |signed| signed["payload"]["clientId"] = json!(7),
        |signed| signed["payload"]["sessionId"] = Value::Null,
        |signed| signed["payload"]["tokenExpiresAt"] = json!((NOW + 60).to_string()),
    ];
    for shape in shapes {
        all.changed("malformed_statement", shape);
    }
    for name in ["nonce", "type", "scopes", "tokenExpiresAt"] {
        all.changed("malformed_statement", |signed| {
            remove(&mut signed["payload"], &[name]);
        });
    }
    for scopes in [json!("remote_control_controller_websocket"), json!([1]), json!([["a"]])] {
        all.changed("malformed_statement", |signed| signed["payload"]["scopes"] = scopes);
    }
    judge(&all.cases);
}

#[test]
fn another_value() {
    let mut all = Spellings::new();
    for domain in ["", "codex-device-key-sign-payload/v2", "device-key-attestation/v1"] {
        all.changed("wrong_domain", |signed| signed["domain"] = json!(domain));
    }
    for scopes in [json!([]), json!(["remote_control_controller_websocket", "more"]), json!(["a"])]
    {
        all.changed("field_mismatch:scopes", |signed| signed["payload"]["scopes"] = scopes);
    }
    for (field, value) in [
        ("sessionId", json!("Session")),
        ("clientId", json!("client ")),
        ("accountUserId", json!("acc\u{f6}unt")),
        // A parser that does not know escaped quotes would split this value wrongly.
        ("clientId", json!("client\":\"")),
        ("clientId", json!("client\\")),
        ("targetOrigin", json!("https://chatgpt.com/")),
        ("tokenExpiresAt", json!(0)),
        ("tokenExpiresAt", json!(-(NOW + 60))),
    ] {
        let outcome = format!("field_mismatch:{field}");
        all.changed(&outcome, |signed| signed["payload"][field] = value);
    }
    // Of several mismatches, the first in the protocol's order is reported.
    all.changed("field_mismatch:sessionId", |signed| {
        for field in ["accountUserId", "clientId", "sessionId", "targetPath"] {
            signed["payload"][field] = json!("/another");
        }
    });
    let long = vec![b' '; 16 * 1024 + 1];
    all.bytes("malformed_statement", &long[1..]);
    all.bytes("proof_too_large", &long);
    judge(&all.cases);
}

trait IntoLatin1 {
    /// Encodes each character as one byte, which is not always valid UTF-8.
    fn into_latin_1(self) -> Vec<u8>;
}

impl IntoLatin1 for String {
    fn into_latin_1(self) -> Vec<u8> {
        self.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
    }
}
