//! The roles in which the tests start this program again as a child process.

use std::process::ExitCode;

use crate::{attacks, hardening, keys, service, verdict};

/// The first argument of a child, which tells the child from a test run.
pub(crate) const MARK: &str = "--role";

pub(crate) fn play(arguments: &[String]) -> ExitCode {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["service", home, hardened] => service::serve(home, hardened, &[]),
        ["service", home, hardened, configuration] => {
            service::serve(home, hardened, &[configuration.into()]);
        }
        ["service-in-user-namespace", home, hardened, uid] => {
            service::enter_user_namespace(uid.parse().unwrap());
            service::serve(home, hardened, &[]);
        }
        ["conformance", home, wrapping] => keys::conform(home, wrapping),
        ["change-files", home] => keys::change_files(home),
        ["look-at-files", home] => keys::look_at_files(home),
        ["check-changed-files", home] => verdict::check_changed_files(home),
        ["change-many-files", home] => verdict::change_many_files(home),
        ["delete-while-checking", home] => verdict::delete_while_checking(home),
        ["break-and-mend", home] => verdict::break_and_mend(home),
        ["run-out-of-descriptors", home] => verdict::run_out_of_descriptors(home),
        ["work", home] => hardening::work(home),
        ["keep"] => hardening::keep(),
        ["forbidden", home] => hardening::try_forbidden(home),
        ["attack", ref attack @ ..] => attacks::attack(attack),
        _ => panic!("no such role: {arguments:?}"),
    }
    ExitCode::SUCCESS
}
