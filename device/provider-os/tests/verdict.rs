//! Tests how the verdict on the conditions is renewed: what a check costs, how long a verdict
//! lives, and what a passing fault of the system means.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use device_key::{DeviceKeyProvider as _, LocalPeer};
use device_key_private_fs::PrivateDir;
use device_key_provider_os::{OsProvider, OsSettings};
use device_key_testing::SequenceRandom;
use device_key_types::OsProtectionCondition;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::conditions::HARDENED;
use crate::runner::Test;
use crate::scene::{CLIENT, SERVICE, Scene, set_mode};
use crate::service::{keys_in, outcome, peer, prepare};

pub(crate) const TESTS: &[Test] = &[
    ("verdict::a_check_reads_only_changed_key_files", || play("check-changed-files")),
    ("verdict::no_change_of_a_key_file_is_missed", || play("change-many-files")),
    ("verdict::a_deleted_key_file_breaks_no_condition", || play("delete-while-checking")),
    ("verdict::a_broken_condition_is_noticed_and_forgotten", || play("break-and-mend")),
    ("verdict::a_passing_fault_is_retryable", || play("run-out-of-descriptors")),
];

/// How long a test waits for a renewal. Only a failing test waits this long.
const DEADLINE: Duration = Duration::from_secs(30);

fn play(role: &str) {
    let scene = Scene::new();
    scene.output(SERVICE, &[role, scene.home(SERVICE).to_str().unwrap()]);
}

/// Runs in a child: counts how many times a check reads a file, with few and with many key files.
/// The process is not hardened, because the kernel hides the counters of a hardened process.
pub(crate) fn check_changed_files(home: &str) {
    let keys = keys_in(home);
    write(&keys, 0, b"damaged");
    let few = provider(home);
    let with_few = reads_of(|| drop(few.conditions()));
    for number in 1..400 {
        write(&keys, number, b"damaged");
    }
    // As long as an imported key is in the folder, the condition does not hold.
    let imported = write(&keys, 400, b"-----BEGIN PRIVATE KEY-----");
    let many = provider(home);
    let allowed = with_few + 10;
    for _ in 0..3 {
        let with_many = reads_of(|| assert!(is_broken(&many, OsProtectionCondition::ImportedKey)));
        assert!(with_many <= allowed, "{with_many} reads, {with_few} with one key");
        let before_creation = reads_of(|| drop(many.availability(&client())));
        assert!(before_creation <= allowed, "{before_creation} reads, {with_few} with one key");
    }
    // The checks of one provider do not hide the changes from another.
    fs::remove_file(imported).unwrap();
    write(&keys, 401, b"damaged");
    for provider in [&many, &few] {
        assert!(!is_broken(provider, OsProtectionCondition::ImportedKey));
    }
    let after_changes = reads_of(|| drop(many.conditions()));
    assert!(after_changes <= allowed, "{after_changes} reads, {with_few} with one key");
}

/// Runs in a child: changes files more often than the kernel's queue of reports can hold.
pub(crate) fn change_many_files(home: &str) {
    let keys = keys_in(home);
    let files: Vec<_> = (0..3).map(|number| write(&keys, number, b"damaged")).collect();
    let provider = provider(home);
    assert!(!is_broken(&provider, OsProtectionCondition::KeyFolder));
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    // The kernel merges equal reports that follow each other, so two files change in turn.
    for _ in 0..=queue.trim().parse::<u32>().unwrap() / 2 {
        set_mode(&files[0], 0o600);
        set_mode(&files[1], 0o600);
    }
    set_mode(&files[2], 0o640);
    assert!(is_broken(&provider, OsProtectionCondition::KeyFolder));
    set_mode(&files[2], 0o600);
    assert!(!is_broken(&provider, OsProtectionCondition::KeyFolder));
    fs::write(&files[1], "-----BEGIN PRIVATE KEY-----").unwrap();
    assert!(is_broken(&provider, OsProtectionCondition::ImportedKey));
    fs::rename(&files[0], &files[1]).unwrap();
    assert!(!is_broken(&provider, OsProtectionCondition::ImportedKey));
}

