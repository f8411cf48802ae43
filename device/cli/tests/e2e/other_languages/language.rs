//! Runs the examples as programs, and the verifier crate for comparison.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::{env, fs};

use device_key_types::payload::{Draft, SignPayload, SyntaxOnly, device_identity_digest};
use device_key_types::{ProtectionClass, Reason, UnixTime};
use device_key_verifier::{Proof, ProofError, ProofKey, verify_connection, verify_enrollment};
use serde_json::{Value, json};

use super::case::{Case, remove};
use crate::program::{run, run_on};

pub(crate) const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples");

/// Asserts that every language gives every case its outcome.
pub(crate) fn judge(cases: &[Case]) {
    let lines: String = cases.iter().map(Case::line).collect();
    for (language, command) in commands() {
        let output = run_lines(command, &lines);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{language}: {said}");
        let outcomes = String::from_utf8(output.stdout).unwrap();
        assert_eq!(outcomes.lines().count(), cases.len(), "{language}");
        for (case, outcome) in cases.iter().zip(outcomes.lines()) {
            assert_eq!(outcome, case.outcome, "{language}: {}", case.name);
        }
    }
    for case in cases {
        assert_eq!(crate_outcome(case), case.outcome, "Rust: {}", case.name);
    }
}

/// The output of the examples for these lines, by language.
pub(crate) fn outputs(lines: &str) -> [(&'static str, Output); 2] {
    commands().map(|(language, command)| (language, run_lines(command, lines)))
}

fn commands() -> [(&'static str, Command); 2] {
    let mut python = Command::new(&*PYTHON);
    // Python must not write compiled files next to the source.
    python.args(["-B", "-W", "error"]).arg(Path::new(EXAMPLES).join("python/run_cases.py"));
    let mut node = Command::new("node");
    node.arg(COMPILED.join("run-cases.js"));
    [("Python", python), ("TypeScript", node)]
}

fn run_lines(mut command: Command, lines: &str) -> Output {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    run_on(&mut command, input)
}

/// The first Python that has the package. A machine may have several Pythons, and the system's
/// packages belong to only one of them.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = env::var_os("PATH").unwrap();
    env::split_paths(&path)
        .map(|folder| folder.join("python3"))
        .filter(|python| python.is_file())
        .find(|python| {
            run(Command::new(python).args(["-c", "import cryptography"])).status.success()
        })
        .expect("a python3 with the package cryptography: `cargo xtask setup` installs it")
});

/// The folder of the compiled TypeScript, whose types were checked.
static COMPILED: LazyLock<PathBuf> = LazyLock::new(|| {
    let example = Path::new(EXAMPLES).join("typescript");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let installed = scratch.parent().unwrap().join("typescript");
    let lock = |folder: &Path| fs::read(folder.join("package-lock.json")).ok();
    assert!(
        lock(&installed).is_some_and(|installed| Some(installed) == lock(&example)),
        "TypeScript in its locked version: `cargo xtask setup` installs it"
    );
    let folder = scratch.join("typescript-example");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir(&folder).unwrap();
    for file in ["verify.ts", "run-cases.ts", "tsconfig.json", "package.json"] {
        fs::copy(example.join(file), folder.join(file)).unwrap();
    }
    symlink(installed.join("node_modules"), folder.join("node_modules")).unwrap();
    let compiler = folder.join("node_modules/typescript/bin/tsc");
    let compiled = run(Command::new("node").arg(compiler).arg("--project").arg(&folder));
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    folder
});

/// The outcome of the verifier crate, in the format of the examples.
fn crate_outcome(case: &Case) -> String {
    let Ok(key) = ProofKey::from_spki_der(&case.spki) else {
        return ProofError::InvalidPublicKey(device_key_types::InvalidPublicKey)
            .reason()
            .to_owned();
    };
    let proof =
        Proof { signed_bytes: &case.signed, signature_der: &case.signature, public_key: &key };
    let now = UnixTime::from_seconds(case.now);
    let error = match expected(case, &key) {
        SignPayload::Connection(expected) => verify_connection(&proof, &expected, now).err(),
        SignPayload::Enrollment(expected) => verify_enrollment(&proof, &expected, now).err(),
    };
    let Some(error) = error else { return "ok".to_owned() };
    let reason = match &error {
        ProofError::Field(error)
            if !matches!(error.reason, Reason::Expired | Reason::ExpiresTooLate) =>
        {
            // An invalid value cannot be the value that the backend expects.
            ProofError::Mismatch(error.field).reason()
        }
        error => error.reason(),
    };
    match error.field() {
        Some(field) => format!("{reason}:{field}"),
        None => reason.to_owned(),
    }
}

/// The expected payload, from the case that the examples read.
fn expected(case: &Case, key: &ProofKey) -> SignPayload {
    let mut payload = case.expected.clone();
    if case.statement == "connection" {
        payload["type"] = json!("remoteControlClientConnection");
        payload["audience"] = json!("remote_control_client_websocket");
        payload["scopes"] = json!(["remote_control_controller_websocket"]);
    } else {
        payload["type"] = json!("remoteControlClientEnrollment");
        payload["audience"] = json!("remote_control_client_enrollment");
        payload["deviceIdentitySha256Base64url"] = identity(&payload, key);
        remove(&mut payload, &["keyId", "protectionClass"]);
    }
    Draft::from_json(&payload.to_string()).unwrap().parse(&SyntaxOnly).unwrap()
}

fn identity(payload: &Value, key: &ProofKey) -> Value {
    let id = payload["keyId"].as_str().unwrap().parse().unwrap();
    let class: ProtectionClass = payload["protectionClass"].as_str().unwrap().parse().unwrap();
    json!(device_identity_digest(&id, class, key.public_key()).unwrap().to_string())
}
