//! The commands that use keys, as clients of a running service.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::keys::{assert_failed, stdout};
use crate::peer::{Heard, Peer, Reply, client_of};
use crate::program::{device_key, run, run_on};

const REFUSED: Option<i32> = Some(1);
const TRANSPORT_FAILED: Option<i32> = Some(4);
const NO_SERVICE: Option<i32> = Some(6);
const UNTRUSTED_SERVICE: Option<i32> = Some(7);

/// User ids without an account.
const SERVICE: u32 = 61_001;
const CLIENT: u32 = 61_002;

const ID: &str = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// A well-formed P-256 public key, and below it a well-formed signature.
const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2DwSr9FGW7vxyBoJr46qX1ND3OfU\
    EyI0zS655w9X9llnSgTngpx3kZYcqoFfgPpA09ljABnWnRDKz+RftP6BGA==";
const SIGNATURE: &str = "MEUCIBuAbMoPRS9DFv3XsPRr/OohuGaU6XfgEvry44uikaWvAiEAuRYaOdAF2yzd\
    hoIk5E5KskM+4Z3a7S4s7muQjzDaeTA=";

const OTHER_ID: &str = "dk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn listed(id: &str, account: &str) -> Value {
    json!({
        "keyId": id, "accountUserId": account, "clientId": "client",
        "algorithm": "ecdsa_p256_sha256", "protectionClass": "hardware_tpm",
        "tpmKind": "physical", "createdAt": 1_700_000_000, "later": {"z": 1, "a": 2},
    })
}

/// Runs a command against a scripted service. Returns the command's output and what it sent.
fn ask(arguments: &[&str], replies: impl IntoIterator<Item = Reply>) -> (Output, Heard) {
    let peer = Peer::with(replies);
    let output = run(&mut peer.client(arguments));
    (output, peer.heard())
}

fn request(method: &str, params: Value) -> (String, Value) {
    (method.to_owned(), params)
}

#[test]
fn each_command_makes_one_request() {
    let key = json!({
        "keyId": ID, "publicKeySpkiDerBase64": PUBLIC_KEY, "algorithm": "ecdsa_p256_sha256",
        "protectionClass": "os_protected_nonextractable",
    });
    let policy = "allow-os-protected-nonextractable";
    let created = ["create", "--account", "a", "--client", "c", "--policy", policy];
    let expected = request(
        "device/key/create",
        json!({
            "accountUserId": "a", "clientId": "c",
            "protectionPolicy": "allow_os_protected_nonextractable",
        }),
    );
    let key_id = json!({"keyId": ID});
    let signed = json!({
        "signatureDerBase64": SIGNATURE, "signedPayloadBase64": "e30=",
        "algorithm": "ecdsa_p256_sha256",
    });
    let folder = tempfile::tempdir().unwrap();
    let payload = folder.path().join("payload");
    fs::write(&payload, "{\n \"b\": 1.50,\n \"a\": \"\\u00e4\"\n}\n").unwrap();
    let sign = ["sign", ID, "--payload", payload.to_str().unwrap()];
    let sign_params = json!({"keyId": ID, "payload": {"b": 1.5, "a": "ä"}});
    let none = json!({"providers": []});
    for (arguments, expected, result) in [
        (&created[..], expected, &key),
        (
            &created[..5],
            request("device/key/create", json!({"accountUserId": "a", "clientId": "c"})),
            &key,
        ),
        (&["public", ID], request("device/key/public", key_id.clone()), &key),
        (&["delete", ID], request("device/key/delete", key_id), &json!({})),
        (&sign, request("device/key/sign", sign_params), &signed),
        (&["providers"], request("device/key/providers", json!({})), &none),
    ] {
        let (output, heard) = ask(arguments, [Reply::Result(result.clone())]);
        assert!(!stdout(&output).is_empty());
        assert_eq!(heard.requests, std::slice::from_ref(&expected));
        let json = [arguments, &["--json"]].concat();
        let (output, heard) = ask(&json, [Reply::Result(result.clone())]);
        assert_eq!(stdout(&output), format!("{result}\n"), "as on the wire");
        assert_eq!(heard.requests, [expected]);
    }
}

