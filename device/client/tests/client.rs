//! The client against a service that a test scripts: what it sends, and what it makes of answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use device_key_client::lifecycle::{DeleteParams, ListParams};
use device_key_client::{Client, ClientError, ClientSettings, Received};
use device_key_types::Reason;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, duplex,
    repeat, split,
};

const ID: &str = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A client after its handshake. The service answers each further request with the next line, then
/// closes the connection.
async fn client(answers: &[&str]) -> Client {
    let (ours, theirs) = duplex(1 << 16);
    let mut lines = vec![r#"{"id":0,"result":{"userAgent":"script"}}"#.to_owned()];
    lines.extend(answers.iter().map(|line| (*line).to_owned()));
    tokio::spawn(async move {
        let (reader, mut writer) = split(theirs);
        let mut requests = BufReader::new(reader).lines();
        for line in lines {
            requests.next_line().await.unwrap();
            if line == "silence" {
                std::future::pending::<()>().await;
            }
            writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        }
    });
    let (reader, writer) = split(ours);
    let settings =
        ClientSettings { timeout: Duration::from_secs(5), ..ClientSettings::new("test", "0") };
    Client::over(reader, writer, &settings).await.unwrap()
}

fn delete() -> DeleteParams {
    DeleteParams::new(&ID.parse().unwrap())
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_usable() {
    let refusal =
        r#"{"id":1,"error":{"code":-32600,"message":"words","data":{"reason":"key_not_found"}}}"#;
    let mut client = client(&[refusal, r#"{"id":2,"result":{}}"#]).await;
    match client.delete(&delete()).await.unwrap_err() {
        ClientError::Refused { method, error } => {
            assert_eq!(method, "device/key/delete");
            assert!(error.is(Reason::KeyNotFound));
        }
        other => panic!("{other}"),
    }
    client.delete(&delete()).await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_not_used_again() {
    let mut client = client(&[]).await;
    for _ in 0..2 {
        let error = client.delete(&delete()).await.unwrap_err();
        assert!(matches!(error, ClientError::Lost { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_not_taken_for_the_next_one() {
    let mut client = client(&["silence"]).await;
    let error = client.delete(&delete()).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    let error = client.delete(&delete()).await.unwrap_err();
    assert!(matches!(error, ClientError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn answers_of_another_shape() {
    for answer in [
        "words",
        r#"{"id":1}"#,
        r#"{"id":7,"result":{"providers":[]}}"#,
        r#"{"id":1,"result":[[]]}"#,
        r#"{"id":1,"result":{}}"#,
    ] {
        let error = client(&[answer]).await.providers().await.unwrap_err();
        assert!(matches!(error, ClientError::Unintelligible { .. }), "{answer}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_an_error() {
    let handshake: &[u8] = b"{\"id\":0,\"result\":{}}\n";
    let reader: Box<dyn AsyncRead + Send + Unpin> = Box::new(handshake.chain(repeat(b'x')));
    let settings = ClientSettings::new("test", "0");
    let mut client = Client::over(reader, tokio::io::sink(), &settings).await.unwrap();
    let error = client.providers().await.unwrap_err();
    assert!(matches!(error, ClientError::Unintelligible { .. }), "{error}");
}

#[tokio::test]
async fn all_pages_are_listed_with_what_only_the_service_knows() {
    let key = format!(
        r#"{{"keyId":"{ID}","accountUserId":"a","clientId":"c","algorithm":"ecdsa_p256_sha256","protectionClass":"later_class","createdAt":1,"later":1.0}}"#
    );
    let first = format!(r#"{{"id":1,"result":{{"keys":[{key}],"nextCursor":"next"}}}}"#);
    let last = format!(r#"{{"id":2,"result":{{"keys":[{key}]}}}}"#);
    let keys = client(&[&first, &last]).await.list_all(ListParams::default()).await.unwrap();
    assert_eq!(keys.iter().map(Received::json).collect::<Vec<_>>(), [&key, &key]);
    assert_eq!(keys[0].protection_class.known(), None);
    assert!(!format!("{keys:?}").contains("\"a\""), "Debug hides the account");

    let itself = r#"{"id":2,"result":{"keys":[],"nextCursor":"next"}}"#;
    let error = client(&[&first, itself]).await.list_all(ListParams::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unintelligible { .. }), "{error}");
}
