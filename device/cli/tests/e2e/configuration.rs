//! Flags, environment and defaults.

use std::path::Path;

use device_key_testing::Swtpm;
use serde_json::Value;

use crate::home::Home;
use crate::program::{ABSENT, device_key, run};
use crate::server::Server;

const WRONG_USAGE: Option<i32> = Some(2);

#[test]
fn wrong_usage() {
    let cases: [&[&str]; 9] = [
        &[],
        &["no-such-command"],
        &["app-server", "--no-such-flag"],
        &["app-server", "surplus"],
        &["app-server", "--home"],
        &["app-server", "--tpm", "not-an-address"],
        &["app-server", "--tpm", "/not-below-dev/tpm"],
        &["app-server", "--json"],
        &["doctor", "--tpm", "tcp:127.0.0.1:2321"],
    ];
    for arguments in cases {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_device-key"));
        let output = run(command.args(arguments));
        assert_eq!(output.status.code(), WRONG_USAGE, "{arguments:?}");
        assert_eq!(&*output.stdout, b"", "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let output = run(device_key("app-server").env("DEVICE_KEY_ALLOW_SIMULATED_TPM", "perhaps"));
    assert_eq!(output.status.code(), WRONG_USAGE);
    for flag in ["--help", "--version"] {
        let output = run(&mut device_key(flag));
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(0), false));
    }
}

fn home_and_availability(handshake: &Value) -> (&Path, Option<bool>) {
    let home = handshake["codexHome"].as_str().unwrap();
    (Path::new(home), handshake["deviceKey"]["providers"][0]["available"].as_bool())
}

#[test]
fn variables_do_what_flags_do() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    for (allow, expected) in
        [("1", true), ("0", false), ("true", true), ("false", false), ("yes", true), ("no", false)]
    {
        let mut command = device_key("app-server");
        command
            .env("DEVICE_KEY_HOME", home.path())
            .env("DEVICE_KEY_TPM", swtpm.address())
            .env("DEVICE_KEY_ALLOW_SIMULATED_TPM", allow);
        let mut server = Server::spawn(&mut command);
        let handshake = server.initialize();
        let path = home.path().canonicalize().unwrap();
        assert_eq!(home_and_availability(&handshake), (&*path, Some(expected)), "{allow}");
        if expected {
            let key = server.create("account", "client");
            server.prove(&key);
        }
        server.finish_well();
    }
    assert_eq!(home.assert_at_rest().len(), 3);
}

#[test]
fn flags_take_precedence_over_variables() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut command = home.app_server(&swtpm.address());
    command
        .env("DEVICE_KEY_HOME", home.beside("other"))
        .env("DEVICE_KEY_TPM", ABSENT)
        .env("DEVICE_KEY_ALLOW_SIMULATED_TPM", "0");
    let mut server = Server::spawn(&mut command);
    let handshake = server.initialize();
    let path = home.path().canonicalize().unwrap();
    assert_eq!(home_and_availability(&handshake), (&*path, Some(true)));
    server.finish_well();
    assert!(!home.beside("other").exists());
}

/// XDG Base Directory Specification: a relative path must be ignored.
#[test]
fn the_default_home_is_in_the_users_state_folder() {
    let home = Home::new();
    let (state, user) = (home.beside("state"), home.beside("user"));
    let cases = [
        (Some(&*state), Some(&*user), state.join("device-key")),
        (None, Some(&*user), user.join(".local/state/device-key")),
        (Some(Path::new("relative")), Some(&*user), user.join(".local/state/device-key")),
        (Some(Path::new("")), Some(&*user), user.join(".local/state/device-key")),
        (Some(&*state), None, state.join("device-key")),
    ];
    for (xdg, user, expected) in cases {
        let mut command = device_key("app-server");
        command.args(["--tpm", ABSENT]);
        xdg.map(|xdg| command.env("XDG_STATE_HOME", xdg));
        user.map(|user| command.env("HOME", user));
        let mut server = Server::spawn(&mut command);
        let handshake = server.initialize();
        let expected = expected.canonicalize().unwrap();
        assert_eq!(home_and_availability(&handshake).0, expected);
        server.finish_well();
    }
    assert!(!Path::new("relative").exists());
    let nowhere = run(device_key("app-server").args(["--tpm", ABSENT]));
    assert_eq!((nowhere.status.code(), &*nowhere.stdout), (Some(3), &b""[..]));
}
