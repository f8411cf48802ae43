//! Uses one home from a service and two app-servers for a long time, while the TPM restarts.

use std::fs;
use std::time::{Duration, Instant};

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use super::{Tally, any_class, lasting, write_row};
use crate::home::Home;
use crate::proof::Key;
use crate::server::{Server, reason};
use crate::service::{CLIENT, Installation, SERVICE, Service, give_to_service};

/// How long the TPM runs before it is restarted.
const BETWEEN_RESTARTS: Duration = Duration::from_mins(1);
/// How often the processes are measured.
const MEASUREMENTS: u32 = 8;

/// The resources of a process.
#[derive(Debug, PartialEq)]
struct Held {
    kilobytes: usize,
    descriptors: usize,
    threads: usize,
}

impl Held {
    fn by(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Self {
            kilobytes: number("VmRSS:"),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: number("Threads:"),
        }
    }

    /// Whether this is no more than before, apart from what work at that moment holds.
    fn is_flat_after(&self, before: &Self) -> bool {
        self.kilobytes <= before.kilobytes + before.kilobytes / 2
            && self.descriptors <= before.descriptors + 8
            && self.threads <= before.threads + 8
    }
}

fn call(server: &mut Server, method: &str, params: &Value, tally: &mut Tally) -> Option<Value> {
    let answer = server.call(method, params);
    tally.add("requests", 1);
    if answer.get("error").is_none() {
        return Some(answer);
    }
    // While the TPM restarts, it cannot be reached.
    assert!(
        ["provider_unavailable", "hardware_unavailable", "provider_busy"]
            .contains(&reason(&answer)),
        "{answer}"
    );
    tally.add("refused while the TPM restarted", 1);
    None
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_three_processes_on_one_home() {
    let (installation, mut swtpm) = (Installation::new(), Swtpm::start());
    let home = Home::at(installation.home());
    give_to_service(&swtpm);
    let tpm = ["--allow-simulated-tpm", "--tpm", &swtpm.address()].map(str::to_owned);
    let listen = installation.listen();
    let service = Service::start(installation.service().args(&tpm).args(["--listen", &listen]));
    let mut servers = vec![Server::start(&mut installation.relay(CLIENT))];
    for _ in 0..2 {
        let mut command = installation.as_user(SERVICE);
        command.args(["app-server", "--home"]).arg(installation.home()).args(&tpm);
        servers.push(Server::start(&mut command));
    }
    let processes = [service.id(), servers[1].id(), servers[2].id()];

    let (begun, mut restarted) = (Instant::now(), Instant::now());
    let pause = lasting() / MEASUREMENTS;
    let (mut tally, mut first, mut measured) = (Tally::default(), None, Instant::now());
    let mut now: Vec<Held> = Vec::new();
    while begun.elapsed() < lasting() {
        if restarted.elapsed() >= BETWEEN_RESTARTS.min(lasting() / 4) {
            swtpm.restart();
            give_to_service(&swtpm);
            restarted = Instant::now();
            tally.add("restarts of the TPM", 1);
        }
        for server in &mut servers {
            let created = call(server, "device/key/create", &any_class(), &mut tally);
            let Some(created) = created else { continue };
            let key = Key::of_any_class("account", "client", &created);
            for _ in 0..4 {
                if let Some(answer) =
                    call(server, "device/key/sign", &key.sign_params(), &mut tally)
                {
                    key.verify(&answer);
                }
            }
            call(server, "device/key/list", &json!({}), &mut tally);
            call(server, "device/key/delete", &json!({"keyId": key.id}), &mut tally);
        }
        if measured.elapsed() >= pause {
            measured = Instant::now();
            now = processes.map(Held::by).into();
            let first = first.get_or_insert_with(|| processes.map(Held::by));
            for (before, now) in first.iter().zip(&now) {
                assert!(now.is_flat_after(before), "{now:?} after {before:?}");
            }
        }
    }
    for server in servers {
        server.finish_well();
    }
    service.stop();
    assert!(home.assert_at_rest().is_empty(), "something is left");
    let largest = now.iter().map(|held| held.kilobytes).max().unwrap();
    write_row(
        "a service and two app-servers on one home, whose TPM restarts",
        &tally.to_string(),
        &format!(
            "memory, descriptors and threads stay flat ({largest} kB of memory at most), and \
             nothing is left"
        ),
    );
}
