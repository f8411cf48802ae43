//! The commands that use keys, in process and on a simulated TPM.

use std::path::Path;
use std::process::Output;
use std::{env, fs};

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use crate::home::Home;
use crate::program::{ABSENT, device_key, on, run, run_on};
use crate::proof::{ATTESTED, Key, decoded};
use crate::server::Server;

const REFUSED: Option<i32> = Some(1);
const WRONG_USAGE: Option<i32> = Some(2);
const STATE_UNUSABLE: Option<i32> = Some(3);

pub(crate) fn stdout(output: &Output) -> String {
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.is_empty(), "{log}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The result, in the envelope that the protocol gives it.
fn answer(output: &Output) -> Value {
    let text = stdout(output);
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    json!({"result": serde_json::from_str::<Value>(&text).unwrap()})
}

/// Asserts the exit code, an empty standard output, and that standard error contains the reason.
#[track_caller]
pub(crate) fn assert_failed(output: &Output, code: Option<i32>, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (code, &b""[..]), "{said}");
    assert!(said.contains(reason), "{reason} is missing in: {said}");
}

struct Machine {
    home: Home,
    swtpm: Swtpm,
}

impl Machine {
    fn new() -> Self {
        Self { home: Home::new(), swtpm: Swtpm::start() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let (subcommand, rest) = arguments.split_first().unwrap();
        let mut command = on(subcommand, &self.home.path(), &self.swtpm.address());
        run(command.arg("--in-process").args(rest))
    }

    fn create(&self) -> Key {
        let arguments = ["create", "--account", "account", "--client", "client", "--json"];
        Key::new("account", "client", &answer(&self.run(&arguments)))
    }

    fn payload(&self, text: &str) -> String {
        self.file("payload.json", text)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.beside(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn a_key_is_created_shown_and_used() {
    let machine = Machine::new();
    let key = machine.create();
    let public = answer(&machine.run(&["public", &key.id, "--json"]));
    assert_eq!(Key::new("account", "client", &public).id, key.id);
    // A file on many lines, as people write it.
    let payload = serde_json::to_string_pretty(&key.payload()).unwrap().replace('\n', "\r\n");
    let file = machine.payload(&format!("\n{payload}\n"));
    let signed = answer(&machine.run(&["sign", &key.id, "--payload", &file, "--json"]));
    let message = key.verify(&signed);
    assert!(key.openssl_verifies(&signed, &message));
    let mut command = on("sign", &machine.home.path(), &machine.swtpm.address());
    command.args([&key.id, "--payload", "-", "--json", "--in-process"]);
    let input = fs::File::open(&file).unwrap();
    key.verify(&answer(&run_on(&mut command, input)));
    assert_eq!(machine.home.assert_at_rest().len(), 1);
}

/// The two steps as a person or a script takes them. tpm2-tools play the backend.
#[test]
fn a_key_is_attested() {
    let machine = Machine::new();
    let key = machine.create();
    let challenge = machine.file("challenge.json", &key.challenge().to_string());
    let attest = ["attest", &key.id, "--challenge", &challenge, "--endorsement-key", "rsa_2048"];
    assert_failed(&machine.run(&attest), REFUSED, "origin_not_allowed");
    // Everybody can write to /tmp, so a configuration there is refused.
    let trusted = tempfile::tempdir_in(env::home_dir().unwrap()).unwrap();
    let config = trusted.path().join("config.toml");
    fs::write(&config, ATTESTED).unwrap();
    let config = config.to_str().unwrap();
    let attest = [&attest[..], &["--config", config]].concat();
    let identity = answer(&machine.run(&[&attest[..], &["--json"]].concat()));
    assert_eq!(identity["result"]["endorsementKey"], "rsa_2048");
    let credential = key.activate_params(&machine.swtpm, &identity, b"secret").to_string();
    let credential = machine.file("credential.json", &credential);
    let attest = [&attest[..], &["--credential", &credential]].concat();
    let activation = answer(&machine.run(&[&attest[..], &["--json"]].concat()));
    assert_eq!(decoded(&activation["result"]["secretBase64"]), b"secret");
    let shown = stdout(&machine.run(&attest));
    assert!(!shown.contains(activation["result"]["secretBase64"].as_str().unwrap()), "{shown}");

    // A credential for one key of a TPM does not attest another key of that TPM.
    let other = machine.create();
    let attest = [&["attest", &other.id], &attest[2..]].concat();
    assert_failed(&machine.run(&attest), REFUSED, "credential_not_activated");
    let malformed = machine.file("credential.json", "{}");
    let attest = [
        ["attest", &key.id, "--challenge", &challenge],
        ["--config", config, "--credential", &malformed],
    ]
    .concat();
    assert_failed(&machine.run(&attest), WRONG_USAGE, "credential");
}

/// An app-server can use a key that a command created in its own process.
#[test]
fn an_app_server_on_the_same_home_has_the_same_keys() {
    let machine = Machine::new();
    let key = machine.create();
    let mut server = Server::start(&mut machine.home.app_server(&machine.swtpm.address()));
    server.prove(&key);
    let other = server.create("account", "client");
    let public = answer(&machine.run(&["public", &other.id, "--json"]));
    assert_eq!(Key::new("account", "client", &public).id, other.id);
    server.finish_well();
}

#[test]
fn people_get_a_table() {
    let machine = Machine::new();
    let arguments = ["create", "--account", "account", "--client", "client"];
    let created = stdout(&machine.run(&arguments));
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {text}"))[name.len()..].trim().to_owned()
    };
    assert!(!created.contains('\u{1b}'), "no colour in a pipe");
    assert_eq!(value(&created, "protection"), "hardware_tpm");
    assert_eq!(value(&created, "kind of TPM"), "simulated");
    assert_eq!(value(&created, "algorithm"), "ecdsa_p256_sha256");
    let id = value(&created, "key id");
    assert_eq!(stdout(&machine.run(&["public", &id])), created);
    let public = answer(&machine.run(&["public", &id, "--json"]));
    assert_eq!(value(&created, "public key"), public["result"]["publicKeySpkiDerBase64"]);
    let key = Key::new("account", "client", &public);
    let file = machine.payload(&key.payload().to_string());
    let signed = stdout(&machine.run(&["sign", &id, "--payload", &file]));
    key.verify(&json!({"result": {
        "algorithm": value(&signed, "algorithm"),
        "signatureDerBase64": value(&signed, "signature"),
        "signedPayloadBase64": value(&signed, "signed payload"),
    }}));
}

#[test]
fn keys_are_listed_and_deleted() {
    let machine = Machine::new();
    assert_eq!(stdout(&machine.run(&["list"])), "no keys\n");
    let (first, second) = (machine.create(), machine.create());
    let ids = |arguments: &[&str]| {
        let page =
            answer(&machine.run(&[&["list", "--json"], arguments].concat()))["result"].take();
        let id = |key: &Value| key["keyId"].as_str().unwrap().to_owned();
        let ids: Vec<_> = page["keys"].as_array().unwrap().iter().map(id).collect();
        (ids, page["nextCursor"].as_str().map(str::to_owned))
    };
    let mut both = vec![first.id.clone(), second.id.clone()];
    both.sort();
    assert_eq!(ids(&["--account", "account"]), (both.clone(), None));
    assert_eq!(ids(&["--client", "other"]), (vec![], None));
    let (page, cursor) = ids(&["--limit", "1"]);
    assert_eq!(page, both[..1]);
    assert_eq!(ids(&["--cursor", &cursor.unwrap()]), (both[1..].to_vec(), None));
    let table = stdout(&machine.run(&["list"]));
    let listed: Vec<_> =
        table.lines().skip(1).map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(listed, both);

    let deleted = stdout(&machine.run(&["delete", &first.id]));
    assert_eq!(deleted, format!("deleted {}\n", first.id));
    for command in ["delete", "public"] {
        assert_failed(&machine.run(&[command, &first.id]), REFUSED, "key_not_found");
    }
    assert_eq!(answer(&machine.run(&["delete", &second.id, "--json"]))["result"], json!({}));
    assert!(machine.home.assert_at_rest().is_empty());
}

#[test]
fn providers_in_process() {
    let machine = Machine::new();
    let result = answer(&machine.run(&["providers", "--json"]))["result"].take();
    let providers = result["providers"].as_array().unwrap();
    let tpm = providers.iter().find(|provider| provider["name"] == "tpm").unwrap();
    assert_eq!(tpm["available"], true);
    let table = stdout(&machine.run(&["providers"]));
    assert_eq!(table.lines().count(), providers.len() + 1, "{table}");
}

#[test]
fn a_refusal_says_why() {
    let machine = Machine::new();
    let key = machine.create();
    let nobodys = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert_failed(&machine.run(&["public", nobodys]), REFUSED, "key_not_found");
    for (field, value, reason) in [
        ("clientId", "other", "binding_mismatch"),
        ("targetOrigin", "https://evil.example", "payload.targetOrigin"),
        ("surplus", "member", "invalid_params"),
    ] {
        let mut payload = key.payload();
        payload[field] = json!(value);
        let file = machine.payload(&payload.to_string());
        let output = machine.run(&["sign", &key.id, "--payload", &file, "--json"]);
        assert_failed(&output, REFUSED, reason);
    }
    let file = machine.payload("[]");
    let output = machine.run(&["sign", &key.id, "--payload", &file]);
    assert_failed(&output, REFUSED, "invalid_params");
}

#[test]
fn without_hardware_nothing_is_created() {
    let home = Home::new();
    let create = |policy: &[&str]| {
        let mut command = on("create", &home.path(), ABSENT);
        command.args(["--in-process", "--account", "account", "--client", "client"]).args(policy);
        run(&mut command)
    };
    assert_failed(&create(&[]), REFUSED, "hardware_unavailable");
    assert_failed(&create(&["--policy", "hardware-only"]), REFUSED, "hardware_unavailable");
    let degraded = create(&["--policy", "allow-os-protected-nonextractable"]);
    assert_failed(&degraded, REFUSED, "os_protection_unavailable");
    assert_eq!(home.assert_at_rest().len(), 0);
}

#[test]
fn a_file_that_is_not_a_payload_is_wrong_usage() {
    let machine = Machine::new();
    let id = machine.create().id;
    let absent = machine.home.beside("absent").to_str().unwrap().to_owned();
    assert_failed(&machine.run(&["sign", &id, "--payload", &absent]), WRONG_USAGE, &absent);
    let too_large = format!("{{\"a\":\"{}\"}}", "a".repeat(1024 * 1024));
    let twice = "{\"nonce\":\"a\",\"nonce\":\"b\"}";
    for text in ["", "{", "{} {}", "text", twice, "{\"a\":\"\n\"}", &too_large] {
        let file = machine.payload(text);
        let output = machine.run(&["sign", &id, "--payload", &file]);
        assert_failed(&output, WRONG_USAGE, "payload.json");
    }
}

#[test]
fn wrong_usage() {
    let id = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let cases: [&[&str]; 19] = [
        &["create"],
        &["create", "--account", "account"],
        &["create", "--account", "", "--client", "client"],
        &["create", "--account", "account", "--client", "a\nb"],
        &["create", "--account", "account", "--client", "client", "--policy", "hardware_only"],
        &["public"],
        &["public", "dk_short"],
        &["public", "../../etc/passwd"],
        &["public", id, "surplus"],
        &["sign", id],
        &["delete"],
        &["list", "--limit", "0"],
        &["list", "--limit", "many"],
        &["list", "--socket", "relative"],
        &["list", "--service-uid", "root"],
        &["list", "--timeout", "0"],
        // Flags that would have no effect are refused.
        &["list", "--home", "/var/lib/device-key"],
        &["public", id, "--tpm", "/dev/tpm0"],
        &["providers", "--in-process", "--socket", "/run/device-key/device-key.sock"],
    ];
    for arguments in cases {
        let output = run(device_key(arguments[0]).args(&arguments[1..]));
        assert_eq!(output.status.code(), WRONG_USAGE, "{arguments:?}");
        assert_eq!(&*output.stdout, b"", "{arguments:?}");
    }
    for flag in ["--allow-simulated-tpm", "--service-uid=0"] {
        let in_process = if flag.starts_with("--s") { &["--in-process"][..] } else { &[] };
        let output = run(device_key("list").arg(flag).args(in_process));
        assert_eq!(output.status.code(), WRONG_USAGE, "{flag}");
    }
}

#[test]
fn variables_replace_flags_with_and_without_a_service() {
    let machine = Machine::new();
    let key = machine.create();
    let output = run(device_key("public")
        .args([&*key.id, "--in-process", "--json"])
        .env("DEVICE_KEY_HOME", machine.home.path())
        .env("DEVICE_KEY_TPM", machine.swtpm.address())
        .env("DEVICE_KEY_ALLOW_SIMULATED_TPM", "1")
        .env("DEVICE_KEY_SOCKET", "/nowhere"));
    assert_eq!(answer(&output)["result"]["keyId"], *key.id);
}

#[test]
fn a_home_that_cannot_be_used_has_its_own_exit_code() {
    let output =
        run(device_key("list").args(["--in-process", "--home"]).arg(Path::new("/dev/null")));
    assert_failed(&output, STATE_UNUSABLE, "/dev/null");
}