#[test]
fn every_page_is_shown() {
    let page = |id: &str, next: Option<&str>| {
        let mut page = json!({"keys": [listed(id, "account ä")]});
        if let Some(next) = next {
            page["nextCursor"] = json!(next);
        }
        Reply::Result(page)
    };
    let pages =
        || [page(ID, Some("one")), page(OTHER_ID, Some("two")), Reply::Result(json!({"keys": []}))];
    let filter = ["list", "--account", "account ä", "--client", "client"];
    let (output, heard) = ask(&filter, pages());
    let params = |cursor: Option<&str>| {
        let mut params = json!({"accountUserId": "account ä", "clientId": "client"});
        if let Some(cursor) = cursor {
            params["cursor"] = json!(cursor);
        }
        request("device/key/list", params)
    };
    assert_eq!(heard.requests, [params(None), params(Some("one")), params(Some("two"))]);
    let expected = [
        "KEY ID                                          ACCOUNT    CLIENT  PROTECTION               CREATED (UTC)",
        &format!("{ID}  account ä  client  hardware_tpm (physical)  2023-11-14 22:13:20"),
        &format!("{OTHER_ID}  account ä  client  hardware_tpm (physical)  2023-11-14 22:13:20"),
    ];
    assert_eq!(stdout(&output).lines().collect::<Vec<_>>(), expected);
    let (output, _) = ask(&["list", "--json"], pages());
    let keys = json!({"keys": [listed(ID, "account ä"), listed(OTHER_ID, "account ä")]});
    assert_eq!(stdout(&output), format!("{keys}\n"));
}

#[test]
fn one_page_is_shown_when_one_is_asked_for() {
    for (arguments, params) in [
        (&["--limit", "1"][..], json!({"limit": 1})),
        (&["--cursor", "here"], json!({"cursor": "here"})),
        (&["--cursor", "here", "--limit", "7"], json!({"cursor": "here", "limit": 7})),
    ] {
        let page = json!({"keys": [listed(ID, "account")], "nextCursor": "next"});
        let arguments = [&["list"], arguments].concat();
        let (output, heard) = ask(&arguments, [Reply::Result(page.clone())]);
        assert_eq!(heard.requests, [request("device/key/list", params)]);
        let table = stdout(&output);
        assert!(table.contains(ID) && table.contains("--cursor 'next'"), "{table}");
        let json = [&*arguments, &["--json"]].concat();
        let (output, _) = ask(&json, [Reply::Result(page.clone())]);
        assert_eq!(stdout(&output), format!("{page}\n"));
    }
    let (output, _) = ask(&["list"], [Reply::Result(json!({"keys": []}))]);
    assert_eq!(stdout(&output), "no keys\n");
}

#[test]
fn a_page_that_leads_to_itself_is_an_error() {
    let page = || Reply::Result(json!({"keys": [], "nextCursor": "again"}));
    let (output, heard) = ask(&["list"], [page(), page(), page()]);
    assert_failed(&output, TRANSPORT_FAILED, "leads to the page itself");
    assert_eq!(heard.requests.len(), 2);
}

