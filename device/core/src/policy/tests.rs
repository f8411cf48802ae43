//! Which origins and paths a policy allows.

use Statement::{Attestation, Connection, Enrollment};

use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

fn policy(backends: &[(&str, &str)]) -> RemoteControlPolicy {
    RemoteControlPolicy::default().with_backends(backends.iter().map(|(origin, prefix)| {
        AddedBackend { origin: origin.parse().unwrap(), path_prefix: prefix.parse().unwrap() }
    }))
}

/// Asks about origin, then path, as a statement's parser does. Returns the first refusal.
fn ask(
    policy: &RemoteControlPolicy,
    statement: Statement,
    origin: &str,
    path: &str,
) -> Result<(), Reason> {
    let origin: Origin = origin.parse()?;
    let policy = policy.at(NOW);
    policy.origin(statement, &origin)?;
    policy.path(statement, &origin, &path.parse()?)
}

/// The endpoint of each statement.
const ENDPOINTS: [(Statement, &str); 3] = [
    (Connection, "/remote/control/client"),
    (Enrollment, "/remote/control/client/enroll"),
    (Attestation, "/remote/control/client/enroll/attestation"),
];

/// Asks a policy that lets this origin ask for attestations.
fn ask_each_endpoint(
    policy: &RemoteControlPolicy,
    origin: &str,
    prefix: &str,
) -> [Result<(), Reason>; 3] {
    ask_as_it_is(&policy.clone().with_attestation_for(origin.parse()), origin, prefix)
}

fn ask_as_it_is(
    policy: &RemoteControlPolicy,
    origin: &str,
    prefix: &str,
) -> [Result<(), Reason>; 3] {
    ENDPOINTS
        .map(|(statement, endpoint)| ask(policy, statement, origin, &format!("{prefix}{endpoint}")))
}

const ALLOWED: [Result<(), Reason>; 3] = [Ok(()); 3];
const NO_PATH: [Result<(), Reason>; 3] = [Err(Reason::PathNotAllowed); 3];
const NO_ORIGIN: [Result<(), Reason>; 3] = [Err(Reason::OriginNotAllowed); 3];

#[test]
fn a_backend_is_allowed_only_below_its_own_prefixes() {
    let policy = policy(&[
        ("https://one.example", "/one"),
        ("https://two.example:8443", "/two/deep"),
        ("https://two.example:8443", "/more"),
    ]);
    for (origin, prefixes) in [
        ("https://one.example", &["/one"][..]),
        ("https://two.example:8443", &["/two/deep", "/more"]),
    ] {
        for prefix in ["/one", "/two/deep", "/more", "/two", "/deep", "/api/codex", "/wham", ""] {
            let expected = if prefixes.contains(&prefix) { ALLOWED } else { NO_PATH };
            assert_eq!(ask_each_endpoint(&policy, origin, prefix), expected, "{origin}{prefix}");
        }
    }
}

#[test]
fn the_built_in_backends_keep_their_prefixes() {
    let policy = policy(&[("https://one.example", "/one")]);
    for origin in ["https://chatgpt.com", "https://a.chatgpt-staging.com", "http://[::1]:9"] {
        for prefix in ["/api/codex", "/wham"] {
            assert_eq!(ask_each_endpoint(&policy, origin, prefix), ALLOWED, "{origin}{prefix}");
        }
        assert_eq!(ask_each_endpoint(&policy, origin, "/one"), NO_PATH, "{origin}");
    }
}

#[test]
fn only_a_named_backend_may_ask_for_an_attestation() {
    let backends = [("https://one.example", "/one"), ("https://two.example", "/two")];
    let refused = [Ok(()), Ok(()), Err(Reason::OriginNotAllowed)];
    let policy = policy(&backends);
    for (origin, prefix) in backends.into_iter().chain([("https://chatgpt.com", "/wham")]) {
        assert_eq!(ask_as_it_is(&policy, origin, prefix), refused, "{origin}");
    }
    assert_eq!(ask_as_it_is(&policy, "http://localhost:1", "/wham"), refused);
    let named = ["https://one.example", "https://other.example"].map(|name| name.parse().unwrap());
    let policy = policy.with_attestation_for(named);
    assert_eq!(ask_as_it_is(&policy, "https://one.example", "/one"), ALLOWED);
    assert_eq!(ask_as_it_is(&policy, "https://two.example", "/two"), refused);
    // An origin that is named, but belongs to no backend, gets nothing.
    assert_eq!(ask_as_it_is(&policy, "https://other.example", "/wham"), NO_ORIGIN);
}

