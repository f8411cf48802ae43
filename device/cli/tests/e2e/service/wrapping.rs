//! A service without the right wrapping key does not start, and a new wrapping key loses no key.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{CLIENT, Client, Installation, SERVICE, Service, binding};
use crate::program::run;
use crate::proof::Key;

const EITHER: &str = "allow_os_protected_nonextractable";

/// The wrapping key in a folder of credentials. The number stands for the whole key.
fn credential(installation: &Installation, number: u8) -> PathBuf {
    let folder = installation.home().with_file_name("credentials");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("device-key-wrapping-key");
    fs::write(&file, [number; 32]).unwrap();
    file
}

fn with_credentials(installation: &Installation, mut command: Command) -> Command {
    command.env("CREDENTIALS_DIRECTORY", installation.home().with_file_name("credentials"));
    command
}

fn service(installation: &Installation) -> Command {
    let mut command = with_credentials(installation, installation.service());
    command.args(["--provider", "os", "--listen", &installation.listen()]);
    command
}

fn rewrap(installation: &Installation, old: u8) -> Command {
    let old_file = installation.home().with_file_name("old");
    fs::write(&old_file, [old; 32]).unwrap();
    let mut command = with_credentials(installation, installation.as_user(SERVICE));
    command.args(["rewrap", "--service", "--provider", "os", "--home"]).arg(installation.home());
    command.arg("--old-credential").arg(old_file);
    command
}

#[test]
fn only_the_right_wrapping_key_starts_the_service_and_a_rewrap_changes_it() {
    let installation = Installation::new();
    let file = credential(&installation, 1);
    let started = Service::start(&mut service(&installation));
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let keys: Vec<_> = (0..40)
        .map(|_| {
            let created = client.call("device/key/create", &binding(EITHER));
            Key::of_any_class("account", "client", &created)
        })
        .collect();
    drop(client);
    started.stop();

    credential(&installation, 2);
    assert_eq!(run(&mut service(&installation)).status.code(), Some(8), "another key");
    assert_eq!(run(&mut rewrap(&installation, 3)).status.code(), Some(1), "neither key opens");
    fs::remove_file(&file).unwrap();
    assert_eq!(run(&mut service(&installation)).status.code(), Some(8), "no key");
    assert_eq!(run(&mut rewrap(&installation, 1)).status.code(), Some(8), "no new key");

    // The command is killed a little later each time, until it comes to its end.
    credential(&installation, 2);
    let mut patience = Duration::from_millis(2);
    loop {
        let mut child = rewrap(&installation, 1).stdout(Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        let ended = loop {
            match child.try_wait().unwrap() {
                None if since.elapsed() < patience => thread::sleep(Duration::from_millis(1)),
                ended => break ended,
            }
        };
        if let Some(status) = ended {
            assert_eq!(status.code(), Some(0));
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        patience += Duration::from_millis(2);
        assert!(patience < Duration::from_secs(10), "the command comes to an end");
    }
    let started = Service::start(&mut service(&installation));
    let mut client = Client::connect(&installation.socket(), CLIENT);
    for key in &keys {
        key.verify(&client.call("device/key/sign", &key.sign_params()));
    }
    drop(client);
    started.stop();
}
