//! How much memory clients can make the service hold. The test measures its whole process, so it
//! has a program of its own.
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

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use device_key_server::ServerLimits;
use serde_json::json;
use tokio::time::timeout;

use client::{Client, PATIENCE, Service, binding, initialize, sign};

/// Short enough for a test, and long enough for a client that reads, even on a busy machine.
const STALL: Duration = Duration::from_secs(1);

/// More than a service should take from a client that reads no answers.
const MUCH: usize = 8 << 20;
/// If a socket takes nothing for this long, nobody reads at its other end.
const NOT_READ_ANY_MORE: Duration = Duration::from_millis(50);

fn resident_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

/// Sends requests until the socket takes no more. Returns how many bytes the socket took.
async fn flood(client: &Client, line: &str) -> usize {
    let chunk = line.repeat(64);
    let mut sent = 0;
    while sent < MUCH && timeout(NOT_READ_ANY_MORE, client.writable()).await.is_ok() {
        match client.try_send(chunk.as_bytes()) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_read_are_disconnected_and_hold_little_memory() {
    let limits = ServerLimits { stall: STALL, ..ServerLimits::default() };
    let service = Service::with_limits(ServerLimits { connections_per_owner: 128, ..limits });
    let mut well_behaved = service.initialized().await;
    let created = well_behaved.call("device/key/create", &binding()).await;
    let key_id = created["result"]["keyId"].as_str().unwrap();
    // The first request is answered at once. The second waits for a provider and has a long answer.
    let at_once = json!({"id": 1, "method": "device/key/providers", "params": {}});
    let waiting = json!({"id": 1, "method": "device/key/sign", "params": sign(key_id)});
    let lines = [format!("{at_once}\n"), format!("{waiting}\n")];
    let before = resident_kilobytes();
    let mut silent = Vec::new();
    for _ in 0..64 {
        let mut client = service.connect().await;
        client.send("initialize", &initialize()).await;
        silent.push(client);
    }
    let mut largest = 0;
    for (client, line) in silent.iter().zip(lines.iter().cycle()) {
        let sent = flood(client, line).await;
        assert!(sent < MUCH, "the service goes on reading although nobody reads its answers");
        largest = largest.max(resident_kilobytes());
        let answer = well_behaved.call("device/key/providers", &json!({})).await;
        assert!(answer["result"].is_object(), "others are served meanwhile");
    }
    let grown = largest.saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} kB for 64 clients that never read");
    for (client, line) in silent.iter().zip(lines.iter().cycle()) {
        // On a busy machine the flood may have ended early, and then this fills the socket. A full
        // socket can be written to again only when its other end is gone.
        let gone = async {
            loop {
                client.writable().await;
                match client.try_send(line.as_bytes()) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => break error.kind(),
                }
            }
        };
        let gone = timeout(PATIENCE, gone).await.expect("a client that reads nothing is dropped");
        assert_eq!(gone, ErrorKind::BrokenPipe);
    }
    assert!(well_behaved.call("device/key/providers", &json!({})).await["result"].is_object());
}
