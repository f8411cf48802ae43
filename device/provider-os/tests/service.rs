//! The role of a service that holds keys and answers questions about its conditions.

use std::io::{BufRead as _, stdin};
use std::path::{Path, PathBuf};

use device_key::{DeviceKeyProvider as _, LocalPeer, OwnerUid, ProviderError, Transport};
use device_key_private_fs::PrivateDir;
use device_key_provider_os::{Hardening, Network, OsProvider, OsSettings, evaluate_caller, harden};
use device_key_testing::SequenceRandom;
use rustix::process::{
    DumpableBehavior, PTracer, Resource, Rlimit, set_dumpable_behavior, set_ptracer, setrlimit,
};
use rustix::thread::{Gid, Uid, set_no_new_privs, set_thread_res_gid, set_thread_res_uid};

use crate::sys;

/// The bytes in memory that an attacker looks for. They stand for a key.
const SECRET: &[u8; 16] = b"the key's secret";

/// Answers questions until the end of standard input. `hardened` is `fully`, or the names of the
/// conditions that the service makes true, joined by commas.
pub(crate) fn serve(home: &str, hardened: &str, configuration: &[PathBuf]) {
    // Yama (ptrace_scope) would forbid more than the boundary between users, which is tested here.
    let _ = set_ptracer(PTracer::Any);
    prepare(Path::new(home), hardened);
    let settings = OsSettings { configuration: configuration.to_vec(), wrapping_key: None };
    let provider = OsProvider::new(settings, keys_in(home));
    // The secret is on the heap, like keys.
    let secret = Box::new(*SECRET);
    println!("ready");
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        println!("{}", answer(&provider, &secret, &line.split(' ').collect::<Vec<_>>()));
    }
}

pub(crate) fn keys_in(home: &str) -> PrivateDir {
    let home = PrivateDir::open(Path::new(home)).unwrap();
    let keys = home.subdir(&"keys".parse().unwrap()).unwrap();
    keys.subdir(&"os".parse().unwrap()).unwrap()
}

/// Enters a new user namespace that maps only some users, each to its own number. The test that
/// started this process writes the map.
pub(crate) fn enter_user_namespace(uid: u32) {
    sys::unshare_users();
    println!("unshared");
    stdin().lock().read_line(&mut String::new()).unwrap();
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
}

fn answer(provider: &OsProvider, secret: &[u8; 16], words: &[&str]) -> String {
    match *words {
        ["conditions"] => {
            let reports = provider.conditions();
            let failing = reports.iter().filter(|report| !report.holds());
            failing.map(|report| report.condition.as_str()).collect::<Vec<_>>().join(",")
        }
        ["caller", uid, transport] => {
            let reports = evaluate_caller(&peer(uid, transport));
            let failing = reports.iter().filter(|report| !report.holds());
            failing.map(|report| report.condition.as_str()).collect::<Vec<_>>().join(",")
        }
        ["presence", uid, transport] => outcome(provider.presence(&peer(uid, transport))),
        ["availability", uid, transport] => outcome(provider.availability(&peer(uid, transport))),
        ["serves", uid, transport] => outcome(provider.serves(&peer(uid, transport))),
        ["create", number] => {
            let key_id = SequenceRandom::key_id(number.parse().unwrap());
            outcome(provider.create(&key_id).map(drop))
        }
        ["secret"] => format!("{:p} {}", secret.as_ptr(), secret.len()),
        _ => panic!("no such question: {words:?}"),
    }
}

/// Returns `ok`, the name of the condition that does not hold, or the reason of the failure.
pub(crate) fn outcome(result: Result<(), ProviderError>) -> String {
    match result {
        Ok(()) => "ok".into(),
        Err(error) => match error.kind().os_protection_condition() {
            Some(condition) => condition.to_string(),
            None => error.kind().reason().to_string(),
        },
    }
}

pub(crate) fn peer(uid: &str, transport: &str) -> LocalPeer {
    let transport = [Transport::Stdio, Transport::InProcess, Transport::UnixSocket]
        .into_iter()
        .find(|known| known.as_str() == transport)
        .unwrap();
    LocalPeer::from_transport(OwnerUid::new(uid.parse().unwrap()), transport)
}

pub(crate) fn prepare(home: &Path, hardened: &str) {
    if hardened == "fully" {
        harden(&Hardening::new(Network::UnixOnly).read_write(home)).unwrap();
        return;
    }
    for step in hardened.split(',').filter(|step| !step.is_empty()) {
        match step {
            "dumpable" => set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap(),
            "new_privileges" => set_no_new_privs(true).unwrap(),
            "core_dumps" => limit_core_dumps(Some(0)),
            "soft_core_dumps" => limit_core_dumps(Some(1 << 20)),
            other => panic!("no such step: {other}"),
        }
    }
}

fn limit_core_dumps(maximum: Option<u64>) {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }).unwrap();
}
