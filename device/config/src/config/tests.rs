//! Tests of the configuration text: defaults, values and refusals.

use std::time::Duration;

use super::*;

fn config(text: &str) -> Config {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Parses the text, which must fail, and returns the line, column and key of the error.
fn place(text: &str) -> (usize, usize, Option<String>) {
    match text.parse::<Config>() {
        Err(InvalidConfig { line, column, key, message }) => {
            assert!(!message.is_empty() && !message.contains('\n'), "{message}");
            (line, column, key)
        }
        Ok(config) => panic!("{text}: {config:?}"),
    }
}

#[track_caller]
fn assert_refused(text: &str, (line, column): (usize, usize), key: &str) {
    assert_eq!(place(text), (line, column, Some(key.to_owned())), "{text}");
}

#[test]
fn an_empty_text_gives_the_defaults() {
    for text in ["", "# only this\n", "\u{feff}", "[tpm]\n[limits]\n[websocket]\n"] {
        assert_eq!(config(text), Config::default(), "{text:?}");
    }
    let Config {
        home,
        providers,
        listen,
        service,
        tpm,
        backends,
        attestation,
        audit,
        limits,
        websocket,
    } = Config::default();
    assert_eq!((home, service), (None, None));
    assert_eq!(providers.iter().collect::<Vec<_>>(), [ProviderName::Tpm, ProviderName::Os]);
    assert_eq!((listen, backends, attestation.origins), (vec![], vec![], vec![]));
    assert_eq!((tpm.device, tpm.allow_simulated), (None, false));
    assert_eq!(audit.when_full, None);
    assert_eq!((websocket.token_file, websocket.allowed_origins), (None, vec![]));
    assert_eq!(
        (limits.operation(), limits.drain(), limits.stall()),
        (Duration::from_secs(90), Duration::from_secs(10), Duration::from_secs(10))
    );
    assert_eq!(limits.idle_exit(), None);
}

#[test]
fn every_key_is_read() {
    let Config {
        home,
        providers,
        listen,
        service,
        tpm,
        backends,
        attestation,
        audit,
        limits,
        websocket,
    } = config(
        r#"
        home = "/var/lib/device-key"
        providers = ["os"]
        listen = ["unix://", "unix:///run/a.sock", "ws://127.0.0.1:7777"]

        [service]
        mode = "system"

        [tpm]
        device = "/dev/tpm1"
        allow_simulated = true

        [[backend]]
        origin = "https://backend.example"
        path_prefix = "/api/codex"

        [[backend]]
        origin = "http://localhost:3000"
        path_prefix = "/dev"

        [attestation]
        origins = ["https://backend.example", "http://localhost:3000"]

        [audit]
        when_full = "drop"

        [limits]
        connections_per_user = 1
        connections = 2
        waiting_per_user = 3
        waiting_per_provider = 4
        requests_per_connection = 5
        keys_per_user = 6
        operation_seconds = 7
        drain_seconds = 8
        stall_seconds = 9
        idle_exit_seconds = 10

        [websocket]
        token_file = "/etc/device-key/websocket-token"
        allowed_origins = ["https://console.example", "http://[::1]:3000"]
        "#,
    );
    assert_eq!(home.unwrap().to_string(), "/var/lib/device-key");
    assert_eq!(providers, Providers::of([ProviderName::Os]).unwrap());
    let listen: Vec<_> = listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["unix://", "unix:///run/a.sock", "ws://127.0.0.1:7777"]);
    assert_eq!(service, Some(Service { mode: ServiceMode::System }));
    assert_eq!((tpm.device.unwrap().to_string(), tpm.allow_simulated), ("/dev/tpm1".into(), true));
    let backends: Vec<_> =
        backends.iter().map(|added| format!("{}{}", added.origin, added.path_prefix)).collect();
    assert_eq!(backends, ["https://backend.example/api/codex", "http://localhost:3000/dev"]);
    let attested: Vec<_> = attestation.origins.iter().map(ToString::to_string).collect();
    assert_eq!(attested, ["https://backend.example", "http://localhost:3000"]);
    assert_eq!(audit.when_full, Some(WhenFull::Drop));
    let LimitSettings { connections_per_user, connections, waiting_per_user, .. } = limits;
    assert_eq!((connections_per_user.get(), connections.get(), waiting_per_user.get()), (1, 2, 3));
    let LimitSettings { waiting_per_provider, requests_per_connection, keys_per_user, .. } = limits;
    assert_eq!(
        (waiting_per_provider.get(), requests_per_connection.get(), keys_per_user.as_count()),
        (4, 5, 6)
    );
    assert_eq!(
        (limits.operation(), limits.drain(), limits.stall()),
        (Duration::from_secs(7), Duration::from_secs(8), Duration::from_secs(9))
    );
    assert_eq!(limits.idle_exit(), Some(Duration::from_secs(10)));
    assert_eq!(websocket.token_file.unwrap().to_string(), "/etc/device-key/websocket-token");
    let origins: Vec<_> = websocket.allowed_origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://console.example", "http://[::1]:3000"]);
    let user = config("service = { mode = \"user\" }").service;
    assert_eq!(user, Some(Service { mode: ServiceMode::User }));
}

