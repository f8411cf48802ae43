//! Fuzzes a whole connection: the input is what a client sends. Each line has one answer at most,
//! every answer is one line of JSON, and the connection ends after the input.
#![no_main]

use device_key_server::{AppServer, Methods, ServerDescription};
use device_key_testing::{Assembly, MemoryProvider};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::runtime::Builder;

const HELLO: &[u8] =
    br#"{"id":0,"method":"initialize","params":{"clientInfo":{"name":"fuzz","version":"0"}}}"#;

fuzz_target!(|bytes: &[u8]| {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let answers = runtime.block_on(async {
        let store = Assembly::new().provider(MemoryProvider::hardware()).store();
        let description = ServerDescription {
            name: "fuzz".to_owned(),
            version: "0".to_owned(),
            home: "/".into(),
        };
        let server = AppServer::new(description, store, Methods::default()).unwrap();
        let (mut output, mut input) = split(server.connect_in_process());
        let mut answers = Vec::new();
        let send = async {
            input.write_all(&[HELLO, b"\n", bytes].concat()).await.unwrap();
            input.shutdown().await.unwrap();
        };
        let (read, ()) = tokio::join!(output.read_to_end(&mut answers), send);
        read.unwrap();
        answers
    });
    let text = String::from_utf8(answers).unwrap();
    for line in text.lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert!(answer["result"].is_null() != answer["error"].is_null(), "{answer}");
    }
    let lines = 2 + bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(text.lines().count() <= lines, "{text}");
});
