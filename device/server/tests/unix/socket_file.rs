//! The socket's file: it has its mode before it listens, and a socket in use is never replaced.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::Path;

use device_key_server::{ServerLimits, SocketMode, UnixSocket, UnixSocketError};
use device_key_testing::MemoryProvider;
use serde_json::json;

use crate::client::{Client, Service, initialize, server};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The name of the outcome of listening on a path.
fn outcome(path: &Path) -> &'static str {
    match UnixSocket::bind(path, SocketMode::OwnUser) {
        Ok(_) => "bound",
        Err(UnixSocketError::InUse { .. }) => "in_use",
        Err(UnixSocketError::NotSocket { .. }) => "not_socket",
        Err(UnixSocketError::UnsafeFolder { .. }) => "unsafe_folder",
        Err(UnixSocketError::InvalidPath { .. }) => "invalid_path",
        Err(UnixSocketError::Io { .. }) => "io",
        Err(_) => "other",
    }
}

#[tokio::test]
async fn folder_and_socket_have_their_modes_when_the_socket_listens() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, kind, folder_mode, socket_mode) in
        [("own", SocketMode::OwnUser, 0o700, 0o600), ("all", SocketMode::Everybody, 0o755, 0o666)]
    {
        let path = scratch.path().join(name).join("sock");
        let _socket = UnixSocket::bind(&path, kind).unwrap();
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (folder_mode, socket_mode));
    }
}

#[tokio::test]
async fn a_live_socket_is_not_stolen_and_a_stale_one_is_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sock");
    let first = UnixSocket::bind(&path, SocketMode::OwnUser).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    assert_eq!(outcome(&path), "in_use");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "the socket is unchanged");
    drop(first);
    assert!(!path.exists(), "the file is removed together with the socket");

    // A socket of another program, which knows nothing of the lock.
    let foreign = StdUnixListener::bind(&path).unwrap();
    assert_eq!(outcome(&path), "in_use");
    drop(foreign);
    assert!(
        fs::metadata(&path).unwrap().file_type().is_socket(),
        "a program that was killed leaves its socket"
    );
    assert_eq!(outcome(&path), "bound");
}

#[tokio::test]
async fn a_successor_keeps_its_socket_when_the_first_one_ends() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sock");
    let first = UnixSocket::bind(&path, SocketMode::OwnUser).unwrap();
    // Another program has removed the socket and listens there now.
    fs::remove_file(&path).unwrap();
    let _successor = StdUnixListener::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
}

#[tokio::test]
async fn other_files_are_left_alone_and_unsafe_folders_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert_eq!(outcome(&file), "not_socket");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let link = scratch.path().join("link");
    symlink(&file, &link).unwrap();
    assert_eq!(outcome(&link), "not_socket");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

    let folder = scratch.path().join("open");
    fs::create_dir(&folder).unwrap();
    for bits in [0o777, 0o1777, 0o775] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(bits)).unwrap();
        assert_eq!(outcome(&folder.join("sock")), "unsafe_folder", "{bits:o}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(&folder, Some(61_003), None).unwrap();
    assert_eq!(outcome(&folder.join("sock")), "unsafe_folder");
    assert_eq!(outcome(&scratch.path().join("missing/deep/sock")), "io");
    assert_eq!(outcome(Path::new("/")), "invalid_path");
}

#[tokio::test]
async fn a_server_listens_on_several_sockets_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let server =
        server(ServerLimits::default(), vec![std::sync::Arc::new(MemoryProvider::hardware())]);
    let paths = ["one", "two"].map(|name| scratch.path().join(name));
    for path in &paths {
        let socket = UnixSocket::bind(path, SocketMode::OwnUser).unwrap();
        assert_eq!(socket.path(), Some(path.as_path()));
        tokio::spawn(socket.serve(server.clone()));
    }
    for path in &paths {
        let mut client = Client::connect(path).await;
        assert!(client.call("initialize", &initialize()).await["result"].is_object());
    }
}

#[tokio::test]
async fn an_inherited_listener_is_served_and_its_file_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sock");
    let inherited = StdUnixListener::bind(&path).unwrap();
    let server =
        server(ServerLimits::default(), vec![std::sync::Arc::new(MemoryProvider::hardware())]);
    let serving = tokio::spawn(UnixSocket::adopt(inherited).unwrap().serve(server.clone()));
    let mut client = Client::connect(&path).await;
    assert!(client.call("initialize", &initialize()).await["result"].is_object());
    server.stop();
    serving.await.unwrap();
    assert!(path.exists(), "systemd made the socket and keeps it");
}

#[tokio::test]
async fn a_socket_that_does_not_listen_is_not_served() {
    let (connected, _other_end) = StdUnixStream::pair().unwrap();
    let adopted = UnixSocket::adopt(OwnedFd::from(connected).into());
    assert!(matches!(adopted, Err(UnixSocketError::NotListening)), "{adopted:?}");
}

#[tokio::test]
async fn the_peers_user_is_the_one_that_the_kernel_reports() {
    let service = Service::with_limits(ServerLimits::default());
    let mut client = service.initialized().await;
    let created = client.call("device/key/create", &crate::client::binding()).await;
    let key_id = created["result"]["keyId"].as_str().unwrap();
    let public = client.call("device/key/public", &json!({"keyId": key_id})).await;
    assert_eq!(public["result"]["keyId"], key_id);
    let mut again = service.initialized().await;
    let listed = again.call("device/key/list", &json!({})).await;
    assert_eq!(listed["result"]["keys"].as_array().unwrap().len(), 1, "the same user's");
}
