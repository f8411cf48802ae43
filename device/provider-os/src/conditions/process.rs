//! The conditions on the process itself.

use std::fs;

use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit};
use rustix::thread::no_new_privs;

use crate::conditions::report::Fault;

const AT_START: &str = "start the service with hardening switched on";

/// Checks that user ids mean the same users here as on the machine: the namespace must map every id
/// to itself (`user_namespaces(7)`). A nested namespace with this map is accepted, because it does
/// not change which user an id stands for.
pub(super) fn user_namespace() -> Result<String, Fault> {
    let map = fs::read_to_string("/proc/self/uid_map")
        .map_err(|error| Fault::unknown("the map of the user namespace", error))?;
    if map.split_whitespace().eq(["0", "0", "4294967295"]) {
        return Ok("user ids are the machine's user ids".into());
    }
    Err(Fault::new(
        "the process runs in a user namespace that maps user ids",
        "run the service outside user namespaces (PrivateUsers=no)",
    ))
}

pub(super) fn dumpable() -> Result<String, Fault> {
    match dumpable_behavior() {
        Ok(DumpableBehavior::NotDumpable) => Ok("the process is not dumpable".into()),
        Ok(_) => Err(Fault::new("the process is dumpable", AT_START)),
        Err(error) => Err(Fault::unknown("whether the process is dumpable", error)),
    }
}

/// Checks the calling thread. A thread inherits the flag from the thread that started it, and
/// hardening fails if a second thread already runs.
pub(super) fn new_privileges() -> Result<String, Fault> {
    match no_new_privs() {
        Ok(true) => Ok("the process cannot gain privileges".into()),
        Ok(false) => Err(Fault::new(
            "the process can gain privileges",
            "set NoNewPrivileges=yes, or start the service with hardening switched on",
        )),
        Err(error) => Err(Fault::unknown("whether the process can gain privileges", error)),
    }
}

/// Checks both limits. The hard limit must be zero too, because the process could raise the soft
/// limit up to the hard limit.
pub(super) fn core_dumps() -> Result<String, Fault> {
    let limit = getrlimit(Resource::Core);
    if limit == (Rlimit { current: Some(0), maximum: Some(0) }) {
        return Ok("core dumps are limited to 0 bytes".into());
    }
    let show = |limit: Option<u64>| limit.map_or("unlimited".into(), |bytes| bytes.to_string());
    Err(Fault::new(
        format!("core dump limits: soft {}, hard {}", show(limit.current), show(limit.maximum)),
        "set LimitCORE=0, or start the service with hardening switched on",
    ))
}
