//! What the class says of attackers. Each attack is made on a hardened service of another user,
//! where it fails, and on an unhardened one of the attacker's own, where the very same code
//! succeeds. A process of the service's own user is outside the class; hardening keeps it out of
//! the memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use device_key_testing::SequenceRandom;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};

use crate::runner::Test;
use crate::scene::{CLIENT, SERVICE, Scene, Talk, set_mode};
use crate::sys;

pub(crate) const TESTS: &[Test] = &[
    ("attacks::the_client_reads_no_key_file", the_client_reads_no_key_file),
    ("attacks::the_client_reads_no_memory", || no_way_in("memory", [Errno::ACCESS; 2])),
    ("attacks::the_client_copies_no_memory", || no_way_in("copy", [Errno::PERM; 2])),
    ("attacks::the_client_traces_nothing", || no_way_in("trace", [Errno::PERM; 2])),
    ("attacks::the_client_takes_no_descriptor", || no_way_in("descriptor", [Errno::PERM; 2])),
    ("attacks::a_crash_leaves_no_core_dump", a_crash_leaves_no_core_dump),
];

/// What an attack that succeeds says.
const SUCCESS: &str = "success";

/// A process that holds a key and a secret in memory.
struct Victim {
    talk: Talk,
    secret: String,
}

impl Victim {
    fn new(scene: &Scene, uid: u32, hardened: &str) -> Self {
        let home = scene.home(uid);
        let role = ["service", home.to_str().unwrap(), hardened];
        let mut talk = Talk::start(scene.command(uid, &role));
        assert_eq!(talk.line(), "ready");
        let secret = talk.ask("secret");
        Self { talk, secret }
    }

    /// What comes of an attack by a process of this user.
    fn attacked_by(&self, scene: &Scene, uid: u32, attack: &str) -> String {
        let pid = self.talk.pid().to_string();
        let (address, length) = self.secret.split_once(' ').unwrap();
        scene.output(uid, &["attack", attack, &pid, address, length])
    }
}

/// The client fails on the hardened service, and so does a process of the service's own user. Both
/// succeed where their own user's process is not hardened.
fn no_way_in(attack: &str, [to_client, to_same_user]: [Errno; 2]) {
    let scene = Scene::new();
    let service = Victim::new(&scene, SERVICE, "fully");
    assert_eq!(service.attacked_by(&scene, CLIENT, attack), refusal(to_client));
    assert_eq!(service.attacked_by(&scene, SERVICE, attack), refusal(to_same_user));
    for uid in [CLIENT, SERVICE] {
        let control = Victim::new(&scene, uid, "");
        assert_eq!(control.attacked_by(&scene, uid, attack), SUCCESS, "control of user {uid}");
    }
    // Without hardening, the boundary between users still holds.
    let unhardened = Victim::new(&scene, SERVICE, "");
    assert_eq!(unhardened.attacked_by(&scene, CLIENT, attack), refusal(to_client));
}

fn the_client_reads_no_key_file() {
    let scene = Scene::new();
    let mut service = Victim::new(&scene, SERVICE, "fully");
    assert_eq!(service.talk.ask("create 1"), "ok");
    let folder = scene.home(SERVICE).join("keys/os");
    let file = folder.join(format!("{}.p8", SequenceRandom::key_id(1)));
    let attack = ["attack", "file", file.to_str().unwrap()];
    assert_eq!(scene.output(CLIENT, &attack), refusal(Errno::ACCESS));
    // What no hardening keeps from the service's user.
    assert_eq!(scene.output(SERVICE, &attack), SUCCESS);
    // The folders alone keep others out, and so does the file's mode.
    set_mode(&file, 0o644);
    assert_eq!(scene.output(CLIENT, &attack), refusal(Errno::ACCESS));
    set_mode(&file, 0o600);
    for folder in folder.ancestors().take(3) {
        set_mode(folder, 0o755);
    }
    assert_eq!(scene.output(CLIENT, &attack), refusal(Errno::ACCESS));
    set_mode(&file, 0o644);
    assert_eq!(scene.output(CLIENT, &attack), SUCCESS, "control");
}

fn a_crash_leaves_no_core_dump() {
    // Not SIGSEGV: Rust's handler takes one that was sent for one that will come again.
    for signal in [Signal::ABORT, Signal::QUIT] {
        let scene = Scene::new();
        let dumped = |hardened| {
            use std::os::unix::process::ExitStatusExt as _;
            let status = Victim::new(&scene, SERVICE, hardened).talk.end_by(signal);
            assert_eq!(status.signal(), Some(signal.as_raw()));
            status.core_dumped()
        };
        assert!(!dumped("fully"));
        assert!(!dumped("dumpable"), "whatever the limit");
        assert!(dumped(""), "control: see /proc/sys/kernel/core_pattern");
    }
}

/// In a child of the attacker's user: one attack.
pub(crate) fn attack(words: &[&str]) {
    let result = match *words {
        ["file", path] => File::open(path).map(drop),
        [attack, pid, address, length] => {
            let address = address.strip_prefix("0x").unwrap();
            let address = usize::from_str_radix(address, 16).unwrap();
            let mut found = vec![0; length.parse().unwrap()];
            let result = attack_process(attack, pid.parse().unwrap(), address, &mut found);
            let is_secret = found == b"the key's secret";
            assert_eq!(is_secret, result.is_ok() && ["memory", "copy"].contains(&attack));
            result
        }
        _ => panic!("no such attack: {words:?}"),
    };
    match result {
        Ok(()) => println!("{SUCCESS}"),
        Err(error) => println!("{}", error.raw_os_error().unwrap()),
    }
}

fn attack_process(attack: &str, pid: i32, address: usize, found: &mut [u8]) -> io::Result<()> {
    match attack {
        "memory" => {
            let memory = File::open(format!("/proc/{pid}/mem"))?;
            memory.read_exact_at(found, address.try_into().unwrap())
        }
        "copy" => sys::read_memory(pid, address, found).map(drop),
        "trace" => sys::trace(pid),
        "descriptor" => {
            let process = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty())?;
            // Its standard output.
            pidfd_getfd(process, 1, PidfdGetfdFlags::empty())?;
            Ok(())
        }
        _ => panic!("no such attack: {attack}"),
    }
}

fn refusal(errno: Errno) -> String {
    errno.raw_os_error().to_string()
}
