//! Tests of the built program, which are killed and started again.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use device_key_testing::{Postgres, Swtpm};
use rustix::process::{Pid, Signal, kill_process};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::client::{Client, refusal};
use crate::device::Device;
use crate::server::{ORIGIN, PREFIX, accounts};

/// The folder and store of a program, and how the program is started with them.
struct Place {
    folder: TempDir,
    store: Vec<String>,
}

struct Program {
    child: Child,
    client: Client,
}

impl Place {
    fn new(store: impl FnOnce(&TempDir) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("accounts"), accounts()).unwrap();
        let store = store(&folder);
        Self { folder, store }
    }

    fn sqlite() -> Self {
        Self::new(|folder| {
            let path = folder.path().join("devices").to_str().unwrap().to_owned();
            vec!["--sqlite".to_owned(), path]
        })
    }

    fn postgres() -> Self {
        Self::new(|_| vec!["--postgres".to_owned(), Postgres::shared().database()])
    }

    fn accounts(&self) -> PathBuf {
        self.folder.path().join("accounts")
    }

    /// Starts the program without attestation.
    fn start(&self) -> Program {
        self.start_with(&["--attestation", "optional"])
    }

    fn start_with(&self, more: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_device-key-relying-party"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--accounts"]).arg(self.accounts());
        command.args(&self.store).env("RUST_LOG", "trace").stdin(Stdio::null());
        command.stdout(Stdio::piped());
        command.args(["--origin", ORIGIN, "--path-prefix", PREFIX]).args(more);
        // `logs_contain_nothing_secret` reads the log.
        let logs = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("logs"))
            .unwrap();
        let mut child = command.stderr(logs).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).expect("one line of JSON when it is ready");
        assert_eq!((&ready["origin"], &ready["pathPrefix"]), (&json!(ORIGIN), &json!(PREFIX)));
        let address: SocketAddr = ready["address"].as_str().unwrap().parse().unwrap();
        Program { child, client: Client { address } }
    }

    fn logs(&self) -> String {
        fs::read_to_string(self.folder.path().join("logs")).unwrap()
    }
}

