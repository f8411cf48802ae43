//! Stalls what the service depends on, and measures another user's signatures meanwhile.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use device_key_testing::Swtpm;
use rusqlite::Connection;
use rustix::process::setpriority_process;
use serde_json::json;

use super::{any_class, lasting, write_row};
use crate::home::Home;
use crate::proof::Key;
use crate::service::{CLIENT, Client, Installation, SERVICE, Service, connect_as, give_to_service};

/// The user whose requests meet what is stalled.
const OTHER: u32 = 61_003;
/// How long each stall lasts, and each time without it.
const MEASURED: Duration = Duration::from_millis(400);
/// How much slower a signature may be than without the stall, at the 95th percentile.
const FACTOR: f64 = 3.0;
const FLOODS: usize = 16;
/// The configuration of every service here. An unread log must not refuse signatures.
const CONFIG: &str = "audit.when_full = \"drop\"";

/// A service with both classes of protection, and users of it.
struct Site {
    swtpm: Swtpm,
    installation: Installation,
    service: Service,
    client: Client,
    key: Key,
}

impl Site {
    fn of(installation: Installation, start: fn(&mut Command) -> Service) -> Self {
        // A key is OS-protected only if there is no TPM.
        let service = installation.start(&[]);
        let mut client = Client::connect(&installation.socket(), CLIENT);
        let created = client.call("device/key/create", &any_class());
        let key = Key::of_any_class("account", "client", &created);
        drop(client);
        service.stop();

        let swtpm = Swtpm::start();
        give_to_service(&swtpm);
        let config = installation.configure(CONFIG);
        let mut command = installation.service();
        command.args(["--allow-simulated-tpm", "--tpm", &swtpm.address(), "--config"]).arg(config);
        let service = start(command.args(["--listen", &installation.listen()]));
        let client = Client::connect(&installation.socket(), CLIENT);
        Self { swtpm, installation, service, client, key }
    }

    fn new() -> Self {
        Self::of(Installation::new(), Service::start)
    }

    /// How long each of some signatures takes.
    fn sign(&mut self) -> Vec<Duration> {
        let (begun, params) = (Instant::now(), self.key.sign_params());
        let mut times = Vec::new();
        while begun.elapsed() < MEASURED {
            let begun = Instant::now();
            let answer = self.client.call("device/key/sign", &params);
            times.push(begun.elapsed());
            assert!(answer["result"].is_object(), "{answer}");
        }
        times
    }

    /// A connection of the other user that has asked for these creations.
    fn creations(&self, policy: &str, count: usize) -> Client {
        let mut other = Client::connect(&self.installation.socket(), OTHER);
        for _ in 0..count {
            other.send("device/key/create", &crate::service::binding(policy));
        }
        other
    }

    /// Measures signatures with and without the stall, in turns. Each stall begins with `stall` and
    /// ends with `release`.
    fn compare<S>(
        mut self,
        fault: &str,
        mut stall: impl FnMut(&Self) -> S,
        mut release: impl FnMut(&Self, S),
    ) {
        let (mut alone, mut stalled) = (Vec::new(), Vec::new());
        let begun = Instant::now();
        loop {
            alone.extend(self.sign());
            let held = stall(&self);
            stalled.extend(self.sign());
            release(&self, held);
            if begun.elapsed() >= lasting() {
                break;
            }
        }
        let tried = format!("{} signatures", stalled.len());
        let (alone, stalled) = (percentile(alone), percentile(stalled));
        let ratio = stalled.as_secs_f64() / alone.as_secs_f64();
        println!("{fault}: {stalled:?} instead of {alone:?}, {ratio:.2} times");
        assert!(ratio <= FACTOR, "{stalled:?} instead of {alone:?}, {ratio:.2} times");
        let outcome = format!(
            "another user's signature with an OS-protected key takes {ratio:.2} times as long at \
             the 95th percentile"
        );
        write_row(fault, &tried, &outcome);
        drop(self.client);
        // The service does not wait until somebody reads its log.
        self.service.stop_unread();
    }
}

fn percentile(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 95 / 100]
}

