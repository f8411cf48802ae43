//! The order of checks is statement, binding, provider. A request that fails a check goes no
//! further.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use device_key::{DeviceKeyStore, authorize};
use device_key_testing::BindingOperation::{Begin, Complete, Get};
use device_key_testing::ProviderOperation::{Availability, Create, Sign};
use device_key_testing::{Assembly, Event, MemoryProvider, Recorder, SequenceRandom, samples};
use device_key_types::payload::{Connection, Enrollment};
use device_key_types::{DeviceKeyId, Field, ProtectionPolicy, Reason, SignPayload};
use std::sync::Arc;

const PEER: device_key::LocalPeer = samples::peer(1000);
const BACKENDS: [&str; 3] =
    ["https://chatgpt.com", "https://a.chatgpt-staging.com", "http://[::1]:1"];
const PREFIXES: [&str; 2] = ["/api/codex", "/wham"];

async fn store_with_key() -> (DeviceKeyStore, Arc<Recorder>, DeviceKeyId) {
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let recorder = assembly.recorder.clone();
    let store = assembly.store();
    let key = store.create(&PEER, samples::binding(), ProtectionPolicy::HardwareOnly).await;
    (store, recorder, key.unwrap().key_id)
}

fn connection_to(origin: &str, path: &str) -> SignPayload {
    let target = samples::target(origin, path);
    SignPayload::Connection(Connection { target, ..samples::connection() })
}

fn enrollment_to(origin: &str, path: &str) -> SignPayload {
    let target = samples::target(origin, path);
    SignPayload::Enrollment(Enrollment { target, ..samples::enrollment() })
}

#[tokio::test]
async fn a_key_is_begun_made_proved_and_only_then_complete() {
    let (_, recorder, _) = store_with_key().await;
    let expected = [
        Event::Provider(Availability),
        Event::Bindings(Begin),
        Event::Provider(Create),
        Event::Provider(Sign),
        Event::Bindings(Complete),
    ];
    assert_eq!(recorder.take(), expected);
}

#[tokio::test]
async fn the_binding_is_read_before_the_provider_is_asked_and_again_before_the_answer() {
    let (store, recorder, key_id) = store_with_key().await;
    recorder.take();
    store.sign(&PEER, &key_id, samples::connection_expiring_in(60)).await.unwrap();
    let expected = [Event::Bindings(Get), Event::Provider(Sign), Event::Bindings(Get)];
    assert_eq!(recorder.take(), expected);
}

#[tokio::test]
async fn a_refused_statement_reaches_no_store_and_no_provider() {
    let (store, recorder, key_id) = store_with_key().await;
    recorder.take();
    let refused = [
        (connection_to("https://evil.com", "/wham/remote/control/client"), Field::TargetOrigin),
        (connection_to("https://chatgpt.com", "/wham"), Field::TargetPath),
        (samples::connection_expiring_in(0), Field::TokenExpiresAt),
        (samples::enrollment_expiring_in(901), Field::ChallengeExpiresAt),
    ];
    for (payload, field) in refused {
        let error = store.sign(&PEER, &key_id, payload).await.unwrap_err();
        assert_eq!(error.field(), Some(field));
    }
    assert_eq!(recorder.take(), []);
}

#[tokio::test]
async fn a_statement_for_another_account_reaches_no_provider() {
    let (store, recorder, key_id) = store_with_key().await;
    recorder.take();
    let account = SignPayload::Connection(Connection {
        account_user_id: "Account-user-1".parse().unwrap(),
        ..samples::connection()
    });
    let client = SignPayload::Enrollment(Enrollment {
        client_id: "cli_124".parse().unwrap(),
        ..samples::enrollment()
    });
    for payload in [account, client] {
        let error = store.sign(&PEER, &key_id, payload).await.unwrap_err();
        assert_eq!((error.reason(), error.field()), (Reason::BindingMismatch, None));
    }
    assert_eq!(recorder.take(), [Event::Bindings(Get), Event::Bindings(Get)]);
}

#[tokio::test]
async fn of_two_faults_the_first_in_order_is_reported() {
    let (store, _, key_id) = store_with_key().await;
    let unknown = SequenceRandom::key_id(99);
    let foreign = |target, expires_in| {
        SignPayload::Connection(Connection {
            target,
            account_user_id: "another".parse().unwrap(),
            token_expires_at: samples::NOW.saturating_add(expires_in),
            ..samples::connection()
        })
    };
    let good = || samples::connection().target;
    let cases = [
        (unknown, foreign(samples::target("https://evil.com", "/x"), 0), Reason::OriginNotAllowed),
        (unknown, foreign(samples::target("https://chatgpt.com", "/x"), 0), Reason::PathNotAllowed),
        (unknown, foreign(good(), 0), Reason::Expired),
        (key_id, foreign(good(), 901), Reason::ExpiresTooLate),
        (unknown, foreign(good(), 60), Reason::KeyNotFound),
        (key_id, foreign(good(), 60), Reason::BindingMismatch),
    ];
    for (key_id, payload, reason) in cases {
        assert_eq!(store.sign(&PEER, &key_id, payload).await.unwrap_err().reason(), reason);
    }
}

#[tokio::test]
async fn a_statement_is_addressed_to_its_own_endpoints_only() {
    let (store, _, key_id) = store_with_key().await;
    for origin in BACKENDS {
        for prefix in PREFIXES {
            let connect = format!("{prefix}/remote/control/client");
            let enroll = format!("{connect}/enroll");
            for payload in [connection_to(origin, &connect), enrollment_to(origin, &enroll)] {
                store.sign(&PEER, &key_id, payload).await.unwrap();
            }
            for payload in [connection_to(origin, &enroll), enrollment_to(origin, &connect)] {
                let error = store.sign(&PEER, &key_id, payload).await.unwrap_err();
                assert_eq!(error.reason(), Reason::PathNotAllowed);
                assert_eq!(error.field(), Some(Field::TargetPath));
            }
        }
    }
}

/// `authorize` is public and pure, so it must make every check itself.
#[tokio::test]
async fn authorize_makes_every_check_itself() {
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let key =
        store.create(&PEER, samples::binding(), ProtectionPolicy::HardwareOnly).await.unwrap();
    let record = bindings.whole(&key.key_id).unwrap();
    let at = |payload| authorize(&store.policy(), samples::NOW, &record, &payload);

    let payload = samples::connection_expiring_in(60);
    let input = at(payload.clone()).unwrap();
    assert_eq!(input.message(), payload.signed_bytes().unwrap());
    assert_eq!(input.key(), &record.reference());
    assert!(at(samples::connection_expiring_in(0)).is_err());
    assert!(at(connection_to("https://evil.com", "/wham/remote/control/client")).is_err());
    assert!(
        at(connection_to("https://chatgpt.com", "/wham/remote/control/client/enroll")).is_err()
    );
    let other_account =
        Connection { account_user_id: "b".parse().unwrap(), ..samples::connection() };
    assert!(at(SignPayload::Connection(other_account)).is_err());
    let other_client = Connection { client_id: "b".parse().unwrap(), ..samples::connection() };
    assert!(at(SignPayload::Connection(other_client)).is_err());
}
