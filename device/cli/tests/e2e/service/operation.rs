//! Signals, the audit log, and the commands that use the running service.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use device_key_testing::Swtpm;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{CLIENT, Client, Installation, SERVICE, Service, give_to_service};
use crate::program::run;
use crate::proof::{DIGEST, Key, NONCE};
use crate::server::reason;

/// A service on a simulator that does not answer, with a creation under way.
fn busy(installation: &Installation, swtpm: &Swtpm) -> (Service, Client) {
    give_to_service(swtpm);
    let mut command = installation.service();
    command.args(["--provider", "tpm", "--allow-simulated-tpm", "--tpm", &swtpm.address()]);
    let service = Service::start(command.args(["--listen", &installation.listen()]));
    let mut client = Client::connect(&installation.socket(), CLIENT);
    swtpm.pause();
    client.send("device/key/create", &json!({"accountUserId": "account", "clientId": "client"}));
    // The creation has begun once a later request is answered.
    client.send("device/key/providers", &json!({}));
    assert_eq!(client.receive().unwrap()["id"], "device/key/providers");
    (service, client)
}

#[test]
fn the_first_signal_lets_requests_in_flight_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let (installation, swtpm) = (Installation::new(), Swtpm::start());
        let (mut service, mut client) = busy(&installation, &swtpm);
        service.signal(signal);
        // A new request is refused once the service has seen the signal.
        loop {
            client.send("device/key/list", &json!({}));
            let answer = client.receive().unwrap();
            if answer.get("error").is_some() {
                assert_eq!(reason(&answer), "shutting_down");
                break;
            }
        }
        swtpm.resume();
        let created = client.receive().unwrap();
        assert!(created["result"]["keyId"].is_string(), "{created}");
        assert_eq!(client.receive(), None);
        assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    }
}

#[test]
fn the_second_signal_ends_the_service_at_once() {
    let (installation, swtpm) = (Installation::new(), Swtpm::start());
    let (mut service, mut client) = busy(&installation, &swtpm);
    service.signal(Signal::TERM);
    loop {
        client.send("device/key/list", &json!({}));
        if client.receive().unwrap().get("error").is_some() {
            break;
        }
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(130));
    swtpm.resume();
}

/// A shell starts a job in the background with these signals ignored.
#[test]
fn signals_that_a_parent_ignored_still_end_the_service() {
    for signal in [Signal::INT, Signal::QUIT] {
        let installation = Installation::new();
        let mut command = Command::new("env");
        command.arg("--ignore-signal=HUP,INT,QUIT").arg(installation.program());
        command.args(["app-server", "--service", "--provider", "os", "--home"]);
        command.arg(installation.home()).args(["--listen", &installation.listen()]);
        command.env_clear().uid(SERVICE).gid(SERVICE).current_dir("/");
        let mut service = Service::start(&mut command);
        service.signal(Signal::HUP);
        service.signal(signal);
        assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    }
}

/// Whoever starts the tests may ignore signals too. The tests need the defaults.
#[test]
fn the_tests_themselves_ignore_no_signal() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT] {
        assert_eq!(ignored >> (signal.as_raw() - 1) & 1, 0, "{signal:?}: start them with cargo");
    }
}

