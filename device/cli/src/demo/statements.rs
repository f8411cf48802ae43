//! The statements that the demo signs, and the requests that must be refused.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub(super) const ACCOUNT: &str = "demo-account";
pub(super) const CLIENT: &str = "demo-client";
/// The SHA-256 digest of the empty string, in base64url.
pub(super) const DIGEST: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
const NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// The time `seconds` from now, in seconds since the Unix epoch.
pub(super) fn from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX).saturating_add(seconds)
}

pub(super) fn connection() -> Value {
    json!({
        "type": "remoteControlClientConnection",
        "nonce": NONCE,
        "audience": "remote_control_client_websocket",
        "sessionId": "demo-session",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/api/codex/remote/control/client",
        "accountUserId": ACCOUNT,
        "clientId": CLIENT,
        "tokenSha256Base64url": DIGEST,
        "tokenExpiresAt": from_now(60),
        "scopes": ["remote_control_controller_websocket"],
    })
}

pub(super) fn enrollment(device_identity_sha256: &str) -> Value {
    json!({
        "type": "remoteControlClientEnrollment",
        "nonce": NONCE,
        "audience": "remote_control_client_enrollment",
        "challengeId": "demo-challenge",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/api/codex/remote/control/client/enroll",
        "accountUserId": ACCOUNT,
        "clientId": CLIENT,
        "deviceIdentitySha256Base64url": device_identity_sha256,
        "challengeExpiresAt": from_now(60),
    })
}

/// A request that must be refused.
pub(super) struct RefusedRequest {
    /// The description for people.
    pub(super) what: &'static str,
    pub(super) method: &'static str,
    pub(super) params: Value,
    /// The expected reason of the refusal.
    pub(super) reason: &'static str,
}

/// The requests that must be refused, each with the expected reason.
pub(super) fn refusals(key_id: &str) -> Vec<RefusedRequest> {
    let sign = |what, payload: Value, reason| RefusedRequest {
        what,
        method: "device/key/sign",
        params: json!({"keyId": key_id, "payload": payload}),
        reason,
    };
    let changed = |mut payload: Value, field: &str, value: Value| {
        if let Some(fields) = payload.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        payload
    };
    let connection = |field: &str, value: Value| changed(connection(), field, value);
    let enrollment = |field: &str, value: Value| changed(enrollment(DIGEST), field, value);
    let with_key_id = |what, key_id: &str, reason| RefusedRequest {
        what,
        method: "device/key/sign",
        params: json!({"keyId": key_id, "payload": self::connection()}),
        reason,
    };
    vec![
        sign(
            "another account",
            connection("accountUserId", json!("somebody-else")),
            "binding_mismatch",
        ),
        sign("another client", enrollment("clientId", json!("cli_2")), "binding_mismatch"),
        sign(
            "a connection proof for the enrollment path",
            connection("targetPath", json!("/wham/remote/control/client/enroll")),
            "path_not_allowed",
        ),
        sign(
            "an enrollment proof for the connection path",
            enrollment("targetPath", json!("/wham/remote/control/client")),
            "path_not_allowed",
        ),
        sign(
            "a foreign origin",
            connection("targetOrigin", json!("https://chatgpt.com.evil.example")),
            "origin_not_allowed",
        ),
        sign(
            "an origin with user info",
            connection("targetOrigin", json!("https://user@chatgpt.com")),
            "origin_not_canonical",
        ),
        sign("an expired token", connection("tokenExpiresAt", json!(from_now(-1))), "expired"),
        sign(
            "a challenge that lives an hour",
            enrollment("challengeExpiresAt", json!(from_now(3600))),
            "expires_too_late",
        ),
        sign("a nonce of 3 bytes", connection("nonce", json!("AAAA")), "invalid_nonce"),
        sign("a wider scope", connection("scopes", json!(["everything"])), "scopes_mismatch"),
        sign("an unknown field", connection("extra", json!(1)), "invalid_params"),
        with_key_id("a key id that is a path", "../../etc/passwd", "invalid_key_id"),
        with_key_id(
            "a key that does not exist",
            "dk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "key_not_found",
        ),
        RefusedRequest {
            what: "arbitrary bytes",
            method: "device/key/signBytes",
            params: json!({"keyId": key_id, "bytesBase64": "aGVsbG8="}),
            reason: "method_not_found",
        },
    ]
}