#[test]
fn providers_are_shown_with_the_reason_why_they_are_unavailable() {
    let providers = json!({"providers": [
        {"name": "tpm", "protectionClass": "hardware_tpm", "available": true},
        {"name": "os", "protectionClass": "os_protected_nonextractable", "available": false,
         "reason": "os_protection_unavailable", "cause": "same_user"},
    ]});
    let (output, _) = ask(&["providers"], [Reply::Result(providers)]);
    let expected = [
        "PROVIDER  PROTECTION                   AVAILABLE  REASON",
        "tpm       hardware_tpm                 yes",
        "os        os_protected_nonextractable  no         os_protection_unavailable: same_user",
    ];
    assert_eq!(stdout(&output).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_refusal_is_shown_with_all_its_details() {
    let error = json!({"code": -32600, "message": "words for people", "data": {
        "reason": "degraded_protection_not_allowed", "field": "a.field",
        "available": ["one_class", "other_class"], "cause": "a_cause",
    }});
    let create = ["create", "--account", "a", "--client", "c"];
    let (output, _) = ask(&create, [Reply::Error(error)]);
    for part in ["words for people", "a.field", "one_class, other_class", "a_cause", "--policy"] {
        assert_failed(&output, REFUSED, part);
    }
    assert_failed(&output, REFUSED, "degraded_protection_not_allowed");
    // Another implementation of the protocol may leave out the data.
    let (output, _) =
        ask(&["providers"], [Reply::Error(json!({"code": 1, "message": "only words"}))]);
    assert_failed(&output, REFUSED, "only words");
}

#[test]
fn malformed_answers_are_transport_failures() {
    for raw in [
        "\n",
        "words\n",
        "[]\n",
        "{}\n",
        "{\"id\":1}\n",
        "{\"id\":0,\"result\":{}}\n",
        "{\"id\":2,\"result\":{}}\n",
        "{\"id\":\"1\",\"result\":{}}\n",
        "{\"result\":{}}\n",
        "{\"id\":0,\"error\":{\"code\":1,\"message\":\"\"}}\n",
        "{\"id\":1,\"result\":{},\"error\":{\"code\":1,\"message\":\"\"}}\n",
    ] {
        let (output, _) = ask(&["delete", ID], [Reply::Raw(raw)]);
        assert_failed(&output, TRANSPORT_FAILED, "");
    }
    // The answer of another method.
    for result in [json!({}), json!({"keyId": 1}), json!([]), json!(null)] {
        for arguments in [&["public", ID][..], &["list"], &["providers"]] {
            let (output, _) = ask(arguments, [Reply::Result(result.clone())]);
            assert_failed(&output, TRANSPORT_FAILED, "");
        }
    }
}

#[test]
fn a_service_that_disconnects_or_does_not_answer() {
    let (output, _) = ask(&["delete", ID], [Reply::Close]);
    assert_failed(&output, TRANSPORT_FAILED, "device/key/delete");
    let (output, _) = ask(&["delete", ID, "--timeout", "1"], [Reply::Silence]);
    assert_failed(&output, TRANSPORT_FAILED, "--timeout");
}

#[test]
fn sockets_without_a_listener_have_their_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let asked = || run(&mut client_of(&path, &["list"]));
    assert_failed(&asked(), NO_SERVICE, path.to_str().unwrap());
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a stale socket");
    assert_failed(&asked(), NO_SERVICE, path.to_str().unwrap());
    fs::remove_file(&path).unwrap();
    File::create(&path).unwrap();
    assert_failed(&asked(), NO_SERVICE, path.to_str().unwrap());
}

/// The user's socket is the default if the system's socket does not exist.
#[test]
fn the_default_socket_is_found() {
    let system = "/run/device-key/device-key.sock";
    assert!(!Path::new(system).exists(), "these tests need a machine without a device-key service");
    let runtime = tempfile::tempdir().unwrap();
    let providers = || [Reply::Result(json!({"providers": []}))];
    let peer = Peer::with(providers());
    let folder = runtime.path().join("device-key");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(peer.path(), folder.join("device-key.sock")).unwrap();
    let output = run(device_key("providers").env("XDG_RUNTIME_DIR", runtime.path()));
    assert_eq!(stdout(&output), "no providers\n");
    assert_eq!(peer.heard().requests.len(), 1);

    let named = Peer::with(providers());
    let mut command = device_key("providers");
    command.env("XDG_RUNTIME_DIR", runtime.path()).env("DEVICE_KEY_SOCKET", named.path());
    assert_eq!(stdout(&run(&mut command)), "no providers\n");
    assert_eq!(named.heard().requests.len(), 1);

    let empty = tempfile::tempdir().unwrap();
    for runtime in [empty.path(), Path::new("relative")] {
        let output = run(device_key("providers").env("XDG_RUNTIME_DIR", runtime));
        assert_failed(&output, NO_SERVICE, system);
    }
    assert_failed(&run(&mut device_key("providers")), NO_SERVICE, system);
    // If a socket is named, no other socket is tried.
    let mut command = client_of(Path::new("/nowhere"), &["providers"]);
    assert_failed(&run(command.env("XDG_RUNTIME_DIR", runtime.path())), NO_SERVICE, "/nowhere");
}

/// The command checks the listener's user before it sends a byte.
#[test]
fn nothing_is_sent_to_an_untrusted_service() {
    let program = tempfile::tempdir().unwrap();
    // The other user may have no access to the build folder, so the program is copied.
    let copy = program.path().join("device-key");
    crate::service::install(Path::new(env!("CARGO_BIN_EXE_device-key")), &copy);
    fs::set_permissions(program.path(), Permissions::from_mode(0o755)).unwrap();
    for (listener, client, service_uid, is_trusted) in [
        (0, 0, None, true),
        (0, CLIENT, None, true),
        (CLIENT, CLIENT, None, true),
        (SERVICE, CLIENT, None, false),
        (SERVICE, CLIENT, Some(CLIENT), false),
        (SERVICE, CLIENT, Some(SERVICE), true),
        (SERVICE, 0, None, false),
        (SERVICE, 0, Some(SERVICE), true),
        (CLIENT, SERVICE, Some(0), false),
    ] {
        let case = format!("{listener} {client} {service_uid:?}");
        let replies = || [Reply::Result(json!({"providers": []}))];
        let peer = Peer::of_user((listener != 0).then_some(listener), replies());
        let mut command = Command::new(&copy);
        command.env_clear().current_dir("/").uid(client).gid(client);
        command.args(["providers", "--json", "--socket"]).arg(peer.path());
        service_uid.map(|uid| command.args(["--service-uid", &uid.to_string()]));
        let output = run(&mut command);
        let heard = peer.heard();
        if is_trusted {
            assert_eq!(stdout(&output), "{\"providers\":[]}\n", "{case}");
            assert_eq!(heard.requests.len(), 1, "{case}");
        } else {
            assert_failed(&output, UNTRUSTED_SERVICE, &listener.to_string());
            assert_eq!(heard.bytes, 0, "{case}");
        }
        // The relay makes the same decision.
        let peer = Peer::of_user((listener != 0).then_some(listener), replies());
        let mut command = Command::new(&copy);
        command.env_clear().current_dir("/").uid(client).gid(client);
        command.args(["app-server", "--connect"]).arg(peer.path());
        service_uid.map(|uid| command.args(["--service-uid", &uid.to_string()]));
        let input = concat!(
            r#"{"id":0,"method":"initialize","params":{}}"#,
            "\n",
            r#"{"id":1,"method":"device/key/providers","params":{}}"#,
            "\n",
        );
        let file = program.path().join("input");
        fs::write(&file, input).unwrap();
        let output = run_on(&mut command, File::open(file).unwrap());
        let heard = peer.heard();
        if is_trusted {
            let last = stdout(&output).lines().last().unwrap().to_owned();
            let expected = r#"{"id":1,"jsonrpc":"2.0","result":{"providers":[]}}"#;
            assert_eq!(last, expected, "{case}");
            assert_eq!(heard.bytes, input.len(), "{case}");
        } else {
            assert_failed(&output, UNTRUSTED_SERVICE, &listener.to_string());
            assert_eq!(heard.bytes, 0, "{case}");
        }
    }
}
