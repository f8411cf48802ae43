//! Tests of enrolling devices without attestation.

use device_key_types::payload::{Enrollment, Target};
use device_key_types::{ProtectionClass, SignPayload};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::refusal;
use crate::device::{Device, bytes};
use crate::server::{ORIGIN, Server};
use crate::store::{Store, on_both_stores};

on_both_stores! {
    a_device_is_enrolled_and_listed
    a_challenge_is_the_statement_without_the_device
    each_field_is_compared_with_the_challenge
    an_invalid_proof_is_refused
    an_answer_can_be_used_once
    an_answer_to_another_challenge_is_refused
    of_a_hundred_concurrent_answers_one_enrolls
    the_challenge_of_another_account_stays_as_it_is
    a_challenge_expires
    a_key_belongs_to_one_account
    open_challenges_are_bounded
    a_request_that_cannot_be_an_answer_leaves_the_challenge_open
}

async fn a_device_is_enrolled_and_listed(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a");
    let (status, enrolled) = device.enroll(client).await;
    assert_eq!(status, 201);
    let expected = json!({
        "keyId": device.key_id.to_string(),
        "clientId": "client-1",
        "publicKeySpkiDerBase64": device.spki(),
        "algorithm": "ecdsa_p256_sha256",
        "protectionClass": "hardware_tpm",
        "verifiedKind": "unattested",
        "enrolledAt": enrolled["enrolledAt"],
    });
    assert_eq!(enrolled, expected);
    assert!(enrolled["enrolledAt"].is_i64());
    let listed = client.get("account-a", "/devices").await;
    assert_eq!(listed, (200, json!({"devices": [expected]})));
    assert_eq!(client.get("account-b", "/devices").await, (200, json!({"devices": []})));
}

async fn a_challenge_is_the_statement_without_the_device(store: Store) {
    let server = Server::on(&store).await;
    let device = Device::new(1, "account-a");
    let challenge = device.enrollment_challenge(server.client()).await;
    let signed: Value = serde_json::from_slice(&bytes(device.enrollment(&challenge))).unwrap();
    let mut payload = signed["payload"].clone();
    payload.as_object_mut().unwrap().remove("deviceIdentitySha256Base64url").unwrap();
    assert_eq!(payload, challenge, "and no attestation, which nobody here could use");
    assert_eq!(challenge["targetOrigin"], ORIGIN);
    assert_eq!(challenge["targetPath"], "/wham/remote/control/client/enroll");
    let another = device.enrollment_challenge(server.client()).await;
    assert_ne!(another["nonce"], challenge["nonce"]);
    assert_ne!(another["challengeId"], challenge["challengeId"]);
}

