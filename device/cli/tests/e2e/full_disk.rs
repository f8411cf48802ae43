//! A service whose home is on a disk that is full.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use device_key_testing::Swtpm;
use serde_json::json;

use crate::home::Home;
use crate::server::Server;

/// Starts a program with a disk of its own at this path.
const ON_SMALL_DISK: &str = r#"mount -t tmpfs -o size=2m,mode=0700 none "$1"; shift; exec "$@""#;

/// More keys than the disk has room for.
const TOO_MANY: usize = 500;

/// An app-server whose home is on a disk of 2 MiB.
fn on_small_disk(home: &Home, tpm: &str) -> Command {
    fs::create_dir(home.path()).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let server = home.app_server(tpm);
    let mut on_disk = Command::new("unshare");
    // The server runs without the settings of whoever runs the test.
    for (name, _) in server.get_envs() {
        on_disk.env_remove(name);
    }
    on_disk.args(["--user", "--map-root-user", "--mount", "sh", "-ec", ON_SMALL_DISK, "sh"]);
    on_disk.arg(home.path()).arg(server.get_program()).args(server.get_args());
    on_disk
}

#[test]
fn keys_can_be_deleted_and_then_created_when_the_disk_was_full() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut on_small_disk(&home, &swtpm.address()));
    let binding = json!({"accountUserId": "account", "clientId": "client"});
    let mut keys = Vec::new();
    loop {
        let answer = server.call("device/key/create", &binding);
        let Some(id) = answer["result"]["keyId"].as_str() else { break };
        keys.push(id.to_owned());
        assert!(keys.len() < TOO_MANY, "the disk is never full");
    }
    for id in &keys {
        let answer = server.call("device/key/delete", &json!({"keyId": id}));
        assert!(answer["result"].is_object(), "{answer}");
    }
    let key = server.create("account", "client");
    server.prove(&key);
    let listed = server.call("device/key/list", &json!({}));
    assert_eq!(listed["result"]["keys"].as_array().map(Vec::len), Some(1), "{listed}");
    server.finish_well();
}
