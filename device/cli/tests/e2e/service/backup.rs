//! The backup of docs/operations.md: its own commands are run.

use std::path::Path;
use std::process::Command;

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use super::{CLIENT, Client, Installation, SERVICE, Service, binding};
use crate::program::run;
use crate::proof::Key;

const DOCUMENT: &str = include_str!("../../../../../docs/operations.md");

/// Runs the commands below this heading, except those that start and stop the service, on the home
/// of this installation.
fn run_documented(heading: &str, installation: &Installation, archive: &Path) {
    let (_, section) = DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, commands) = section.split_once("```sh\n").unwrap();
    let (commands, _) = commands.split_once("```").unwrap();
    let commands: Vec<_> = commands.lines().filter(|line| !line.starts_with("systemctl")).collect();
    let commands = commands
        .join("\n")
        .replace("/var/lib/device-key", installation.home().to_str().unwrap())
        .replace("/root/device-key.tar", archive.to_str().unwrap());
    let output = run(Command::new("sh").args(["-ec", &commands]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Starts the service with TPM keys and OS-protected keys.
fn start(installation: &Installation, swtpm: &Swtpm) -> Service {
    let mut command = installation.service();
    command.args(["--provider", "tpm", "--allow-simulated-tpm", "--tpm", &swtpm.address()]);
    command.args(["--provider", "os", "--listen", &installation.listen()]);
    Service::start(&mut command)
}

fn create(client: &mut Client, policy: &str) -> Key {
    let created = client.call("device/key/create", &binding(policy));
    Key::of_any_class("account", "client", &created)
}

fn listed(client: &mut Client) -> usize {
    let listed = client.call("device/key/list", &json!({}));
    listed["result"]["keys"].as_array().map_or_else(|| panic!("{listed}"), Vec::len)
}

#[test]
fn a_restored_backup_has_every_key_of_its_time() {
    let (installation, swtpm) = (Installation::new(), Swtpm::start());
    let socket = swtpm.socket();
    for path in [socket.parent().unwrap(), &socket] {
        std::os::unix::fs::chown(path, Some(SERVICE), Some(SERVICE)).unwrap();
    }
    let service = installation.start(&[]);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let os_protected = create(&mut client, "allow_os_protected_nonextractable");
    drop(client);
    service.stop();
    let service = start(&installation, &swtpm);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let mut keys = vec![os_protected];
    keys.extend((0..2).map(|_| create(&mut client, "hardware_only")));
    drop(client);
    service.stop();
    let archive = installation.folder.path().join("backup.tar");
    run_documented("Backups", &installation, &archive);

    // After the backup one key is deleted, and another is created.
    let service = start(&installation, &swtpm);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let deleted = client.call("device/key/delete", &json!({"keyId": keys[0].id}));
    assert_eq!(deleted["result"], json!({}), "{deleted}");
    let later = create(&mut client, "hardware_only");
    assert_eq!(listed(&mut client), 3);
    drop(client);
    service.stop();
    run_documented("Restoring a backup", &installation, &archive);

    let service = start(&installation, &swtpm);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    assert_eq!(listed(&mut client), 3);
    for key in &keys {
        key.verify(&client.call("device/key/sign", &key.sign_params()));
    }
    let gone: Value = client.call("device/key/sign", &later.sign_params());
    assert_eq!(crate::server::reason(&gone), "key_not_found");
    drop(client);
    service.stop();
}