/// The example in the documentation can be read, and states the default of every limit.
#[test]
fn the_documented_example_is_valid() {
    let document = include_str!("../../../../docs/configuration.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let Config { home, limits, backends, attestation, websocket, .. } = config(example);
    let lengths = (backends.len(), attestation.origins.len());
    assert_eq!((limits, lengths), (LimitSettings::default(), (1, 1)));
    assert!(home.is_some() && websocket.token_file.is_some());
}

#[test]
fn every_limit_has_a_range() {
    for (key, default, most) in [
        ("connections_per_user", 64, 4096),
        ("connections", 512, 16384),
        ("waiting_per_user", 128, 65536),
        ("waiting_per_provider", 1024, 65536),
        ("requests_per_connection", 512, 65536),
        ("keys_per_user", 1000, 1_000_000),
        ("operation_seconds", 90, 3600),
        ("drain_seconds", 10, 3600),
        ("stall_seconds", 10, 3600),
    ] {
        let with = |number: i64| format!("[limits]\n{key} = {number}\n");
        assert_eq!(config(&with(default)), Config::default(), "the default of {key}");
        for number in [1, most] {
            assert_ne!(config(&with(number)), Config::default(), "{key}");
        }
        for number in [i64::MIN, -1, 0, most + 1, i64::MAX] {
            let column = key.len() + 4;
            assert_refused(&with(number), (2, column), &format!("limits.{key}"));
        }
        for value in ["\"64\"", "64.0", "true", "[64]", "{ a = 1 }"] {
            let (line, _, found) = place(&format!("[limits]\n{key} = {value}\n"));
            assert_eq!((line, found), (2, Some(format!("limits.{key}"))), "{value}");
        }
    }
}

#[test]
fn invalid_values_are_refused() {
    for (key, values) in [
        ("home", &["3", "\"\"", "\"relative\"", "\"/\"", "\"/a/../b\"", "\"/a/\"", "[\"/a\"]"][..]),
        ("providers", &["[]", "\"tpm\"", "[\"pkcs11\"]", "[\"TPM\"]", "[\"tpm\", \"tpm\"]", "[1]"]),
        (
            "listen",
            &[
                "\"unix://\"",
                "[\"tcp://a\"]",
                "[\"ws://localhost:1\"]",
                "[\"unix://\", \"unix://\"]",
            ],
        ),
        ("service", &["\"system\"", "true", "[\"system\"]", "[]", "{}"]),
        ("service.mode", &["\"System\"", "\"\"", "1", "{ system = {} }"]),
        ("tpm", &["true", "[\"/dev/tpm0\", true]", "[]"]),
        ("tpm.device", &["\"/tmp/tpm\"", "\"tcp:127.0.0.1:1\"", "\"\"", "1"]),
        ("tpm.allow_simulated", &["1", "\"true\""]),
        ("audit", &["[]", "[\"drop\"]", "\"drop\""]),
        ("audit.when_full", &["\"Drop\"", "\"\"", "true", "[\"drop\"]"]),
        ("limits", &["[]", "[1, 2]", "1"]),
        ("websocket", &["[]", "[\"/a\"]", "1"]),
        ("websocket.token_file", &["\"token\"", "\"~/token\"", "1"]),
        (
            "websocket.allowed_origins",
            &[
                "\"https://a.example\"",
                "[\"a.example\"]",
                "[\"*\"]",
                "[\"null\"]",
                "[\"https://a.example/\"]",
                "[\"https://a.example\", \"https://a.example\"]",
            ],
        ),
        ("backend", &["\"https://a.example\"", "{}", "[{}]", "[[\"https://a.example\", \"/a\"]]"]),
    ] {
        for value in values {
            let text = format!("# a line before\n{key} = {value}\n");
            let (line, _, found) = place(&text);
            let found = found.unwrap_or_else(|| panic!("no key: {text}"));
            assert_eq!((line, &*found), (2, key), "{text}");
        }
    }
}

#[test]
fn a_backend_needs_a_valid_origin_and_a_valid_path_prefix() {
    let backend = |origin: &str, prefix: &str| {
        format!(
            "[[backend]]\norigin = \"https://a.example\"\npath_prefix = \"/a\"\n[[backend]]\n\
                 origin = \"{origin}\"\npath_prefix = \"{prefix}\"\n"
        )
    };
    assert_eq!(config(&backend("https://b.example", "/b")).backends.len(), 2);
    for origin in ["http://b.example", "wss://b.example", "https://b.example/", "b.example", ""] {
        assert_refused(&backend(origin, "/b"), (5, 10), "backend.origin");
    }
    for prefix in ["", "/", "b", "/b/", "/../b", "/b?c", "/b/*"] {
        assert_refused(&backend("https://b.example", prefix), (6, 15), "backend.path_prefix");
    }
    assert_refused("[[backend]]\norigin = \"https://a.example\"", (1, 1), "backend");
    assert_refused("\n[[backend]]\npath_prefix = \"/a\"", (2, 1), "backend");
    let surplus = format!("{}comment = 1", backend("https://b.example", "/b"));
    assert_refused(&surplus, (7, 1), "backend.comment");
}

#[test]
fn unknown_keys_are_refused() {
    assert_refused("hme = \"/a\"", (1, 1), "hme");
    assert_refused("home = \"/a\"\n\n  Home = \"/a\"", (3, 3), "Home");
    for table in ["service", "tpm", "audit", "limits", "websocket"] {
        let known = if table == "service" { "mode = \"user\"" } else { "" };
        let text = format!("[{table}]\n{known}\n  surplus = 1");
        assert_refused(&text, (3, 3), &format!("{table}.surplus"));
        let deeper = format!("{table}.surplus.deeper = 1");
        assert_refused(&deeper, (1, table.len() + 2), &format!("{table}.surplus"));
    }
    assert_refused("[storage]\nfile = \"/a\"", (1, 2), "storage");
    assert_refused("[\"li mits\"]", (1, 2), "li mits");
}

#[test]
fn invalid_toml_is_refused() {
    for (text, line) in [
        ("home", 1),
        ("home = ", 1),
        ("\n\n[limits", 3),
        ("home = '/a'\nhome = '/b'", 2),
        ("[tpm]\n[tpm]\n", 2),
        ("home = \"/a", 1),
        (
            "a = {{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{",
            1,
        ),
        ("home = \"\u{0}\"", 1),
    ] {
        assert_eq!(place(text).0, line, "{text}");
    }
}

/// A column counts characters, because people do not count bytes.
#[test]
fn columns_are_characters() {
    let text = "websocket.allowed_origins = [] # ä\nlimits = { \"ä\" = 1 }";
    assert_refused(text, (2, 12), "limits.ä");
    assert_refused("limits = { ''' ''' = 1, connections = 0 }", (1, 12), "limits. ");
}
