//! A peer may use only the keys of the user that the kernel reports for it. Each client here
//! connects as a user of its own: root changes the user id of a thread, and a socket's credentials
//! are those of the thread that connects.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::thread;

use device_key_server::{ServerLimits, SocketMode};
use device_key_testing::MemoryProvider;
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use serde_json::json;
use tokio::net::UnixStream;

use crate::client::{Client, Service, binding, initialize, reason, sign};

pub(crate) const ONE: u32 = 61_001;
pub(crate) const OTHER: u32 = 61_002;
/// The id that the kernel shows for users that are not mapped in this user namespace
/// (`DEFAULT_OVERFLOWUID`).
const OVERFLOW: u32 = 65_534;

pub(crate) fn service(limits: ServerLimits) -> Service {
    Service::open_to(SocketMode::Everybody, limits, MemoryProvider::hardware())
}

/// A connection of this user.
pub(crate) fn stream_of(service: &Service, uid: u32) -> StdUnixStream {
    let path = service.path();
    let stream = thread::spawn(move || {
        let uid = Uid::from_raw(uid);
        set_thread_res_uid(uid, uid, uid).expect("these tests run as root");
        StdUnixStream::connect(path).unwrap()
    });
    stream.join().unwrap()
}

pub(crate) fn connect_as(service: &Service, uid: u32) -> Client {
    let stream = stream_of(service, uid);
    stream.set_nonblocking(true).unwrap();
    Client::over(UnixStream::from_std(stream).unwrap())
}

pub(crate) async fn initialized_as(service: &Service, uid: u32) -> Client {
    let mut client = connect_as(service, uid);
    let answer = client.call("initialize", &initialize()).await;
    assert!(answer["result"]["deviceKey"]["providers"].is_array(), "{answer}");
    client
}

#[tokio::test]
async fn a_key_of_another_user_is_not_found() {
    let service = service(ServerLimits::default());
    let mut one = initialized_as(&service, ONE).await;
    let created = one.call("device/key/create", &binding()).await;
    let key_id = created["result"]["keyId"].as_str().unwrap_or_else(|| panic!("{created}"));
    let key = json!({"keyId": key_id});

    for uid in [OTHER, 0] {
        let mut other = initialized_as(&service, uid).await;
        for (method, params) in [
            ("device/key/public", &key),
            ("device/key/sign", &sign(key_id)),
            ("device/key/delete", &key),
        ] {
            let answer = other.call(method, params).await;
            assert_eq!(reason(&answer), "key_not_found", "{method} by {uid}");
        }
        let listed = other.call("device/key/list", &json!({})).await;
        assert_eq!(listed["result"]["keys"], json!([]), "{uid}");
    }

    let mut again = initialized_as(&service, ONE).await;
    for client in [&mut one, &mut again] {
        let signed = client.call("device/key/sign", &sign(key_id)).await;
        assert!(signed["result"]["signatureDerBase64"].is_string(), "{signed}");
    }
}

#[tokio::test]
async fn users_that_share_the_overflow_id_have_no_keys() {
    let service = service(ServerLimits::default());
    let mut nobody = connect_as(&service, OVERFLOW);
    let answer = nobody.call("initialize", &initialize()).await;
    assert_eq!(answer["result"]["codexHome"], "/", "{answer}");
    assert_eq!(answer["result"].get("deviceKey"), None);
    for method in service.server.method_names() {
        // The params have no valid shape, which shows that they were not looked at.
        let answer = nobody.call(method, &json!("anything")).await;
        assert_eq!(reason(&answer), "transport_not_local", "{method}");
    }
}

#[tokio::test]
async fn one_user_cannot_use_up_the_connections_of_another() {
    let limits = ServerLimits { connections_per_owner: 2, ..ServerLimits::default() };
    let service = service(limits);
    let _first = initialized_as(&service, ONE).await;
    let _second = initialized_as(&service, ONE).await;
    let mut third = connect_as(&service, ONE);
    assert_eq!(reason(&third.receive().await.unwrap()), "quota_exceeded");
    initialized_as(&service, OTHER).await;
}

#[tokio::test]
async fn other_users_cannot_connect_to_a_private_socket() {
    let service = Service::with_limits(ServerLimits::default());
    service.let_others_search_the_folder();
    let path = service.path();
    let refused = thread::spawn(move || {
        let uid = Uid::from_raw(ONE);
        set_thread_res_uid(uid, uid, uid).expect("these tests run as root");
        StdUnixStream::connect(path).unwrap_err()
    });
    assert_eq!(refused.join().unwrap().kind(), std::io::ErrorKind::PermissionDenied);
    service.initialized().await;
}
