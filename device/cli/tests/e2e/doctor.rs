//! The commands for people: `doctor` and `demo`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;

use device_key_testing::Swtpm;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::home::Home;
use crate::program::{ABSENT, device_key, on, run};
use crate::server::Server;

const NOT_AS_EXPECTED: Option<i32> = Some(1);

/// The verdict of each check of `doctor --json`. A check that does not pass says how to fix it.
fn verdicts(output: &Output) -> BTreeMap<String, String> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |check: &Value, member: &str| check[member].as_str().unwrap().to_owned();
    let checks = report["checks"].as_array().unwrap();
    for check in checks {
        assert!(!text(check, "found").is_empty(), "{check}");
        let cure = check["cure"].as_str().unwrap_or_default();
        assert_eq!(cure.is_empty(), check["verdict"] == "pass", "{check}");
    }
    let verdicts: BTreeMap<_, _> =
        checks.iter().map(|check| (text(check, "name"), text(check, "verdict"))).collect();
    assert_eq!(verdicts.len(), checks.len(), "each check has its own name");
    verdicts
}

/// These verdicts, and those of the effective settings, which always pass.
fn expected(verdicts: &[(&str, &str)]) -> BTreeMap<String, String> {
    let policy = ["configuration", "mode", "listeners", "providers", "backends", "limits"];
    let policy = policy.map(|name| (name, "pass"));
    policy
        .iter()
        .chain(verdicts)
        .map(|&(name, verdict)| (name.to_owned(), verdict.to_owned()))
        .collect()
}

#[test]
fn doctor_passes_on_a_good_machine_and_changes_nothing() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    // A server is at work at the same time.
    let report = run(on("doctor", &home.path(), &swtpm.address()).arg("--json"));
    assert_eq!(report.status.code(), Some(0));
    let well = expected(&[
        ("home folder", "pass"),
        ("state database", "pass"),
        ("key files", "pass"),
        ("TPM 2.0", "pass"),
        ("kind of TPM", "warn"),
        ("OS keystore", "pass"),
        ("storage root key", "pass"),
        ("attestation", "warn"),
    ]);
    assert_eq!(verdicts(&report), well);
    server.prove(&key);
    server.finish_well();
    let table = run(&mut on("doctor", &home.path(), &swtpm.address()));
    let table_text = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.status.code(), Some(0));
    for name in well.keys() {
        assert!(table_text.contains(name.as_str()), "{name} is missing in {table_text}");
    }
    assert!(!table_text.contains('\u{1b}'), "no colour in a pipe");
    assert_eq!(home.assert_at_rest().len(), 1);
}

#[test]
fn doctor_finds_the_certificates_of_endorsement_keys() {
    let swtpm = Swtpm::start_with_endorsement();
    let report = run(on("doctor", &Home::new().path(), &swtpm.address()).arg("--json"));
    assert_eq!(report.status.code(), Some(0));
    assert_eq!(verdicts(&report)["attestation"], "pass");
}

#[test]
fn doctor_fails_without_a_tpm_that_is_allowed() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut not_allowed = device_key("doctor");
    not_allowed.arg("--home").arg(home.path()).args(["--tpm", &swtpm.address()]);
    for mut command in [on("doctor", &home.path(), ABSENT), not_allowed] {
        assert_eq!(run(&mut command).status.code(), NOT_AS_EXPECTED);
        let report = run(command.arg("--json"));
        assert_eq!(report.status.code(), NOT_AS_EXPECTED);
        let failing = [
            ("home folder", "pass"),
            ("state database", "pass"),
            ("key files", "pass"),
            ("TPM 2.0", "fail"),
            ("OS keystore", "pass"),
        ];
        assert_eq!(verdicts(&report), expected(&failing));
    }
}

#[test]
fn doctor_warns_of_key_files_without_a_record() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    server.finish_well();
    fs::remove_file(home.database()).unwrap();
    let report = run(on("doctor", &home.path(), &swtpm.address()).arg("--json"));
    assert_eq!(verdicts(&report)["key files"], "warn");
    assert_eq!(report.status.code(), Some(0));
    assert!(home.key_files().contains(&key.id), "the doctor removes nothing");
}

/// A key that has lost its file can no longer sign.
#[test]
fn doctor_warns_of_records_without_a_key_file() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    server.finish_well();
    fs::remove_file(home.path().join("keys/tpm").join(format!("{}.pem", key.id))).unwrap();
    let report = run(on("doctor", &home.path(), &swtpm.address()).arg("--json"));
    assert_eq!(verdicts(&report)["key files"], "warn");
}

/// The damage of one record costs only its own key.
#[test]
fn a_damaged_record_is_left_out_and_can_be_deleted() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let (key, damaged) = (server.create("account", "client"), server.create("account", "client"));
    server.finish_well();
    let database = Connection::open(home.database()).unwrap();
    let sql = "UPDATE device_key_bindings SET public_key_spki_der = x'00' WHERE key_id = ?1";
    assert_eq!(database.execute(sql, [&damaged.id]), Ok(1));
    drop(database);

    let report = run(on("doctor", &home.path(), &swtpm.address()).arg("--json"));
    assert_eq!(verdicts(&report)["state database"], "warn");
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let listed = server.call("device/key/list", &json!({}));
    assert_eq!(listed["result"]["keys"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["result"]["keys"][0]["keyId"], key.id.as_str());
    server.prove(&key);
    let deleted = server.call("device/key/delete", &json!({"keyId": damaged.id}));
    assert!(deleted["result"].is_object(), "{deleted}");
    server.finish_well();
    assert_eq!(home.assert_at_rest(), BTreeSet::from([key.id]));
}

#[test]
fn everything_under_the_home_is_private() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    server.prove(&key);
    // The folders home, keys, tpm, os and lock; database, log, index, reserve, key and lease.
    assert_eq!(home.assert_private(), 11);
    server.finish_well();
    assert!(home.assert_private() >= 6);
}

#[test]
fn the_demo_goes_as_expected() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut command = device_key("demo");
    command.args(["--tpm", &swtpm.address(), "--allow-simulated-tpm"]);
    let output = run(&mut command);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(log, "", "no log line appears between the demo's lines");
    let logged = run(command.env("RUST_LOG", "info")).stderr;
    assert!(!logged.is_empty(), "RUST_LOG brings the log back");
    let output = run(&mut on("demo", &home.path(), &swtpm.address()));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(home.assert_at_rest().len(), 1, "the demo keeps its key if a home was named");
    let output = run(&mut on("demo", &home.path(), ABSENT));
    assert_eq!(output.status.code(), NOT_AS_EXPECTED);
    assert!(!output.stderr.is_empty(), "the log explains an outcome that is not as expected");
}
