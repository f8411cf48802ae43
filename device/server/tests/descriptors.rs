//! A server that cannot open one more file tells new clients so. The test uses up the descriptors
//! of its process, so it has a program of its own.
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

use std::fs::File;
use std::os::unix::net::UnixStream as StdUnixStream;

use device_key_server::ServerLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::UnixStream;

use client::{Client, Service, initialize, reason};

const CLIENTS: usize = 8;

#[tokio::test]
async fn a_client_that_comes_when_no_descriptor_is_free_is_told_so() {
    let limit = Rlimit { current: Some(128), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, limit).unwrap();
    let service = Service::with_limits(ServerLimits::default());
    let mut served = service.initialized().await;
    // The runtime has one thread, so the server accepts these clients only when the test waits.
    let waiting: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let stream = StdUnixStream::connect(service.path()).unwrap();
            stream.set_nonblocking(true).unwrap();
            Client::over(UnixStream::from_std(stream).unwrap())
        })
        .collect();
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!files.is_empty() && files.len() < 128);
    for mut client in waiting {
        assert_eq!(reason(&client.receive().await.unwrap()), "overloaded");
        assert_eq!(client.receive().await, None);
        // This descriptor must not become free either.
        std::mem::forget(client);
    }
    let answer = served.call("device/key/providers", &json!({})).await;
    assert!(answer["result"].is_object(), "{answer}");
    drop(files);
    let mut next = service.connect().await;
    assert!(next.call("initialize", &initialize()).await["result"].is_object());
}