#[test]
fn every_operation_and_refusal_is_audited_without_secrets() {
    let installation = Installation::new();
    let service = installation.start(&[]);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let secret_account = "account-that-is-nobodys-business";
    let mut params = super::binding("allow_os_protected_nonextractable");
    params["accountUserId"] = json!(secret_account);
    let created = client.call("device/key/create", &params);
    let key = Key::of_any_class(secret_account, "client", &created);
    assert!(client.call("device/key/sign", &key.sign_params())["result"].is_object());
    let mut expired = key.sign_params();
    expired["payload"]["tokenExpiresAt"] = json!(1);
    assert_eq!(reason(&client.call("device/key/sign", &expired)), "expired");
    let unknown = json!({"keyId": "dk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
    assert_eq!(reason(&client.call("device/key/public", &unknown)), "key_not_found");
    assert!(client.call("device/key/public", &json!({"keyId": key.id}))["result"].is_object());
    assert_eq!(client.call("device/key/delete", &json!({"keyId": key.id}))["result"], json!({}));
    drop(client);
    let log = service.stop();

    let audited: Vec<&str> = log.lines().filter(|line| line.contains("audit")).collect();
    let expected = [
        ("device/key/create", "ok"),
        ("device/key/sign", "ok"),
        ("device/key/sign", "expired"),
        ("device/key/public", "key_not_found"),
        ("device/key/delete", "ok"),
    ];
    assert_eq!(audited.len(), expected.len(), "{log}");
    let own_pid = std::process::id();
    for (line, (method, outcome)) in audited.iter().zip(expected) {
        for part in [
            format!("method=\"{method}\""),
            format!("outcome=\"{outcome}\""),
            format!("uid={CLIENT}"),
            format!("pid={own_pid}"),
            "command_unverified=".to_owned(),
        ] {
            assert!(line.contains(&part), "{part} is not in {line}");
        }
    }
    assert!(audited[1].contains(&key.id) && audited[4].contains(&key.id));
    assert!(audited[1].contains("https://chatgpt.com"), "{}", audited[1]);
    assert!(audited[1].contains("remoteControlClientConnection"), "{}", audited[1]);
    for secret in [secret_account, NONCE, DIGEST] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn the_commands_use_the_running_service() {
    let installation = Installation::new();
    let service = installation.start(&[]);
    let command = |subcommand: &str| {
        let mut command = installation.as_user(CLIENT);
        command.arg(subcommand).arg("--json").arg("--socket").arg(installation.socket());
        command.args(["--service-uid", &SERVICE.to_string()]);
        command
    };
    let result = |command: &mut Command| -> Value {
        let output = run(command);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{log}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let mut create = command("create");
    create.args(["--account", "account", "--client", "client", "--policy"]);
    let created = result(create.arg("allow-os-protected-nonextractable"));
    let key_id = created["keyId"].as_str().unwrap();
    assert_eq!(result(command("public").arg(key_id)), created);
    let listed = result(&mut command("list"));
    assert_eq!(listed["keys"][0]["keyId"], key_id);
    let key = Key::of_any_class("account", "client", &json!({"result": created}));
    let payload = installation.folder.path().join("payload.json");
    std::fs::write(&payload, key.payload().to_string()).unwrap();
    let signed = result(command("sign").arg(key_id).arg("--payload").arg(&payload));
    key.verify(&json!({"result": signed}));
    let providers = result(&mut command("providers"));
    assert_eq!(providers["providers"][0]["available"], true, "{providers}");
    assert_eq!(result(command("delete").arg(key_id)), json!({}));
    let again = run(command("delete").arg(key_id));
    assert_eq!(again.status.code(), Some(1), "refused by the service");
    service.stop();
}

#[test]
fn root_purges_the_keys_of_a_user_who_is_gone() {
    let installation = Installation::new();
    let service = installation.start(&[]);
    let mut gone = Client::connect(&installation.socket(), CLIENT);
    gone.create();
    gone.create();
    let admin = |uid: u32, arguments: &[&str]| {
        let mut command = installation.as_user(uid);
        command.arg("admin").args(arguments).arg("--socket").arg(installation.socket());
        run(command.args(["--service-uid", &SERVICE.to_string()]))
    };
    let of_client = CLIENT.to_string();
    let json_of = |arguments: &[&str]| -> Value {
        let output = admin(0, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let users = json!({"users": [{"uid": CLIENT, "keys": 2}]});
    assert_eq!(json_of(&["list", "--json"]), users);
    assert_eq!(json_of(&["list", "--json", "--uid", &of_client]), users);
    assert_eq!(admin(CLIENT, &["purge", "--uid", &of_client]).status.code(), Some(1), "refused");
    assert_eq!(admin(0, &["purge"]).status.code(), Some(2), "a purge needs a user");
    assert_eq!(json_of(&["purge", "--json", "--uid", &of_client]), json!({"purged": 2}));
    assert_eq!(String::from_utf8(admin(0, &["list"]).stdout).unwrap(), "no keys\n");
    assert_eq!(gone.call("device/key/list", &json!({}))["result"]["keys"], json!([]));
    drop(gone);
    let log = service.stop();
    let files = std::fs::read_dir(installation.home().join("keys/os")).unwrap().count();
    assert_eq!(files, 0, "the material is gone when the service has ended");
    let audited = |outcome: &str| {
        let parts = ["method=\"device/key/admin/purge\"", &format!("outcome=\"{outcome}\"")];
        let line = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        line.unwrap_or_else(|| panic!("{log}")).to_owned()
    };
    assert!(audited("ok").contains(&format!("of_uid={CLIENT}")), "{log}");
    assert!(audited("not_permitted").contains(&format!(" uid={CLIENT}")), "{log}");
}

#[test]
fn doctor_shows_each_condition_of_the_class() {
    let installation = Installation::new();
    let mut doctor = installation.as_user(SERVICE);
    doctor.args(["doctor", "--json", "--service", "--provider", "os", "--home"]);
    let report = run(doctor.arg(installation.home()));
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let names: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    for condition in [
        "key_folder",
        "ancestors",
        "dumpable",
        "new_privileges",
        "core_dumps",
        "binary",
        "user_namespace",
    ] {
        assert!(
            names.iter().any(|name| name.contains(condition)),
            "{condition} is not among {names:?}"
        );
    }
}
