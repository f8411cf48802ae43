//! Messages as text frames, and the frames that are refused.

use device_key_protocol::MAX_MESSAGE_BYTES;
use device_key_server::WebSocketSettings;
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use crate::client::{Client, Listener, exchange_line, health, initialize, reason, server};

/// A request that fills a message of this many bytes.
fn request_of(length: usize) -> String {
    let mut request = r#"{"id":1,"method":"x"}"#.to_owned();
    request.push_str(&" ".repeat(length - request.len()));
    request
}

/// A part of a fragmented message.
fn part(payload: &str, opcode: Data, is_last: bool) -> Message {
    Message::Frame(Frame::message(payload.to_owned(), OpCode::Data(opcode), is_last))
}

fn start() -> Listener {
    Listener::start(WebSocketSettings::default())
}

/// A frame with an empty mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// Writes what the library would not.
async fn send_raw(client: &mut Client, bytes: &[u8]) {
    client.0.get_mut().write_all(bytes).await.unwrap();
}

#[tokio::test]
async fn the_handshake_tells_a_remote_peer_nothing_of_this_machine() {
    let listener = start();
    let mut client = listener.open().await;
    assert_eq!(reason(&client.call("host/health", json!({})).await), "not_initialized");
    let answer = client.exchange(&initialize().to_string()).await;
    assert_eq!(answer["result"]["codexHome"], "/");
    assert_eq!(answer["result"].get("deviceKey"), None);
    let health = client.call("host/health", json!({})).await;
    assert_eq!(health["result"], json!({"transport": "remote"}));
    let again = client.exchange(&initialize().to_string()).await;
    assert_eq!(reason(&again), "already_initialized");
}

#[tokio::test]
async fn a_frame_is_one_message_and_an_answer_one_frame() {
    let listener = start();
    let mut client = listener.initialized().await;
    let request = "\n{\n\"id\":\n1,\r\n\"method\": \"host/health\"\n}\n\n";
    client.send(Message::text(request)).await;
    assert_eq!(client.line().await, r#"{"id":1,"result":{"transport":"remote"}}"#);
    // Two messages in one frame are refused, whatever separates them.
    let two = "{\"id\":1,\"method\":\"x\"}\n{\"id\":2,\"method\":\"x\"}";
    assert_eq!(reason(&client.exchange(two).await), "parse_error");
    // One message in several frames, and a ping between them.
    client.send(part("{\"id\":3,", Data::Text, false)).await;
    client.send(Message::Ping("p".into())).await;
    client.send(part("\"method\":\"host/", Data::Continue, false)).await;
    client.send(part("health\"}", Data::Continue, true)).await;
    assert_eq!(client.next().await, Some(Message::Pong("p".into())));
    assert_eq!(client.receive().await["id"], 3);
}

#[tokio::test]
async fn malformed_messages_are_answered_as_over_stdio() {
    let listener = start();
    let mut client = listener.initialized().await;
    let mut stream = BufReader::new(server(health()).connect_in_process());
    exchange_line(&mut stream, &initialize().to_string()).await;
    let nested = "[".repeat(10_000);
    for message in [
        "nonsense",
        "{\"id\":1,\"method\":\"x\"",
        r#"{"id":1,"method":"x","params":{"a":1,"a":1}}"#,
        &nested,
        "[]",
        "{\"id\":null,\"method\":\"x\"}",
        "{\"id\":1}",
        "{\"id\":1,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}",
    ] {
        client.send(Message::text(message)).await;
        let line = exchange_line(&mut stream, message).await;
        assert_eq!(format!("{}\n", client.line().await), line, "{message}");
    }
    // A line that is empty is skipped over stdio, but an empty frame is a message.
    assert_eq!(reason(&client.exchange("").await), "parse_error");
}

#[tokio::test]
async fn the_longest_message_is_served_and_a_longer_one_refused() {
    let listener = start();
    let mut client = listener.initialized().await;
    let answer = client.exchange(&request_of(MAX_MESSAGE_BYTES)).await;
    assert_eq!(reason(&answer), "method_not_found");
    client.send(Message::text(request_of(MAX_MESSAGE_BYTES + 1))).await;
    assert_eq!(client.closed().await, CloseCode::Size);

    // The message comes in two frames, each of which is short enough.
    let mut client = listener.initialized().await;
    client.send(part(&request_of(MAX_MESSAGE_BYTES), Data::Text, false)).await;
    client.send(part(" ", Data::Continue, false)).await;
    assert_eq!(client.closed().await, CloseCode::Size);

    // The header announces a long frame, and the frame is refused before anything of it is sent.
    let mut client = listener.initialized().await;
    let header = [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    send_raw(&mut client, &header).await;
    assert_eq!(client.closed().await, CloseCode::Size);
}

#[tokio::test]
async fn a_client_still_sending_sees_why_it_is_refused() {
    let listener = start();
    let mut client = listener.initialized().await;
    // More than socket buffers hold, so that unread bytes are certainly left.
    client.send(Message::binary(vec![0; 32 * MAX_MESSAGE_BYTES])).await;
    assert_eq!(client.closed().await, CloseCode::Size);
}

#[tokio::test]
async fn binary_messages_are_refused() {
    let listener = start();
    let mut client = listener.initialized().await;
    client.send(Message::binary(initialize().to_string())).await;
    assert_eq!(client.closed().await, CloseCode::Unsupported);
}

#[tokio::test]
async fn broken_frames_are_refused() {
    let listener = start();
    let mut client = listener.initialized().await;
    send_raw(&mut client, &frame(0x81, b"\xff\xfe")).await;
    assert_eq!(client.closed().await, CloseCode::Invalid);

    for first in [
        0xc1, // a reserved bit, which belongs to an extension that was not negotiated
        0x83, // a reserved opcode
        0x80, // a continuation frame without a first frame
        0x09, // a fragmented ping
    ] {
        let mut client = listener.initialized().await;
        send_raw(&mut client, &frame(first, b"{}")).await;
        assert_eq!(client.closed().await, CloseCode::Protocol, "{first:x}");
    }
    // The frame is not masked.
    let mut client = listener.initialized().await;
    send_raw(&mut client, b"\x81\x02{}").await;
    assert_eq!(client.closed().await, CloseCode::Protocol);
}

#[tokio::test]
async fn pings_are_answered_and_pongs_are_not() {
    let listener = start();
    let mut client = listener.open().await;
    client.send(Message::Pong("nobody asked".into())).await;
    client.send(Message::Ping("still there?".into())).await;
    assert_eq!(client.next().await, Some(Message::Pong("still there?".into())));
}

#[tokio::test]
async fn a_client_that_closes_gets_its_close_frame_back() {
    let listener = start();
    let mut client = listener.initialized().await;
    let frame = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
    client.send(Message::Close(Some(frame.clone()))).await;
    assert_eq!(client.next().await, Some(Message::Close(Some(frame))));
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn the_first_frame_may_come_with_the_opening() {
    let listener = start();
    let request = br#"{"id":1,"method":"x"}"#;
    let mut client = listener.open_then("", &frame(0x81, request)).await.ok().unwrap();
    assert_eq!(reason(&client.receive().await), "not_initialized");
}
