//! Attacks that the protection class must stop. The attack on a hardened service of another user
//! must fail. As a control, the attack on an unhardened service of the attacker's own user must
//! succeed with the same code. The class does not cover attackers that run as the service's user,
//! but hardening keeps them out of the memory.

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
    ("attacks::key_files_cannot_be_read", key_files_cannot_be_read),
    ("attacks::memory_cannot_be_read", || attack_fails("memory", [Errno::ACCESS; 2])),
    ("attacks::memory_cannot_be_copied", || attack_fails("copy", [Errno::PERM; 2])),
    ("attacks::the_service_cannot_be_traced", || attack_fails("trace", [Errno::PERM; 2])),
    ("attacks::descriptors_cannot_be_taken", || attack_fails("descriptor", [Errno::PERM; 2])),
    ("attacks::a_crash_leaves_no_core_dump", a_crash_leaves_no_core_dump),
];

/// The output of an attack that succeeds.
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

    /// Returns the output of an attack by a process of this user.
    fn attacked_by(&self, scene: &Scene, uid: u32, attack: &str) -> String {
        let pid = self.talk.pid().to_string();
        let (address, length) = self.secret.split_once(' ').unwrap();
        scene.output(uid, &["attack", attack, &pid, address, length])
    }
}

/// Asserts that the attack on the hardened service fails for the client and for a process of the
/// service's own user. Both attackers succeed on an unhardened process of their own user.
fn attack_fails(attack: &str, [to_client, to_same_user]: [Errno; 2]) {
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

fn key_files_cannot_be_read() {
    let scene = Scene::new();
    let mut service = Victim::new(&scene, SERVICE, "fully");
    assert_eq!(service.talk.ask("create 1"), "ok");
    let folder = scene.home(SERVICE).join("keys/os");
    let file = folder.join(format!("{}.p8", SequenceRandom::key_id(1)));
    let attack = ["attack", "file", file.to_str().unwrap()];
    assert_eq!(scene.output(CLIENT, &attack), refusal(Errno::ACCESS));
    // Hardening does not keep the service's own user away from its files.
    assert_eq!(scene.output(SERVICE, &attack), SUCCESS);
    // The modes of the folders alone keep other users out, and so does the mode of the file.
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
    // SIGSEGV would not do: Rust's handler returns from it and expects the fault to happen again,
    // but a signal that was sent does not happen again.
    for signal in [Signal::ABORT, Signal::QUIT] {
        let scene = Scene::new();
        let dumped = |hardened| {
            use std::os::unix::process::ExitStatusExt as _;
            let status = Victim::new(&scene, SERVICE, hardened).talk.end_by(signal);
            assert_eq!(status.signal(), Some(signal.as_raw()));
            status.core_dumped()
        };
        assert!(!dumped("fully"));
        assert!(
            !dumped("dumpable"),
            "a process that is not dumpable leaves no core dump, whatever the limit"
        );
        assert!(dumped(""), "control: see /proc/sys/kernel/core_pattern");
    }
}

/// Runs in a child of the attacker's user: makes one attack.
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
            // Descriptor 1 is the standard output of the service.
            pidfd_getfd(process, 1, PidfdGetfdFlags::empty())?;
            Ok(())
        }
        _ => panic!("no such attack: {attack}"),
    }
}

fn refusal(errno: Errno) -> String {
    errno.raw_os_error().to_string()
}
