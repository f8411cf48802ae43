//! Tests of opening connections.

use device_key_relying_party::ConnectionChallenge;
use device_key_types::payload::Connection;
use device_key_types::{Clock as _, SignPayload};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::client::refusal;
use crate::device::Device;
use crate::server::{ORIGIN, Server};
use crate::store::{Store, on_both_stores};

on_both_stores! {
    a_proof_opens_a_connection
    a_challenge_is_the_statement_with_the_token
    each_field_is_compared_with_the_challenge
    a_token_without_its_key_opens_nothing
    a_token_can_be_used_once
    of_a_hundred_concurrent_proofs_one_opens_a_connection
    a_token_expires
    an_unknown_device_gets_no_token
    a_revoked_device_gets_no_connection
    a_token_given_while_the_device_was_revoked_opens_nothing
    unused_tokens_are_bounded
    a_request_that_cannot_be_a_proof_leaves_the_token_unused
}

async fn a_proof_opens_a_connection(store: Store) {
    let server = Server::on(&store).await;
    let device = Device::new(1, "account-a").enrolled(server.client()).await;
    let mut socket = device.connect(server.client()).await.ok().unwrap();
    assert_eq!(socket.echo("hello").await, "hello");
    socket.0.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(socket.0.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    assert_eq!(socket.echo(&"x".repeat(60_000)).await.len(), 60_000);
    // A device may have several connections at a time.
    let mut another = device.connect(server.client()).await.ok().unwrap();
    assert_eq!(another.echo("too").await, "too");
    socket.0.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.0.next().await {}
    assert_eq!(another.echo("still").await, "still");
}

async fn a_challenge_is_the_statement_with_the_token(store: Store) {
    let server = Server::on(&store).await;
    let device = Device::new(1, "account-a").enrolled(server.client()).await;
    let mut challenge = device.connection_challenge(server.client()).await;
    let signed: Value = serde_json::from_slice(&bytes(Device::connection(&challenge))).unwrap();
    let mut payload = signed["payload"].clone();
    payload.as_object_mut().unwrap().remove("tokenSha256Base64url").unwrap();
    let token = challenge.as_object_mut().unwrap().remove("token").unwrap();
    assert_eq!(payload, challenge);
    assert_eq!(token.as_str().unwrap().len(), 43);
    assert_eq!(challenge["targetOrigin"], ORIGIN);
    assert_eq!(challenge["targetPath"], "/wham/remote/control/client");
}

type Change = (fn(&mut Connection), &'static str);

async fn each_field_is_compared_with_the_challenge(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let changes: [Change; 8] = [
        (|it| it.nonce = format!("{}8", "_".repeat(42)).parse().unwrap(), "nonce"),
        (|it| it.session_id = "wssess_other".parse().unwrap(), "sessionId"),
        (|it| it.target.origin = "https://chatgpt.com".parse().unwrap(), "targetOrigin"),
        (|it| it.target.path = "/api/codex/remote/control/client".parse().unwrap(), "targetPath"),
        (|it| it.account_user_id = "account-b".parse().unwrap(), "accountUserId"),
        (|it| it.client_id = "client-2".parse().unwrap(), "clientId"),
        (
            |it| it.token_sha256 = device_key_types::Sha256Digest::of(b"another"),
            "tokenSha256Base64url",
        ),
        (|it| it.token_expires_at = it.token_expires_at.saturating_add(1), "tokenExpiresAt"),
    ];
    for (change, field) in changes {
        let challenge = device.connection_challenge(client).await;
        let mut statement = Device::connection(&challenge);
        change(&mut statement);
        let request = device.request(client, &challenge, &bytes(statement));
        let refused = client.open(request).await.err().unwrap();
        assert_eq!(refused, (403, json!({"reason": "field_mismatch", "field": field})));
        // The token was used up.
        let again = client.open(device.good_request(client, &challenge)).await.err().unwrap();
        assert_eq!(refusal(&again), (401, "connection_token_refused"), "{field}");
    }
}

async fn a_token_without_its_key_opens_nothing(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let other = Device::new(2, "account-a").enrolled(client).await;
    let thief = Device { key_id: device.key_id, ..Device::new(3, "account-a") };

    let challenge = device.connection_challenge(client).await;
    let refused = client.open(thief.good_request(client, &challenge)).await.err().unwrap();
    assert_eq!(refusal(&refused), (403, "invalid_signature"));

    // Another device of the account signs, under its own key id.
    let challenge = device.connection_challenge(client).await;
    let refused = client.open(other.good_request(client, &challenge)).await.err().unwrap();
    assert_eq!(refused, (403, json!({"reason": "field_mismatch", "field": "keyId"})));
    let again = client.open(device.good_request(client, &challenge)).await.err().unwrap();
    assert_eq!(refusal(&again), (401, "connection_token_refused"));

    // The key signs an enrollment statement.
    let challenge = device.connection_challenge(client).await;
    let enrollment = device.enrollment_challenge(client).await;
    let signed = crate::device::bytes(device.enrollment(&enrollment));
    let refused = client.open(device.request(client, &challenge, &signed)).await.err().unwrap();
    assert_eq!(refusal(&refused), (403, "wrong_statement"));

    // An access token is not a connection token, and a connection token is not an access token.
    let challenge = device.connection_challenge(client).await;
    let account = json!({"token": "account-a"});
    let good = bytes(Device::connection(&challenge));
    let refused = client.open(device.request(client, &account, &good)).await.err().unwrap();
    assert_eq!(refusal(&refused), (401, "connection_token_refused"));
    let token = challenge["token"].as_str().unwrap();
    let refused = client.get(token, "/devices").await;
    assert_eq!(refusal(&refused), (401, "access_token_refused"));
}

async fn a_token_can_be_used_once(store: Store) {
    let servers = [Server::on(&store).await, Server::on(&store).await];
    let [first, second] = [servers[0].client(), servers[1].client()];
    let device = Device::new(1, "account-a").enrolled(first).await;
    let challenge = device.connection_challenge(first).await;
    let mut socket = second.open(device.good_request(second, &challenge)).await.ok().unwrap();
    for client in [first, second] {
        let again = client.open(device.good_request(client, &challenge)).await.err().unwrap();
        assert_eq!(refusal(&again), (401, "connection_token_refused"));
    }
    // The proof is refused with another token too.
    let another = device.connection_challenge(first).await;
    let old = bytes(Device::connection(&challenge));
    let refused = first.open(device.request(first, &another, &old)).await.err().unwrap();
    assert_eq!(refused, (403, json!({"reason": "field_mismatch", "field": "nonce"})));

    assert_eq!(socket.echo("still here").await, "still here");
    for server in servers {
        server.stopped().await;
    }
    let restarted = Server::on(&store).await;
    let client = restarted.client();
    let again = client.open(device.good_request(client, &challenge)).await.err().unwrap();
    assert_eq!(refusal(&again), (401, "connection_token_refused"));
}

async fn of_a_hundred_concurrent_proofs_one_opens_a_connection(store: Store) {
    let servers = [Server::on(&store).await, Server::on(&store).await];
    let device = Device::new(1, "account-a").enrolled(servers[0].client()).await;
    let challenge = device.connection_challenge(servers[0].client()).await;
    let mut opening = JoinSet::new();
    for n in 0..100 {
        let client = servers[n % 2].client();
        let request = device.good_request(client, &challenge);
        opening.spawn(async move { client.open(request).await });
    }
    let (opened, refused): (Vec<_>, Vec<_>) =
        opening.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((opened.len(), refused.len()), (1, 99));
    for refused in refused {
        let refused = refused.err().unwrap();
        assert_eq!(refusal(&refused), (401, "connection_token_refused"));
    }
}

async fn a_token_expires(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let [first, second] =
        [device.connection_challenge(client).await, device.connection_challenge(client).await];
    server.clock.advance(119);
    assert!(client.open(device.good_request(client, &first)).await.is_ok());
    server.clock.advance(1);
    let late = client.open(device.good_request(client, &second)).await.err().unwrap();
    assert_eq!(refusal(&late), (401, "connection_token_refused"));
}

async fn an_unknown_device_gets_no_token(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let unknown = Device::new(2, "account-a");
    let of_another = Device { account: "account-b", ..device.clone() };
    for device in [unknown, of_another] {
        let refused = device.ask_for_connection(client).await;
        assert_eq!(refusal(&refused), (404, "device_unknown"));
    }
    let refused = client.post("account-a", "/challenge", &json!({"keyId": "dk_x"})).await;
    assert_eq!(refused, (400, json!({"reason": "invalid_key_id", "field": "keyId"})));
}

async fn a_revoked_device_gets_no_connection(store: Store) {
    let servers = [Server::on(&store).await, Server::on(&store).await];
    let [first, second] = [servers[0].client(), servers[1].client()];
    let device = Device::new(1, "account-a").enrolled(first).await;
    let challenge = device.connection_challenge(first).await;
    assert_eq!(device.revoke(second).await.0, 204);
    let refused = first.open(device.good_request(first, &challenge)).await.err().unwrap();
    assert_eq!(refusal(&refused), (401, "connection_token_refused"));
    for client in [first, second] {
        let refused = device.ask_for_connection(client).await;
        assert_eq!(refusal(&refused), (403, "device_revoked"));
    }
}

/// The device was looked up before it was revoked, and its token was stored afterwards.
async fn a_token_given_while_the_device_was_revoked_opens_nothing(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let challenge = device.connection_challenge(client).await;
    let registry = store.open().await;
    let statement = Device::connection(&challenge);
    assert_eq!(device.revoke(client).await.0, 204);
    let late = ConnectionChallenge {
        token_sha256: statement.token_sha256,
        session_id: statement.session_id,
        nonce: statement.nonce,
        key_id: device.key_id,
        account_user_id: statement.account_user_id,
        client_id: statement.client_id,
        expires_at: statement.token_expires_at,
    };
    registry.put_connection_challenge(&late, 9, server.clock.now()).await.unwrap();
    let refused = client.open(device.good_request(client, &challenge)).await.err().unwrap();
    assert_eq!(refusal(&refused), (403, "device_revoked"));
}

async fn unused_tokens_are_bounded(store: Store) {
    let limits = device_key_relying_party::RelyingPartyLimits {
        connections_per_account: 3,
        ..device_key_relying_party::RelyingPartyLimits::default()
    };
    let policy = device_key_relying_party::AttestationPolicy::without_attestation();
    let server = Server::with(&store, policy, limits).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let first = device.connection_challenge(client).await;
    for _ in 1..3 {
        device.connection_challenge(client).await;
    }
    let refused = device.ask_for_connection(client).await;
    assert_eq!(refusal(&refused), (429, "quota_exceeded"));
    assert!(client.open(device.good_request(client, &first)).await.is_ok());
    device.connection_challenge(client).await;
}

async fn a_request_that_cannot_be_a_proof_leaves_the_token_unused(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let challenge = device.connection_challenge(client).await;
    let good = || device.good_request(client, &challenge);
    let without = |header: &str| {
        let mut request = good();
        request.headers_mut().unwrap().remove(header).unwrap();
        request
    };
    let with = |header: &'static str, value: &'static str| {
        let mut request = good();
        request.headers_mut().unwrap().insert(header, value.parse().unwrap());
        request
    };
    let twice = |header: &'static str| good().header(header, "AAAA");
    for (request, expected) in [
        (without("device-key-id"), (400, "missing_header")),
        (without("device-key-signed-payload"), (400, "missing_header")),
        (without("device-key-signature"), (400, "missing_header")),
        (twice("device-key-id"), (400, "missing_header")),
        (twice("device-key-signature"), (400, "missing_header")),
        (with("device-key-id", "dk_x"), (400, "invalid_key_id")),
        (with("device-key-signature", "?"), (400, "invalid_base64")),
        (without("authorization"), (401, "connection_token_refused")),
        (twice("authorization"), (401, "connection_token_refused")),
        (with("authorization", "Basic YTpi"), (401, "connection_token_refused")),
        (without("upgrade"), (426, "upgrade_required")),
        (without("connection"), (426, "upgrade_required")),
        (with("sec-websocket-version", "8"), (426, "upgrade_required")),
        (with("sec-websocket-key", "AAAA"), (400, "invalid_handshake")),
    ] {
        let refused = client.open(request).await.err().unwrap();
        assert_eq!(refusal(&refused), expected);
    }
    assert!(client.open(good()).await.is_ok());
}

fn bytes(connection: Connection) -> Vec<u8> {
    SignPayload::Connection(connection).signed_bytes().unwrap()
}