/// Runs in a child: keys come and go while the conditions are checked and other users sign.
pub(crate) fn delete_while_checking(home: &str) {
    prepare(Path::new(home), "fully");
    let provider = provider(home);
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            for number in 0..2000 {
                let key_id = SequenceRandom::key_id(number);
                provider.create(&key_id).unwrap();
                provider.delete(&key_id).unwrap();
            }
        });
        while !work.is_finished() {
            assert_eq!(outcome(provider.availability(&client())), "ok");
            assert_eq!(outcome(provider.serves(&client())), "ok");
        }
    });
}

/// Runs in a child: a handshake notices that a condition broke. Signing, which checks nothing,
/// notices that the condition holds again.
pub(crate) fn break_and_mend(home: &str) {
    prepare(Path::new(home), "fully");
    let provider = provider(home);
    let key_id = SequenceRandom::key_id(1);
    provider.create(&key_id).unwrap();
    let file = keys_in(home).path().join(format!("{key_id}.p8"));
    assert_eq!(outcome(provider.serves(&client())), "ok");
    set_mode(&file, 0o640);
    let _ = provider.presence(&client());
    wait_until(|| outcome(provider.serves(&client())) == "key_folder");
    assert_eq!(outcome(provider.create(&SequenceRandom::key_id(2)).map(drop)), "key_folder");
    set_mode(&file, 0o600);
    wait_until(|| outcome(provider.serves(&client())) == "ok");
}

/// Runs in a child: without a free descriptor nothing can be checked. The last verdict remains for
/// signatures, and everything that needs a check is refused until there are descriptors again.
pub(crate) fn run_out_of_descriptors(home: &str) {
    prepare(Path::new(home), HARDENED);
    let (keys, earlier) = (keys_in(home), provider(home));
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit }).unwrap();
    let later = OsProvider::new(OsSettings::default(), keys);
    for (provider, serves) in [(&earlier, "ok"), (&later, "provider_unavailable")] {
        assert_eq!(outcome(provider.availability(&client())), "provider_unavailable");
        assert_eq!(outcome(provider.serves(&client())), serves);
        let created = provider.create(&SequenceRandom::key_id(1)).map(drop);
        assert_eq!(outcome(created), "provider_unavailable");
    }
    setrlimit(Resource::Nofile, limit).unwrap();
    wait_until(|| outcome(later.serves(&client())) == "ok");
    assert_eq!(outcome(later.create(&SequenceRandom::key_id(1)).map(drop)), "ok");
}

fn provider(home: &str) -> OsProvider {
    OsProvider::new(OsSettings::default(), keys_in(home))
}

fn client() -> LocalPeer {
    peer(&CLIENT.to_string(), "unix")
}

fn write(keys: &PrivateDir, number: u64, contents: &[u8]) -> PathBuf {
    let name = format!("{}.p8", SequenceRandom::key_id(number));
    keys.create_new(&name.parse().unwrap(), contents).unwrap();
    keys.path().join(name)
}

fn is_broken(provider: &OsProvider, condition: OsProtectionCondition) -> bool {
    provider.conditions().iter().any(|report| report.condition == condition && !report.holds())
}

/// How many times this thread calls `read` in `work` (proc(5), `syscr`).
fn reads_of(work: impl FnOnce()) -> u64 {
    let reads = || {
        let counters = fs::read_to_string("/proc/thread-self/io").unwrap();
        let count = counters.lines().find_map(|line| line.strip_prefix("syscr: "));
        count.unwrap().parse::<u64>().unwrap()
    };
    let before = reads();
    work();
    reads() - before
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < DEADLINE, "the verdict is renewed in time");
        thread::sleep(Duration::from_millis(1));
    }
}
