//! Input that earns no answer delays other users as little as requests do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::thread;
use std::time::{Duration, Instant};

use device_key_server::{ServerLimits, SocketMode};
use device_key_testing::MemoryProvider;
use serde_json::{Value, json};

use crate::client::{PATIENCE, Service, initialize};
use crate::users::{ONE, OTHER, stream_of};

/// How many connections the first user floods.
const FLOODS: usize = 16;
const REQUESTS: usize = 20;
/// What a busy machine may add to a median. Without turns a median was above 1 s.
const SLACK: Duration = Duration::from_millis(5);

/// Writes these bytes for as long as the service reads.
fn flood(mut stream: StdUnixStream, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

/// The median latency of a client that waits for each answer.
fn median(mut stream: &StdUnixStream) -> Duration {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream);
    let mut call = |method: &str, params: Value| {
        let request = json!({"id": 1, "method": method, "params": params});
        let begun = Instant::now();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer["result"].is_object(), "{answer}");
        begun.elapsed()
    };
    call("initialize", initialize());
    let mut latencies: Vec<_> =
        (0..REQUESTS).map(|_| call("device/key/providers", json!({}))).collect();
    latencies.sort_unstable();
    latencies[REQUESTS / 2]
}

#[tokio::test]
async fn lines_that_earn_no_answer_do_not_delay_another_user() {
    let limits = ServerLimits::default();
    let service = Service::open_to(SocketMode::Everybody, limits, MemoryProvider::hardware());
    let notification = |params: Value| json!({"method": "initialized", "params": params});
    let lines = [
        String::new(),
        notification(json!({})).to_string(),
        notification(json!("x".repeat(100_000))).to_string(),
    ];
    for line in lines.map(|line| format!("{line}\n")) {
        let floods: Vec<_> = (0..FLOODS).map(|_| stream_of(&service, ONE)).collect();
        for flooded in &floods {
            let (flooded, bytes) =
                (flooded.try_clone().unwrap(), line.repeat(8192 / line.len() + 1));
            thread::spawn(move || flood(flooded, bytes.as_bytes()));
        }
        let stream = stream_of(&service, OTHER);
        let median = tokio::task::spawn_blocking(move || median(&stream)).await.unwrap();
        println!("{median:?} beside {FLOODS} floods of lines of {} bytes", line.len());
        for flooded in &floods {
            flooded.shutdown(Shutdown::Both).unwrap();
        }
        assert!(median < SLACK, "{median:?} beside lines of {} bytes", line.len());
    }
}
