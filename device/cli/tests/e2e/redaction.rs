//! Standard output carries only the protocol and the log contains no secret, at every log level.

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use crate::home::Home;
use crate::server::{Finished, Server, reason};

const ACCOUNT: &str = "marked-account-7d1f";
const CLIENT: &str = "marked-client-7d1f";
const OTHER_ACCOUNT: &str = "other-marked-account-7d1f";
const OTHER_CLIENT: &str = "other-marked-client-7d1f";
/// 36 bytes in base64url, like a nonce.
const NONCE: &str = "bWFya2VkLW5vbmNlLTdkMWYtbWFya2VkLW5vbmNlLTdkMWYt";
/// 32 bytes in base64url, like a digest.
const DIGEST: &str = "bWFya2VkLWRpZ2VzdC03ZDFmLW1hcmtlZC1kaWdlc3Q";
/// A token in place of its digest. Its characters are base64url, but it is not 32 bytes.
const TOKEN: &str = "marked_token_7d1f";
const PASSWORD: &str = "marked-password-7d1f";

/// Payloads with secrets in right and wrong places, each with the reason of its refusal.
fn refused(payload: &Value) -> Vec<(Value, &'static str)> {
    let with = |field: &str, value: Value| {
        let mut changed = payload.clone();
        changed[field] = value;
        changed
    };
    let user_info = format!("https://user:{PASSWORD}@chatgpt.com");
    vec![
        (with("accountUserId", json!(OTHER_ACCOUNT)), "binding_mismatch"),
        (with("clientId", json!(OTHER_CLIENT)), "binding_mismatch"),
        (with("accountUserId", json!(format!("{OTHER_ACCOUNT}\n"))), "control_character"),
        (with("accountUserId", json!([OTHER_ACCOUNT])), "invalid_params"),
        (with("clientId", json!({OTHER_CLIENT: OTHER_CLIENT})), "invalid_params"),
        (with("nonce", json!(format!("{NONCE}=="))), "invalid_nonce"),
        (with("nonce", json!({"value": NONCE})), "invalid_params"),
        (with("tokenSha256Base64url", json!(TOKEN)), "invalid_digest"),
        (with("tokenExpiresAt", json!(TOKEN)), "invalid_params"),
        (with("tokenExpiresAt", json!(0)), "expired"),
        (with("type", json!(TOKEN)), "invalid_params"),
        (with("audience", json!(TOKEN)), "invalid_params"),
        (with("scopes", json!([TOKEN])), "scopes_mismatch"),
        (with("targetOrigin", json!(user_info)), "origin_not_canonical"),
        (with(TOKEN, json!(DIGEST)), "invalid_params"),
    ]
}

#[test]
fn a_full_trace_has_no_secret_and_does_not_reach_standard_output() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut command = home.app_server(&swtpm.address());
    let mut server = Server::start(command.env("RUST_LOG", "trace"));
    let key = server.create(ACCOUNT, CLIENT);
    let mut payload = key.payload();
    payload["nonce"] = json!(NONCE);
    payload["tokenSha256Base64url"] = json!(DIGEST);
    let signed = server.call("device/key/sign", &json!({"keyId": key.id, "payload": payload}));
    key.verify(&signed);
    for (payload, expected) in refused(&payload) {
        let params = json!({"keyId": key.id, "payload": payload});
        let answer = server.call("device/key/sign", &params);
        assert_eq!(reason(&answer), expected, "{payload}");
    }
    for (account, client) in [
        (json!(ACCOUNT), json!("")),
        (json!([ACCOUNT]), json!(CLIENT)),
        (json!({ACCOUNT: CLIENT}), json!(null)),
        (json!(ACCOUNT.repeat(40)), json!(CLIENT)),
    ] {
        let params = json!({"accountUserId": account, "clientId": client});
        assert!(server.call("device/key/create", &params)["error"].is_object());
    }
    let policy =
        json!({"accountUserId": ACCOUNT, "clientId": CLIENT, "protectionPolicy": PASSWORD});
    assert_eq!(reason(&server.call("device/key/create", &policy)), "invalid_params");
    // Malformed lines with secrets in them, and a secret as a method name.
    server.send(format!("{{\"id\":1,\"params\":\"{TOKEN} {ACCOUNT}\n").as_bytes());
    assert_eq!(reason(&server.receive()), "parse_error");
    assert_eq!(reason(&server.call(TOKEN, &json!({}))), "method_not_found");

    let Finished { status, answers, log } = server.finish();
    assert_eq!((status.code(), answers), (Some(0), Vec::new()));
    assert!(log.contains("DEBUG") && log.contains("device/key/sign"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colour in a pipe");
    // The secrets in other encodings.
    let signature = signed["result"]["signatureDerBase64"].as_str().unwrap();
    let hex =
        |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let debug = |text: &str| format!("{:?}", text.as_bytes()).replace(['[', ']'], "");
    for secret in [ACCOUNT, CLIENT, NONCE, DIGEST, TOKEN, PASSWORD, signature] {
        for form in [secret.to_owned(), hex(secret), debug(secret)] {
            let line = log.lines().find(|line| line.contains(&form));
            assert_eq!(line, None, "{secret} is in the log");
        }
    }
}
