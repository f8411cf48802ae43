//! The conditions on the process itself.

use std::fs;

use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit};
use rustix::thread::no_new_privs;

use crate::conditions::report::Fault;

const AT_START: &str = "start the service with its hardening on";

/// Whether user ids in here are those of the machine: a map of everything to itself
/// (`user_namespaces(7)`). A namespace within such a one changes nothing about who is who.
pub(super) fn user_namespace() -> Result<String, Fault> {
    let map = fs::read_to_string("/proc/self/uid_map")
        .map_err(|error| Fault::unknown("the user namespace's map", error))?;
    if map.split_whitespace().eq(["0", "0", "4294967295"]) {
        return Ok("user ids are those of the machine".into());
    }
    Err(Fault::new(
        "user ids are mapped: this is a user namespace of its own",
        "run the service outside of user namespaces (PrivateUsers=no)",
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
            "set NoNewPrivileges=yes, or start the service with its hardening on",
        )),
        Err(error) => Err(Fault::unknown("whether the process can gain privileges", error)),
    }
}

/// The hard limit must be zero too, because the process could raise the soft limit to it.
pub(super) fn core_dumps() -> Result<String, Fault> {
    let limit = getrlimit(Resource::Core);
    if limit == (Rlimit { current: Some(0), maximum: Some(0) }) {
        return Ok("core dumps are limited to nothing".into());
    }
    let show = |limit: Option<u64>| limit.map_or("no limit".into(), |bytes| bytes.to_string());
    Err(Fault::new(
        format!("core dumps: soft {}, hard {}", show(limit.current), show(limit.maximum)),
        "set LimitCORE=0, or start the service with its hardening on",
    ))
}