/// A change of the statement, and the field that the refusal names.
type Change = (fn(&mut Enrollment), &'static str);

async fn each_field_is_compared_with_the_challenge(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a");
    let changes: [Change; 8] = [
        (|it| it.nonce = format!("{}8", "_".repeat(42)).parse().unwrap(), "nonce"),
        (|it| it.challenge_id = "rch_other".parse().unwrap(), "challengeId"),
        (|it| it.target.origin = "http://127.0.0.1:7778".parse().unwrap(), "targetOrigin"),
        (|it| it.target.path = path("/api/codex/remote/control/client/enroll"), "targetPath"),
        (|it| it.account_user_id = "account-b".parse().unwrap(), "accountUserId"),
        (|it| it.client_id = "client-2".parse().unwrap(), "clientId"),
        (
            |it| it.device_identity_sha256 = Device::new(2, "").enrollment_identity(),
            "deviceIdentitySha256Base64url",
        ),
        (
            |it| it.challenge_expires_at = it.challenge_expires_at.saturating_add(1),
            "challengeExpiresAt",
        ),
    ];
    for (change, field) in changes {
        let challenge = device.enrollment_challenge(client).await;
        let mut statement = device.enrollment(&challenge);
        change(&mut statement);
        let answer = device.answer(&challenge, &bytes(statement));
        let refused = client.post("account-a", "/enroll", &answer).await;
        assert_eq!(refused, (403, json!({"reason": "field_mismatch", "field": field})));
        // The challenge was used up.
        let good = device.good_answer(&challenge);
        let again = client.post("account-a", "/enroll", &good).await;
        assert_eq!(refusal(&again), (404, "challenge_unknown"), "{field}");
    }
    assert_eq!(client.get("account-a", "/devices").await.1, json!({"devices": []}));
}

fn path(text: &str) -> device_key_types::TargetPath {
    text.parse().unwrap()
}

impl Device {
    fn enrollment_identity(&self) -> device_key_types::Sha256Digest {
        device_key_types::payload::device_identity_digest(
            &self.key_id,
            self.class,
            &self.public_key(),
        )
        .unwrap()
    }
}

/// A change of a client's answer to a challenge.
type Answering<'a> = &'a dyn Fn(&Value) -> Value;

async fn an_invalid_proof_is_refused(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let (device, other) = (Device::new(1, "account-a"), Device::new(2, "account-a"));
    let good = |challenge: &Value| bytes(device.enrollment(challenge));
    let answers: [(&str, Answering<'_>); 6] = [
        ("invalid_signature", &|challenge| {
            let mut answer = device.good_answer(challenge);
            answer["signatureDerBase64"] = other.signed(&good(challenge))[1].clone().into();
            answer
        }),
        ("invalid_signature", &|challenge| {
            let mut answer = device.good_answer(challenge);
            answer["publicKeySpkiDerBase64"] = other.spki().into();
            answer
        }),
        ("malformed_statement", &|challenge| device.answer(challenge, b"{}")),
        ("not_canonical", &|challenge| {
            let spaced = [&good(challenge)[..], b" "].concat();
            device.answer(challenge, &spaced)
        }),
        ("wrong_statement", &|challenge| {
            let mut connection = device_key_testing::samples::connection();
            let enrollment = device.enrollment(challenge);
            connection.nonce = enrollment.nonce;
            connection.target = Target { ..enrollment.target };
            let statement = SignPayload::Connection(connection);
            device.answer(challenge, &statement.signed_bytes().unwrap())
        }),
        ("field_mismatch", &|challenge| {
            // The client sends another class than it signed.
            let mut answer = device.good_answer(challenge);
            answer["protectionClass"] = json!(ProtectionClass::OsProtectedNonextractable);
            answer
        }),
    ];
    for (reason, answer) in answers {
        let challenge = device.enrollment_challenge(client).await;
        let refused = client.post("account-a", "/enroll", &answer(&challenge)).await;
        assert_eq!(refusal(&refused), (403, reason));
    }
    assert_eq!(client.get("account-a", "/devices").await.1, json!({"devices": []}));
}

async fn an_answer_can_be_used_once(store: Store) {
    let servers = [Server::on(&store).await, Server::on(&store).await];
    let device = Device::new(1, "account-a");
    let challenge = device.enrollment_challenge(servers[0].client()).await;
    let answer = device.good_answer(&challenge);
    let (status, _) = servers[1].client().post("account-a", "/enroll", &answer).await;
    assert_eq!(status, 201, "another process takes the answer");
    for server in &servers {
        let again = server.client().post("account-a", "/enroll", &answer).await;
        assert_eq!(refusal(&again), (404, "challenge_unknown"));
    }
    for server in servers {
        server.stopped().await;
    }
    let restarted = Server::on(&store).await;
    let again = restarted.client().post("account-a", "/enroll", &answer).await;
    assert_eq!(refusal(&again), (404, "challenge_unknown"));
}

async fn an_answer_to_another_challenge_is_refused(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a");
    let [first, second] =
        [device.enrollment_challenge(client).await, device.enrollment_challenge(client).await];
    let mut answer = device.good_answer(&first);
    answer["challengeId"] = second["challengeId"].clone();
    let refused = client.post("account-a", "/enroll", &answer).await;
    assert_eq!(refused, (403, json!({"reason": "field_mismatch", "field": "nonce"})));
}

async fn of_a_hundred_concurrent_answers_one_enrolls(store: Store) {
    let servers = [Server::on(&store).await, Server::on(&store).await];
    let device = Device::new(1, "account-a");
    let challenge = device.enrollment_challenge(servers[0].client()).await;
    let answer = device.good_answer(&challenge);
    let mut answering = JoinSet::new();
    for n in 0..100 {
        let (client, answer) = (servers[n % 2].client(), answer.clone());
        answering.spawn(async move { client.post("account-a", "/enroll", &answer).await });
    }
    let answers = answering.join_all().await;
    let (enrolled, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|(status, _)| *status == 201);
    assert_eq!((enrolled.len(), refused.len()), (1, 99));
    assert!(refused.iter().all(|answer| refusal(answer) == (404, "challenge_unknown")));
}

async fn the_challenge_of_another_account_stays_as_it_is(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a");
    let challenge = device.enrollment_challenge(client).await;
    let answer = device.good_answer(&challenge);
    let refused = client.post("account-b", "/enroll", &answer).await;
    assert_eq!(refusal(&refused), (404, "challenge_unknown"));
    assert_eq!(client.post("account-a", "/enroll", &answer).await.0, 201);
}

async fn a_challenge_expires(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a");
    let [first, second] =
        [device.enrollment_challenge(client).await, device.enrollment_challenge(client).await];
    server.clock.advance(119);
    let answer = device.good_answer(&first);
    assert_eq!(client.post("account-a", "/enroll", &answer).await.0, 201);
    server.clock.advance(1);
    let late = client.post("account-a", "/enroll", &device.good_answer(&second)).await;
    assert_eq!(refusal(&late), (404, "challenge_unknown"));
}

async fn a_key_belongs_to_one_account(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a").enrolled(client).await;
    let thief = Device { account: "account-b", ..device.clone() };
    assert_eq!(refusal(&thief.enroll(client).await), (409, "already_enrolled"));
    // The key comes with another key id.
    let renamed = Device { key_id: Device::new(2, "").key_id, ..thief.clone() };
    assert_eq!(refusal(&renamed.enroll(client).await), (409, "already_enrolled"));
    assert_eq!(refusal(&thief.revoke(client).await), (404, "device_unknown"));

    assert_eq!(device.revoke(client).await.0, 204);
    for again in [&device, &thief, &renamed] {
        assert_eq!(refusal(&again.enroll(client).await), (403, "device_revoked"));
    }
    assert_eq!(refusal(&device.revoke(client).await), (404, "device_unknown"));
}

async fn open_challenges_are_bounded(store: Store) {
    let limits = device_key_relying_party::RelyingPartyLimits::default();
    let most = limits.enrollments_per_account;
    let policy = device_key_relying_party::AttestationPolicy::without_attestation();
    let server = Server::with(&store, policy, limits).await;
    let client = server.client();
    let device = Device::new(1, "account-a");
    for _ in 0..most {
        device.enrollment_challenge(client).await;
    }
    let body = json!({"clientId": "client-1"});
    let refused = client.post("account-a", "/enroll/challenge", &body).await;
    assert_eq!(refusal(&refused), (429, "quota_exceeded"));
    Device::new(1, "account-b").enrollment_challenge(client).await;
    server.clock.advance(120);
    device.enrollment_challenge(client).await;
}

async fn a_request_that_cannot_be_an_answer_leaves_the_challenge_open(store: Store) {
    let server = Server::on(&store).await;
    let client = server.client();
    let device = Device::new(1, "account-a");
    let challenge = device.enrollment_challenge(client).await;
    let good = device.good_answer(&challenge);
    for (member, value, reason, field) in [
        ("challengeId", json!(""), "empty_field", "challengeId"),
        ("keyId", json!("dk_short"), "invalid_key_id", "keyId"),
        ("publicKeySpkiDerBase64", json!("AAAA"), "invalid_public_key", "publicKeySpkiDerBase64"),
        ("publicKeySpkiDerBase64", json!("?"), "invalid_base64", "publicKeySpkiDerBase64"),
        ("signedPayloadBase64", json!("AAA"), "invalid_base64", "signedPayloadBase64"),
        ("signatureDerBase64", json!("A-A="), "invalid_base64", "signatureDerBase64"),
        ("algorithm", json!("ed25519"), "unsupported_algorithm", "algorithm"),
    ] {
        let mut answer = good.clone();
        answer[member] = value;
        let refused = client.post("account-a", "/enroll", &answer).await;
        assert_eq!(refused, (400, json!({"reason": reason, "field": field})));
    }
    for (member, value) in
        [("protectionClass", json!("hardware")), ("keyId", json!(7)), ("more", json!(1))]
    {
        let mut answer = good.clone();
        answer[member] = value;
        let refused = client.post("account-a", "/enroll", &answer).await;
        assert_eq!(refused, (400, json!({"reason": "invalid_request"})));
    }
    assert_eq!(client.post("account-a", "/enroll", &good).await.0, 201);
}
