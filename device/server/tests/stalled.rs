//! A provider that does not answer for a minute delays only the requests for its own keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

#[path = "unix/client.rs"]
#[expect(dead_code, reason = "shared with the tests of the Unix socket")]
mod client;

use std::sync::Arc;
use std::time::{Duration, Instant};

use device_key::ProviderErrorKind;
use device_key_server::{ServerLimits, SocketMode, UnixSocket};
use device_key_testing::{
    Faults, Gate, HookedProvider, IntoProviderError as _, MemoryProvider, ProviderOperation,
};
use serde_json::{Value, json};

use client::{Client, initialize, server};

const STALLED: Duration = Duration::from_mins(1);
/// For how long the normal latency is measured.
const NORMAL: Duration = Duration::from_secs(5);
/// What a busy machine may add to a median.
const SLACK: Duration = Duration::from_millis(1);

/// Latencies for each method.
#[derive(Default)]
struct Latencies {
    initialize: Vec<Duration>,
    public: Vec<Duration>,
    sign: Vec<Duration>,
}

fn median(samples: &mut [Duration]) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

fn created(answer: &Value) -> String {
    answer["result"]["keyId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Does what other clients do meanwhile: they connect, look a key up, and sign with the key of
/// another provider.
async fn measure(path: &std::path::Path, key_id: &str, lasting: Duration) -> Latencies {
    let (public, sign) = (json!({"keyId": key_id}), client::sign(key_id));
    let mut latencies = Latencies::default();
    let begun = Instant::now();
    while begun.elapsed() < lasting {
        let start = Instant::now();
        let mut client = Client::connect(path).await;
        let answer = client.call("initialize", &initialize()).await;
        latencies.initialize.push(start.elapsed());
        assert!(answer["result"].is_object(), "{answer}");
        for _ in 0..10 {
            let start = Instant::now();
            let answer = client.call("device/key/public", &public).await;
            latencies.public.push(start.elapsed());
            assert!(answer["result"].is_object(), "{answer}");
            let start = Instant::now();
            let answer = client.call("device/key/sign", &sign).await;
            latencies.sign.push(start.elapsed());
            assert!(answer["result"].is_object(), "{answer}");
        }
    }
    latencies
}

#[tokio::test]
async fn a_provider_that_stalls_for_a_minute_delays_no_other_requests() {
    let gate = Gate::opened(ProviderOperation::Sign);
    let absent = || ProviderErrorKind::HardwareUnavailable.into_error();
    let hardware = HookedProvider::new(MemoryProvider::hardware())
        .with(gate.hook())
        // The second key goes to the other provider.
        .with(Faults::nth(ProviderOperation::Availability, 2, absent));
    let server = server(
        ServerLimits::default(),
        vec![Arc::new(hardware), Arc::new(MemoryProvider::os_protected())],
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    tokio::spawn(UnixSocket::bind(&path, SocketMode::OwnUser).unwrap().serve(server));

    let mut waiting = Client::connect(&path).await;
    waiting.call("initialize", &initialize()).await;
    let mut binding = client::binding();
    binding["protectionPolicy"] = json!("allow_os_protected_nonextractable");
    let slow = created(&waiting.call("device/key/create", &binding).await);
    let quick = created(&waiting.call("device/key/create", &binding).await);

    let mut normal = measure(&path, &quick, NORMAL).await;
    gate.close();
    for _ in 0..20 {
        waiting.send("device/key/sign", &client::sign(&slow)).await;
    }
    gate.arrived(2).await;
    let mut stalled = measure(&path, &quick, STALLED).await;
    for (what, normal, stalled) in [
        ("initialize", &mut normal.initialize, &mut stalled.initialize),
        ("public", &mut normal.public, &mut stalled.public),
        ("sign", &mut normal.sign, &mut stalled.sign),
    ] {
        let (normal, stalled) = (median(normal), median(stalled));
        println!("{what}: p50 {normal:?} before, {stalled:?} beside a stalled provider");
        assert!(stalled < normal * 2 + SLACK, "{what}: {stalled:?} instead of {normal:?}");
    }
    gate.open();
    for _ in 0..20 {
        assert!(waiting.receive().await.unwrap()["result"].is_object());
    }
}
