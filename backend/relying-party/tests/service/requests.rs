//! Tests of malformed, unknown and slow requests.

use std::time::Duration;

use device_key_relying_party::{AttestationPolicy, RelyingPartyLimits};
use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Answer, Client, refusal};
use crate::device::Device;
use crate::server::{Server, limits};
use crate::store::Store;

const RESOURCES: [(&str, &str); 6] = [
    ("POST", "/enroll/challenge"),
    ("POST", "/enroll/attestation"),
    ("POST", "/enroll"),
    ("POST", "/challenge"),
    ("GET", "/devices"),
    ("DELETE", "/devices/dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
];

async fn server() -> (Server, Client) {
    let server = Server::on(&Store::sqlite()).await;
    let client = server.client();
    (server, client)
}

#[tokio::test]
async fn every_endpoint_needs_an_access_token() {
    let (_server, client) = server().await;
    for (method, resource) in RESOURCES {
        for authorization in [None, Some("Bearer account-c"), Some("Bearer"), Some("account-a")] {
            let mut request = client.request(method, resource, None);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let refused = client.send(request, "no JSON").await;
            let expected = (401, "access_token_refused");
            assert_eq!(refusal(&refused), expected, "{method} {resource} {authorization:?}");
        }
        let twice = client.request(method, resource, Some("account-a"));
        let refused = client.send(twice.header("authorization", "Bearer account-a"), "").await;
        assert_eq!(refusal(&refused), (401, "access_token_refused"));
    }
    let any_case = client.request("GET", "/devices", None);
    let answer = client.send(any_case.header("authorization", "bEARER account-a"), "").await;
    assert_eq!(answer, (200, json!({"devices": []})));
}

async fn post(client: Client, body: &str) -> Answer {
    let request = client.request("POST", "/enroll/challenge", Some("account-a"));
    client.send(request.header(CONTENT_TYPE, "application/json"), body).await
}

#[tokio::test]
async fn a_body_must_be_one_strict_object() {
    let (_server, client) = server().await;
    for body in [
        "",
        "{}",
        "null",
        "[\"client-1\"]",
        r#"{"clientId":"a"} {}"#,
        r#"{"clientId":"a","clientId":"a"}"#,
        r#"{"clientId":"a","more":{"x":1,"x":2}}"#,
        r#"{"clientId":"a","more":1}"#,
        r#"{"clientId":null}"#,
        r#"{"clientid":"a"}"#,
    ] {
        assert_eq!(refusal(&post(client, body).await), (400, "invalid_request"), "{body}");
    }
    let refused = post(client, r#"{"clientId":""}"#).await;
    assert_eq!(refused, (400, json!({"reason": "empty_field", "field": "clientId"})));

    let smallest = r#"{"clientId":"a"}"#;
    let padded = |bytes| format!("{smallest}{}", " ".repeat(bytes - smallest.len()));
    assert_eq!(post(client, &padded(64 * 1024)).await.0, 200);
    let refused = post(client, &padded(64 * 1024 + 1)).await;
    assert_eq!(refusal(&refused), (413, "body_too_large"));
}

/// A parser that serde derives may ignore a duplicate member that another parser would read.
#[tokio::test]
async fn a_nested_member_must_not_occur_twice() {
    let (_server, client) = server().await;
    let key = Device::new(1, "account-a");
    let evidence = [
        "endorsementKeyPublicBase64",
        "attestationKeyPublicBase64",
        "attestationKeyCreationDataBase64",
        "attestationKeyCreationAttestBase64",
        "attestationKeyCreationSignatureBase64",
        "keyPublicBase64",
    ];
    let evidence = evidence.map(|name| format!(r#""{name}":"AAAA","#)).concat();
    let with = async |more: &str| {
        let body = format!(
            r#"{{"challengeId":"rch_1","keyId":"{}","publicKeySpkiDerBase64":"{}",
                "protectionClass":"hardware_tpm","identity":{{"endorsementKey":"ecc_p256",
                {evidence}"endorsementKeyCertificatesBase64":[]{more}}}}}"#,
            key.key_id,
            key.spki(),
        );
        let request = client.request("POST", "/enroll/attestation", Some("account-a"));
        client.send(request.header(CONTENT_TYPE, "application/json"), &body).await
    };
    assert_eq!(refusal(&with(r#","more":1"#).await), (403, "attestation_not_asked"));
    assert_eq!(refusal(&with(r#","more":1,"more":1"#).await), (400, "invalid_request"));
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let (_server, client) = server().await;
    for (media_type, status) in [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/jsonp", 415),
        ("application/x-www-form-urlencoded", 415),
    ] {
        let request = client.request("POST", "/enroll/challenge", Some("account-a"));
        let request = request.header(CONTENT_TYPE, media_type);
        let answer = client.send(request, r#"{"clientId":"a"}"#).await;
        assert_eq!(answer.0, status, "{media_type}");
    }
    let request = client.request("POST", "/enroll/challenge", Some("account-a"));
    let refused = client.send(request, r#"{"clientId":"a"}"#).await;
    assert_eq!(refusal(&refused), (415, "unsupported_media_type"));
}

#[tokio::test]
async fn other_resources_and_methods_are_refused() {
    let (_server, client) = server().await;
    for path in ["/", "/wham", "/remote/control/client/devices", "/wham/remote/control/client/"] {
        let refused = client.send(client.at("GET", path, Some("account-a")), "").await;
        assert_eq!(refusal(&refused), (404, "not_found"), "{path}");
    }
    for (method, resource) in [("PUT", "/devices"), ("GET", "/enroll"), ("POST", "")] {
        let refused = client.send(client.request(method, resource, Some("account-a")), "").await;
        assert_eq!(refusal(&refused), (405, "method_not_allowed"), "{method} {resource}");
    }
}

#[tokio::test]
async fn the_probe_says_whether_the_store_could_be_written() {
    let store = Store::sqlite();
    let server = Server::on(&store).await;
    let client = server.client();
    let probe = async || client.send(client.at("GET", "/healthz", None), "").await;
    assert_eq!(probe().await, (200, json!({"status": "ready"})));
    let Store::Sqlite(folder) = &store else { panic!() };
    let connection = rusqlite::Connection::open(folder.path().join("registry")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    // The outcome of a second ago may still be told.
    let until = async |status, reason: &str| {
        let told = async {
            loop {
                let answer = probe().await;
                if answer.0 == status && (status == 200 || refusal(&answer).1 == reason) {
                    break;
                }
            }
        };
        timeout(Duration::from_secs(10), told).await.expect("within a few seconds");
    };
    until(503, "registry_too_new").await;
    connection.pragma_update(None, "user_version", 1).unwrap();
    until(200, "").await;
    // Another process keeps the lock for writing, and reads still succeed.
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    until(503, "timeout").await;
    connection.execute_batch("ROLLBACK").unwrap();
    until(200, "").await;
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let limits = RelyingPartyLimits { request_deadline: Duration::from_millis(400), ..limits() };
    let policy = AttestationPolicy::without_attestation();
    let server = Server::with(&Store::sqlite(), policy, limits).await;

    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let mut bodiless = TcpStream::connect(server.address).await.unwrap();
    bodiless
        .write_all(
            b"POST /wham/remote/control/client/enroll/challenge HTTP/1.1\r\nHost: a\r\n\
              Authorization: Bearer account-a\r\nContent-Type: application/json\r\n\
              Content-Length: 5\r\n\r\n{",
        )
        .await
        .unwrap();
    let mut text = String::new();
    silent.read_to_string(&mut text).await.unwrap();
    half.read_to_string(&mut text).await.unwrap();
    assert!(!text.contains("200 OK"), "{text}");
    text.clear();
    bodiless.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    let body: Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body, json!({"reason": "body_timeout"}));
}

#[tokio::test]
async fn device_connections_are_bounded_and_probes_are_not() {
    let limits = RelyingPartyLimits { device_connections: 1, ..limits() };
    let policy = AttestationPolicy::without_attestation();
    let server = Server::with(&Store::sqlite(), policy, limits).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let mut socket = device.connect(client).await.ok().unwrap();
    let challenge = device.connection_challenge(client).await;
    let refused = client.open(device.good_request(client, &challenge)).await.err().unwrap();
    assert_eq!(refusal(&refused), (503, "overloaded"));
    assert_eq!(client.send(client.at("GET", "/healthz", None), "").await.0, 200);
    // The refused request did not use up the token.
    socket.0.close(None).await.unwrap();
    let opened = timeout(Duration::from_secs(10), async {
        while let Err(refused) = client.open(device.good_request(client, &challenge)).await {
            assert_eq!(refusal(&refused), (503, "overloaded"));
        }
    });
    opened.await.expect("room once the first is closed");
}