#[test]
fn adding_an_origin_allows_no_similar_origin() {
    let policy = policy(&[("https://one.example", "/one")]);
    for origin in [
        "http://one.example",
        "https://one.example:8443",
        "https://sub.one.example",
        "https://example",
        "https://one.example.evil.example",
        "https://notone.example",
    ] {
        assert_eq!(ask_each_endpoint(&policy, origin, "/one"), NO_ORIGIN, "{origin}");
    }
}

#[test]
fn a_prefix_of_a_built_in_origin_is_for_this_origin_only() {
    let policy = policy(&[("https://chatgpt.com", "/own"), ("http://localhost:3000", "/dev")]);
    for (origin, prefix) in [("https://chatgpt.com", "/own"), ("http://localhost:3000", "/dev")] {
        for prefix in ["/api/codex", "/wham", prefix] {
            assert_eq!(ask_each_endpoint(&policy, origin, prefix), ALLOWED, "{origin}{prefix}");
        }
    }
    for (origin, prefix) in [
        ("https://a.chatgpt.com", "/own"),
        ("https://chatgpt-staging.com", "/own"),
        ("http://localhost:3000", "/own"),
        ("http://localhost:3001", "/dev"),
        ("https://localhost:3000", "/dev"),
        ("http://127.0.0.1:3000", "/dev"),
        ("https://chatgpt.com", "/dev"),
    ] {
        assert_eq!(ask_each_endpoint(&policy, origin, prefix), NO_PATH, "{origin}{prefix}");
    }
}

/// No prefix that an operator may choose makes the path of one statement the path of another.
#[test]
fn no_prefix_makes_the_path_of_one_statement_the_path_of_another() {
    let origin = "https://one.example";
    let prefixes = [
        "/one",
        "/remote/control/client",
        "/remote/control/client/enroll",
        "/remote/control/client/enroll/attestation",
        "/one/remote/control/client",
        "/enroll",
        "/client",
    ];
    let policy = policy(&prefixes.map(|prefix| (origin, prefix)));
    let policy = policy.with_attestation_for(origin.parse());
    for prefix in prefixes {
        for (statement, endpoint) in ENDPOINTS {
            let path = format!("{prefix}{endpoint}");
            for (asked, _) in ENDPOINTS {
                let expected =
                    if asked == statement { Ok(()) } else { Err(Reason::PathNotAllowed) };
                assert_eq!(ask(&policy, asked, origin, &path), expected, "{asked:?} at {path}");
            }
        }
    }
}

#[test]
fn only_the_endpoint_itself_is_allowed() {
    let policy = policy(&[("https://one.example", "/one")]);
    let policy = policy.with_attestation_for("https://one.example".parse());
    for path in [
        "/one",
        "/one/remote",
        "/one/remote/control",
        "/one/remote/control/clients",
        "/one/remote/control/client/enroll/more",
        "/one/two/remote/control/client",
        "/onetwo/remote/control/client",
        "/two/one/remote/control/client",
        "/ONE/remote/control/client",
        "/one/remote/control/client/",
        "/one//remote/control/client",
        "/one/../one/remote/control/client",
        "/one/remote/control/client?a=b",
        "/%6fne/remote/control/client",
    ] {
        for (statement, _) in ENDPOINTS {
            let outcome = ask(&policy, statement, "https://one.example", path);
            assert_eq!(outcome, Err(Reason::PathNotAllowed), "{path}");
        }
    }
}

/// The longest path of a statement has 512 bytes.
#[test]
fn every_endpoint_fits_behind_a_prefix() {
    let longest =
        format!("/{}", "a".repeat(512 - "/remote/control/client/enroll/attestation".len() - 1));
    let policy = policy(&[("https://one.example", &longest)]);
    assert_eq!(ask_each_endpoint(&policy, "https://one.example", &longest), ALLOWED);
}
