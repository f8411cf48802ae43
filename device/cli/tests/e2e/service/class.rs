//! Keys are OS-protected only for another user over the socket.

use serde_json::{Value, json};

use super::{CLIENT, Client, Installation, SERVICE, binding};
use crate::server::{Server, reason};

const EITHER: &str = "allow_os_protected_nonextractable";

fn data(answer: &Value) -> &Value {
    &answer["error"]["data"]
}

#[test]
fn another_user_has_a_key_of_the_class_and_signs_with_it() {
    let installation = Installation::new();
    let service = installation.start(&[]);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let created = client.call("device/key/create", &binding(EITHER));
    assert_eq!(created["result"]["protectionClass"], "os_protected_nonextractable", "{created}");
    let hardware = client.call("device/key/create", &binding("hardware_only"));
    let expected = json!({
        "reason": "degraded_protection_not_allowed",
        "available": ["os_protected_nonextractable"],
    });
    assert_eq!(data(&hardware), &expected);

    let key_id = &created["result"]["keyId"];
    let mut key = crate::proof::Key::of_any_class("account", "client", &created);
    let signed = client.call("device/key/sign", &key.sign_params());
    let message = key.verify(&signed);
    assert!(key.openssl_verifies(&signed, &message));
    key.id = "dk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let unknown = client.call("device/key/sign", &key.sign_params());
    assert_eq!(reason(&unknown), "key_not_found");
    // The key still works after the service has restarted.
    drop(client);
    service.stop();
    let service = installation.start(&[]);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    key.id = key_id.as_str().unwrap().to_owned();
    key.verify(&client.call("device/key/sign", &key.sign_params()));
    drop(client);
    service.stop();
}

#[test]
fn the_services_own_user_and_root_get_no_os_protected_key() {
    let installation = Installation::new();
    let service = installation.start(&[]);
    for (uid, cause) in [(SERVICE, "same_user"), (0, "root_client")] {
        let mut client = Client::connect(&installation.socket(), uid);
        let refused = client.call("device/key/create", &binding(EITHER));
        let expected = json!({"reason": "os_protection_unavailable", "cause": cause});
        assert_eq!(data(&refused), &expected);
        let hardware = client.call("device/key/create", &binding("hardware_only"));
        assert_eq!(data(&hardware), &json!({"reason": "hardware_unavailable"}));
        let providers = client.call("device/key/providers", &json!({}));
        assert_eq!(providers["result"]["providers"][0]["cause"], cause);
    }
    service.stop();
}

#[test]
fn a_child_over_stdio_makes_no_os_protected_key() {
    let installation = Installation::new();
    let mut command = installation.as_user(SERVICE);
    command.args(["app-server", "--home"]).arg(installation.home());
    let mut server = Server::start(command.args(["--provider", "os"]));
    let refused = server.call("device/key/create", &binding(EITHER));
    let expected = json!({"reason": "os_protection_unavailable", "cause": "transport"});
    assert_eq!(data(&refused), &expected);
    server.finish_well();
}

#[test]
fn a_service_gives_its_own_user_no_os_protected_key() {
    let installation = Installation::new();
    let mut command = installation.as_user(SERVICE);
    command.args(["app-server", "--provider", "os", "--home"]).arg(installation.home());
    let service = super::Service::start(command.args(["--listen", &installation.listen()]));
    let mut client = Client::connect(&installation.socket(), SERVICE);
    let refused = client.call("device/key/create", &binding(EITHER));
    assert_eq!(reason(&refused), "os_protection_unavailable");
    service.stop();
}

#[test]
fn users_outside_the_user_namespace_are_refused() {
    let installation = Installation::new();
    let service = installation.start(&[]);
    let mut nobody = Client::connect(&installation.socket(), 65_534);
    for method in ["create", "public", "sign", "list", "delete", "providers"] {
        let answer = nobody.call(&format!("device/key/{method}"), &json!({}));
        assert_eq!(reason(&answer), "transport_not_local", "{method}");
    }
    service.stop();
}

#[test]
fn a_home_below_a_folder_that_others_can_write_to_holds_no_os_protected_key() {
    let installation = Installation::new();
    let open = tempfile::tempdir_in("/tmp").unwrap();
    let home = open.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(SERVICE), Some(SERVICE)).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::set_permissions(open.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let mut command = installation.as_user(SERVICE);
    command.args(["app-server", "--service", "--provider", "os", "--home"]).arg(&home);
    let service = super::Service::start(command.args(["--listen", &installation.listen()]));
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let refused = client.call("device/key/create", &binding(EITHER));
    let expected = json!({"reason": "os_protection_unavailable", "cause": "ancestors"});
    assert_eq!(data(&refused), &expected);
    service.stop();
}
