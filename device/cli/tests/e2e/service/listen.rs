//! Where the service listens, and which listeners the relay trusts.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use serde_json::json;

use super::{CLIENT, Client, Installation, SERVICE, Service};
use crate::program::{Program, run};
use crate::server::{Server, reason};

const TRANSPORT_FAILED: Option<i32> = Some(4);
const NO_SERVICE: Option<i32> = Some(6);
const UNTRUSTED_SERVICE: Option<i32> = Some(7);
const CONFIGURATION_UNUSABLE: Option<i32> = Some(8);

#[test]
fn a_live_service_keeps_its_socket_and_a_killed_one_is_replaced() {
    let installation = Installation::new();
    let first = installation.start(&[]);
    let key_id = json!({"keyId": Client::connect(&installation.socket(), CLIENT).create()});
    let mut second = installation.service();
    let refused = run(second.args(["--provider", "os", "--listen", &installation.listen()]));
    assert_eq!(refused.status.code(), TRANSPORT_FAILED);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    assert!(client.call("device/key/public", &key_id)["result"].is_object(), "the first serves");

    first.kill();
    assert!(installation.socket().exists(), "a killed service leaves its socket");
    let third = installation.start(&[]);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    assert!(client.call("device/key/public", &key_id)["result"].is_object());
    drop(client);
    third.stop();
    assert!(!installation.socket().exists());
}

#[test]
fn a_client_over_stdio_uses_the_service_through_the_relay() {
    let installation = Installation::new();
    let service = installation.start(&[]);
    let mut direct = Client::connect(&installation.socket(), CLIENT);
    let key_id = json!({"keyId": direct.create()});
    let mut relayed = Server::start(&mut installation.relay(CLIENT));
    let public = relayed.call("device/key/public", &key_id);
    assert_eq!(public["result"]["protectionClass"], "os_protected_nonextractable", "{public}");
    assert_eq!(public, {
        let mut answer = direct.call("device/key/public", &key_id);
        answer["id"] = public["id"].clone();
        answer
    });
    // Messages of about a megabyte arrive complete.
    let noise = "ü€🔑".repeat(60_000);
    let answer = relayed.call("device/key/public", &json!({"keyId": noise}));
    assert_eq!(reason(&answer), "invalid_key_id");
    relayed.send("x".repeat(3 << 20).as_bytes());
    relayed.send(b"\n");
    assert_eq!(reason(&relayed.receive()), "message_too_large");
    relayed.finish_well();
    let mut stranger = Server::start(&mut installation.relay(61_003));
    assert_eq!(reason(&stranger.call("device/key/public", &key_id)), "key_not_found");
    stranger.finish_well();
    drop(direct);
    service.stop();
}

#[test]
fn the_relay_sends_nothing_to_an_untrusted_service_and_tries_no_other() {
    let installation = Installation::new();
    let absent = run(&mut installation.relay(CLIENT));
    assert_eq!((absent.status.code(), &*absent.stdout), (NO_SERVICE, &b""[..]));

    // The service runs as another user than the trusted one.
    let mut command = installation.as_user(SERVICE);
    command.args(["app-server", "--provider", "os", "--home"]).arg(installation.home());
    command.args(["--service", "--listen", &installation.listen()]);
    let service = Service::start(&mut command);
    let mut relay = installation.as_user(CLIENT);
    relay.args(["app-server", "--connect"]).arg(installation.socket());
    assert_eq!(run(&mut relay).status.code(), UNTRUSTED_SERVICE, "only root is trusted");
    service.stop();

    let path = installation.socket();
    let impostor = std::thread::spawn({
        let path = path.clone();
        move || {
            rustix::thread::set_thread_res_uid(None, rustix::process::Uid::from_raw(SERVICE), None)
                .unwrap();
            UnixListener::bind(path).unwrap()
        }
    });
    let impostor = impostor.join().unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    relay.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut refusing = Program::spawn(&mut relay);
    let _input = refusing.child.stdin.take();
    let (mut stream, _) = impostor.accept().unwrap();
    assert_eq!(refusing.wait().code(), UNTRUSTED_SERVICE);
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"");
}

#[test]
fn the_configuration_applies_where_no_flag_is_given() {
    let installation = Installation::new();
    let config = installation.configure(&format!(
        "home = {home:?}\nproviders = [\"os\"]\nlisten = [{listen:?}]\n[service]\nmode = \"system\"\n\
         [limits]\nkeys_per_user = 1\n[[backend]]\norigin = \"https://backend.example\"\n\
         path_prefix = \"/api/own\"\n",
        home = installation.home().display().to_string(),
        listen = installation.listen(),
    ));
    let mut command = installation.as_user(SERVICE);
    let service = Service::start(command.args(["app-server", "--config"]).arg(&config));
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let created =
        client.call("device/key/create", &super::binding("allow_os_protected_nonextractable"));
    let key = crate::proof::Key::of_any_class("account", "client", &created);
    let more =
        client.call("device/key/create", &super::binding("allow_os_protected_nonextractable"));
    assert_eq!(reason(&more), "quota_exceeded");
    for (path, expected) in [
        ("/api/own", None),
        ("/api/codex", Some("path_not_allowed")),
        ("/own", Some("path_not_allowed")),
    ] {
        let mut params = key.sign_params();
        params["payload"]["targetOrigin"] = json!("https://backend.example");
        params["payload"]["targetPath"] = json!(format!("{path}/remote/control/client"));
        let answer = client.call("device/key/sign", &params);
        assert_eq!(answer["error"]["data"]["reason"].as_str(), expected, "{path}: {answer}");
    }
    drop(client);
    service.stop();

    for wrong in ["surprise = 1", "[limits]\nkeys_per_user = 0", "listen = [\"tcp://1\"]"] {
        let config = installation.configure(wrong);
        let mut command = installation.as_user(SERVICE);
        let refused = run(command.args(["app-server", "--config"]).arg(config));
        assert_eq!(refused.status.code(), CONFIGURATION_UNUSABLE, "{wrong}");
    }
    let config = installation.configure("");
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut command = installation.as_user(SERVICE);
    let refused = run(command.args(["app-server", "--config"]).arg(config));
    assert_eq!(refused.status.code(), CONFIGURATION_UNUSABLE, "others can write to the file");
}
