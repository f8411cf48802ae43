//! Kills processes that share a home, at any moment of their work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use super::{Luck, Tally, any_class, endure};
use crate::home::Home;
use crate::proof::Key;
use crate::server::Server;
use crate::service::{CLIENT, Installation, SERVICE, Service};

const OUTCOME: &str = "every key whose creation was answered signs, every key whose deletion was \
                       answered is gone, nothing half-made is left, no answer came twice";
const REQUESTS: usize = 24;
/// Longer than the requests of a round take.
const LONGEST: Duration = Duration::from_millis(60);
/// How many keys are kept from one round to the next.
const KEPT: usize = 12;

/// Where the processes keep their keys.
enum Site {
    Tpm { home: Home, swtpm: Swtpm },
    Os { installation: Installation },
}

/// A process and the connection to it.
struct Running {
    server: Server,
    /// The process, if `server` is only its relay.
    service: Option<Service>,
}

impl Site {
    fn tpm() -> Self {
        Self::Tpm { home: Home::new(), swtpm: Swtpm::start() }
    }

    fn os() -> Self {
        Self::Os { installation: Installation::new() }
    }

    fn home(&self) -> Home {
        Home::at(match self {
            Self::Tpm { home, .. } => home.path(),
            Self::Os { installation } => installation.home(),
        })
    }

    /// Starts a process, the one of this number among those that share the home.
    fn start(&self, number: usize) -> Running {
        match self {
            Self::Tpm { home, swtpm } => {
                let server = Server::start(&mut home.app_server(&swtpm.address()));
                Running { server, service: None }
            }
            Self::Os { installation } => {
                let socket = installation.socket().with_file_name(format!("{number}.sock"));
                let mut command = installation.service();
                command.args(["--provider", "os", "--listen"]);
                command.arg(format!("unix://{}", socket.display()));
                let service = Some(Service::start(&mut command));
                let mut relay = installation.as_user(CLIENT);
                relay.args(["app-server", "--service-uid", &SERVICE.to_string(), "--connect"]);
                Running { server: Server::start(relay.arg(socket)), service }
            }
        }
    }
}

impl Running {
    /// Kills the process. Returns the answers that had come.
    fn kill(self) -> Vec<Value> {
        if let Some(service) = self.service {
            service.kill();
        }
        self.server.kill()
    }

    fn finish(self) {
        self.server.finish_well();
        if let Some(service) = self.service {
            service.stop();
        }
    }
}

/// What a round asked a process to do.
#[derive(Default)]
struct Asked {
    signed: BTreeMap<i64, String>,
    deleted: BTreeMap<i64, String>,
    answers: Vec<Value>,
}

fn ask(server: &mut Server, keys: &BTreeMap<String, Key>, luck: &mut Luck) -> Asked {
    let mut asked = Asked::default();
    for _ in 0..REQUESTS {
        let key = keys.values().nth(luck.below(keys.len().max(1)));
        match (luck.below(6), key) {
            (0 | 1, Some(key)) => {
                let id = server.request("device/key/sign", &key.sign_params());
                asked.signed.insert(id, key.id.clone());
            }
            (2, Some(key)) => {
                let id = server.request("device/key/delete", &json!({"keyId": key.id}));
                asked.deleted.insert(id, key.id.clone());
            }
            _ => {
                server.request("device/key/create", &any_class());
            }
        }
    }
    asked
}

/// Kills all processes of a round at moments of their own, and looks at what is left.
fn round(
    site: &Site,
    processes: usize,
    keys: &mut BTreeMap<String, Key>,
    luck: &mut Luck,
    tally: &mut Tally,
) {
    let mut running: Vec<_> = (0..processes).map(|number| site.start(number)).collect();
    let mut asked: Vec<_> =
        running.iter_mut().map(|process| ask(&mut process.server, keys, luck)).collect();
    let mut gone = BTreeSet::new();
    while !running.is_empty() {
        let victim = luck.below(running.len());
        let (process, mut request) = (running.remove(victim), asked.remove(victim));
        let moment = Instant::now() + luck.time_below(LONGEST);
        while let Some(left) = moment.checked_duration_since(Instant::now())
            && let Some(answer) = process.server.receive_within(left)
        {
            request.answers.push(answer);
        }
        request.answers.extend(process.kill());
        tally.add("kills", 1);
        gone.extend(settle(&request, keys, tally));
    }
    let interrupted = site.home().records("creating").len() + site.home().records("deleting").len();
    tally.add("interrupted creations and deletions", interrupted);

    site.start(0).finish();
    let ready = site.home().assert_at_rest();
    assert!(keys.keys().all(|id| ready.contains(id)), "an answered key is lost");
    assert!(ready.is_disjoint(&gone), "a deleted key is back");
    let mut process = site.start(0);
    for id in &ready {
        let known = keys.get(id).cloned();
        let key = known.unwrap_or_else(|| {
            let answer = process.server.call("device/key/public", &json!({"keyId": id}));
            Key::of_any_class("account", "client", &answer)
        });
        process.server.prove(&key);
        keys.insert(id.clone(), key);
    }
    while keys.len() > KEPT
        && let Some((id, _)) = keys.pop_first()
    {
        process.server.delete(&id);
    }
    process.finish();
}

/// Verifies the answers, and notes which keys they create. Returns the keys that they delete.
fn settle(asked: &Asked, keys: &mut BTreeMap<String, Key>, tally: &mut Tally) -> BTreeSet<String> {
    let (mut seen, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for answer in &asked.answers {
        let id = answer["id"].as_i64().unwrap();
        assert!(seen.insert(id), "an answer came twice: {answer}");
        if let Some(key_id) = asked.signed.get(&id) {
            // Another process may have deleted the key.
            match keys.get(key_id) {
                Some(key) if answer.get("error").is_none() => drop(key.verify(answer)),
                _ => {}
            }
        } else if let Some(key_id) = asked.deleted.get(&id) {
            if answer.get("error").is_none() {
                gone.insert(key_id.clone());
                tally.add("answered deletions", 1);
            }
        } else if answer["result"]["keyId"].is_string() {
            let key = Key::of_any_class("account", "client", answer);
            keys.insert(key.id.clone(), key);
            tally.add("answered creations", 1);
        }
    }
    // A deletion may have happened although its answer was lost.
    keys.retain(|id, _| !asked.deleted.values().any(|deleted| deleted == id));
    gone
}

fn endure_kills(site: &Site, processes: usize, fault: &str) {
    let mut keys = BTreeMap::new();
    endure(fault, OUTCOME, |luck, tally| round(site, processes, &mut keys, luck, tally));
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_one_process_with_tpm_keys() {
    endure_kills(&Site::tpm(), 1, "SIGKILL of an app-server with TPM keys");
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_three_processes_with_tpm_keys() {
    endure_kills(&Site::tpm(), 3, "SIGKILL of three app-servers with TPM keys on one home");
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_one_service_with_os_keys() {
    endure_kills(&Site::os(), 1, "SIGKILL of a service with OS-protected keys");
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_three_services_with_os_keys() {
    endure_kills(&Site::os(), 3, "SIGKILL of three services with OS-protected keys on one home");
}
