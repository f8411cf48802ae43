//! The conditions on the caller.

use device_key::{LocalPeer, Transport};
use device_key_types::OsProtectionCondition;

use crate::conditions::report::{ConditionReport, Fault};
use crate::conditions::service_user::ServiceUser;

/// The user id that the kernel shows for every user without an id in this user namespace
/// (`DEFAULT_OVERFLOWUID`, `linux/highuid.h`).
const OVERFLOW_UID: u32 = 65534;

type Condition = OsProtectionCondition;

/// The conditions on a caller, in the order in which they are checked.
const CONDITIONS: [(Condition, &str); 4] = [
    (Condition::Transport, "connect to the service over its Unix socket"),
    (Condition::SameUser, "run the service as a user that runs nothing else"),
    (Condition::RootClient, "run the client as an ordinary user, not as root"),
    (Condition::UnmappedUser, "run the client in the same user namespace as the service"),
];

/// Checks every condition on a caller of this process.
pub fn evaluate_caller(caller: &LocalPeer) -> Vec<ConditionReport> {
    let service = ServiceUser::current();
    let found = format!("user {} over {}", caller.owner(), caller.transport().as_str());
    let report = |(condition, fix)| {
        let fails = !holds(condition, service, caller);
        let checked = if fails { Err(Fault::new(&found, fix)) } else { Ok(found.clone()) };
        ConditionReport::new(condition, checked)
    };
    CONDITIONS.into_iter().map(report).collect()
}

/// Returns the first condition on a caller that does not hold. Makes no system call.
pub(crate) fn failing_caller_condition(
    service: ServiceUser,
    caller: &LocalPeer,
) -> Option<Condition> {
    let mut conditions = CONDITIONS.iter().map(|(condition, _)| *condition);
    conditions.find(|condition| !holds(*condition, service, caller))
}

fn holds(condition: Condition, service: ServiceUser, caller: &LocalPeer) -> bool {
    let uid = caller.owner().as_raw();
    match condition {
        Condition::Transport => caller.transport() == Transport::UnixSocket,
        Condition::SameUser => !service.has(uid),
        Condition::RootClient => uid != 0,
        Condition::UnmappedUser => uid != OVERFLOW_UID,
        // The other conditions do not depend on the caller.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use device_key::OwnerUid;

    use super::*;

    #[test]
    fn each_caller_breaks_only_the_expected_condition() {
        let service = ServiceUser::new(61001, 61003);
        for (uid, transport, expected) in [
            (61002, Transport::UnixSocket, None),
            (61002, Transport::Stdio, Some(Condition::Transport)),
            (61002, Transport::InProcess, Some(Condition::Transport)),
            (61001, Transport::UnixSocket, Some(Condition::SameUser)),
            (61003, Transport::UnixSocket, Some(Condition::SameUser)),
            (0, Transport::UnixSocket, Some(Condition::RootClient)),
            (65534, Transport::UnixSocket, Some(Condition::UnmappedUser)),
        ] {
            let caller = LocalPeer::from_transport(OwnerUid::new(uid), transport);
            let failing: Vec<_> = CONDITIONS
                .into_iter()
                .map(|(condition, _)| condition)
                .filter(|condition| !holds(*condition, service, &caller))
                .collect();
            assert_eq!(failing, Vec::from_iter(expected), "{uid} {transport:?}");
            assert_eq!(failing_caller_condition(service, &caller), expected);
        }
    }
}