/// Receives the answers to the creations of the other user, which all come in the end.
fn receive(mut other: Client, count: usize) {
    for _ in 0..count {
        assert!(other.receive().is_some(), "the connection ended");
    }
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_the_log() {
    // Each signature is an audit event, and the service logs much else.
    let site = Site::of(Installation::new(), Service::start_unread);
    site.compare("a standard error that nobody reads", |_| (), |_, ()| ());
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_the_tpm() {
    const CREATIONS: usize = 12;
    Site::new().compare(
        "a TPM that does not answer",
        |site| {
            site.swtpm.pause();
            site.creations("hardware_only", CREATIONS)
        },
        |site, other| {
            site.swtpm.resume();
            receive(other, CREATIONS);
        },
    );
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_the_database() {
    const CREATIONS: usize = 12;
    Site::new().compare(
        "a database that another process has locked",
        |site| {
            let database = Home::at(site.installation.home()).database();
            let lock = Connection::open(database).unwrap();
            lock.execute_batch("BEGIN IMMEDIATE").unwrap();
            (lock, site.creations("hardware_only", CREATIONS))
        },
        |_, (lock, other)| {
            drop(lock);
            receive(other, CREATIONS);
        },
    );
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_the_disk() {
    const CREATIONS: usize = 12;
    let installation = Installation::new();
    let disk = Disk::mounted_on(&installation);
    Site::of(installation, Service::start).compare(
        "a disk that does not write",
        |site| {
            let frozen = disk.freeze();
            (frozen, site.creations("hardware_only", CREATIONS))
        },
        |_, (frozen, other)| {
            drop(frozen);
            receive(other, CREATIONS);
        },
    );
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn by_a_flood_of_blank_lines() {
    compare_with_flood("blank lines", "");
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn by_a_flood_of_notifications() {
    let notification = json!({"method": "initialized", "params": {}});
    compare_with_flood("notifications", &notification.to_string());
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn by_a_flood_of_requests() {
    let request = json!({"id": 1, "method": "device/key/providers", "params": {}});
    compare_with_flood("requests", &request.to_string());
}

fn compare_with_flood(name: &str, line: &str) {
    Site::new().compare(
        &format!("a user who floods {FLOODS} connections with {name}"),
        |site| (0..FLOODS).map(|_| flood(&site.installation, line)).collect::<Vec<_>>(),
        |_, floods| {
            for flood in floods {
                // Fails if the service has closed the connection.
                let _ = flood.shutdown(Shutdown::Both);
            }
        },
    );
}

/// Opens a connection that sends this line for as long as the service reads.
fn flood(installation: &Installation, line: &str) -> UnixStream {
    let stream = connect_as(&installation.socket(), OTHER);
    let (mut output, answers) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    let lines = format!("{line}\n").repeat(500);
    let hello = crate::server::initialize();
    thread::spawn(move || {
        yield_processors();
        // Ends when the connection is shut down.
        let _ = output.write_all(hello.as_bytes());
        while output.write_all(lines.as_bytes()).is_ok() {}
    });
    thread::spawn(move || {
        yield_processors();
        BufReader::new(answers).lines().map_while(Result::ok).count()
    });
    stream
}

/// Runs this thread only when nothing else runs. Otherwise the client of the measurement would wait
/// for a processor and not for the service.
fn yield_processors() {
    setpriority_process(None, 19).unwrap();
}

/// A file system in a file, on which the home is. It is unmounted when this value is dropped.
struct Disk {
    home: PathBuf,
}

/// No write to the disk ends while this value lives.
struct Frozen<'a>(&'a Disk);

impl Disk {
    fn mounted_on(installation: &Installation) -> Self {
        let (home, image) = (installation.home(), installation.socket().with_file_name("disk"));
        fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
        command("mkfs.ext4", &["-q", image.to_str().unwrap()]);
        let disk = Self { home };
        disk.run("mount", &["-o", "loop", image.to_str().unwrap()]);
        fs::remove_dir(disk.home.join("lost+found")).unwrap();
        chown(&disk.home, Some(SERVICE), Some(SERVICE)).unwrap();
        fs::set_permissions(&disk.home, fs::Permissions::from_mode(0o700)).unwrap();
        disk
    }

    fn freeze(&self) -> Frozen<'_> {
        self.run("fsfreeze", &["--freeze"]);
        Frozen(self)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        command(program, &[arguments, &[self.home.to_str().unwrap()]].concat());
    }
}

fn command(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("the program is installed");
    assert!(status.success(), "{program} {arguments:?} failed");
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.run("fsfreeze", &["--unfreeze"]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.run("umount", &["--lazy"]);
    }
}