impl Program {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn on_each(test: impl AsyncFn(Place)) {
    test(Place::sqlite()).await;
    test(tokio::task::spawn_blocking(Place::postgres).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn used_challenges_stay_used_after_every_process_is_killed() {
    on_each(async |place| {
        let programs = [place.start(), place.start()];
        let device = Device::new(1, "account-a");
        let asked = device.enrollment_challenge(programs[0].client).await;
        let enrollment = device.good_answer(&asked);
        let enrolled = programs[1].client.post("account-a", "/enroll", &enrollment).await;
        assert_eq!(enrolled.0, 201);
        let used = device.connection_challenge(programs[1].client).await;
        let unused = device.connection_challenge(programs[0].client).await;
        let client = programs[0].client;
        let mut socket = client.open(device.good_request(client, &used)).await.ok().unwrap();
        assert_eq!(socket.echo("hello").await, "hello");
        programs.into_iter().for_each(Program::kill);

        let program = place.start();
        let client = program.client;
        let again = client.post("account-a", "/enroll", &enrollment).await;
        assert_eq!(refusal(&again), (404, "challenge_unknown"));
        let again = client.open(device.good_request(client, &used)).await.err().unwrap();
        assert_eq!(refusal(&again), (401, "connection_token_refused"));
        // A challenge that was not used can still be answered.
        assert!(client.open(device.good_request(client, &unused)).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_reaches_another_process_within_a_second() {
    on_each(async |place| {
        let [here, there] = [place.start(), place.start()];
        let device = Device::new(1, "account-a").enrolled(here.client).await;
        let mut socket = device.connect(here.client).await.ok().unwrap();
        assert_eq!(device.revoke(there.client).await.0, 204);
        let closed = timeout(Duration::from_secs(1), socket.closed()).await;
        assert_eq!(closed.expect("within a second"), (1008, "device_revoked".to_owned()));
        let refused = device.ask_for_connection(here.client).await;
        assert_eq!(refusal(&refused), (403, "device_revoked"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_stops_the_command_gracefully() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::sqlite();
        let mut program = place.start();
        let device = Device::new(1, "account-a").enrolled(program.client).await;
        let mut socket = device.connect(program.client).await.ok().unwrap();
        program.signal(signal);
        assert_eq!(socket.closed().await, (1001, "shutting_down".to_owned()));
        drop(socket);
        assert_eq!(device_key_testing::ended(&mut program.child).code(), Some(0));
    }
}

/// Searches the log of a run with full logging for everything that is secret or names somebody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_contain_nothing_secret() {
    on_each(async |place| {
        let program = place.start();
        let client = program.client;
        let device = Device::new(1, "account-a");
        let asked = device.enrollment_challenge(client).await;
        let answer = device.good_answer(&asked);
        assert_eq!(client.post("account-a", "/enroll", &answer).await.0, 201);
        let first = device.connection_challenge(client).await;
        client.open(device.good_request(client, &first)).await.ok().unwrap();
        let again = client.open(device.good_request(client, &first)).await.err().unwrap();
        assert_eq!(again.0, 401);
        let refused = client.post("account-b", "/enroll", &answer).await;
        assert_eq!(refused.0, 404);
        assert_eq!(client.get("account-c", "/devices").await.0, 401);
        device.revoke(client).await;
        program.kill();

        let logs = place.logs();
        assert!(logs.contains(&device.key_id.to_string()), "the key id is not a secret");
        assert!(logs.contains("connection_token_refused"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for secret in [
            text(&asked["nonce"]),
            text(&asked["challengeId"]),
            text(&first["nonce"]),
            text(&first["token"]),
            text(&first["sessionId"]),
            text(&answer["signedPayloadBase64"]),
            "account-a".to_owned(),
            "account-b".to_owned(),
            "account-c".to_owned(),
            "client-1".to_owned(),
        ] {
            assert!(!logs.contains(&secret), "{secret} is in the logs");
        }
    })
    .await;
}

/// Starts the program with roots and intermediates, in PEM and in DER.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_asks_for_attestations_if_it_trusts_a_root() {
    let swtpm = Swtpm::start_with_endorsement();
    let issuer = swtpm.issuer_certificate();
    let pem = fs::read(swtpm.root_certificate()).unwrap();
    let root = swtpm.path("root.der");
    fs::write(&root, CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let root = format!("simulated:{root}");
    let trusting = ["--trust-root", &root, "--intermediate", issuer.to_str().unwrap()];
    let program =
        Place::sqlite().start_with(&[&trusting[..], &["--accept", "simulated_tpm"]].concat());
    let asked = Device::new(1, "account-a").enrollment_challenge(program.client).await;
    assert_eq!(asked["attestation"]["type"], "remoteControlClientAttestation");
}

#[test]
fn the_command_does_not_start_with_unusable_arguments() {
    let place = Place::sqlite();
    let no_certificate = format!("hardware:{}", place.accounts().display());
    let elsewhere = ["--origin", ORIGIN, "--listen", "192.0.2.1:1"];
    for (arguments, code) in [
        // Attestation is required by default, and no root is trusted.
        (&[][..], 2),
        (&["--attestation", "optional", "--accept", "hardware_tpm"], 2),
        (&["--origin", "http://backend.example"], 2),
        (&["--path-prefix", "/wham/"], 2),
        (&["--attestation", "optional", "--listen", "0.0.0.0:0"], 2),
        (&["--attestation", "optional", "--accounts", "/nowhere"], 1),
        (&["--trust-root", "hardware:/nowhere"], 1),
        (&["--trust-root", &no_certificate], 1),
        (&["--attestation", "optional", elsewhere[0], elsewhere[1], elsewhere[2], elsewhere[3]], 1),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_device-key-relying-party"));
        command.arg("serve").args(&place.store).stdin(Stdio::null()).stdout(Stdio::null());
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !arguments.contains(&"--accounts") {
            command.arg("--accounts").arg(place.accounts());
        }
        let status = command.args(arguments).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
