//! `device/key/list`, `device/key/delete` and `device/key/providers`, as clients see them.

use std::collections::BTreeSet;
use std::sync::Arc;

use device_key::{LocalPeer, OwnerUid, Peer, ProviderErrorKind, Transport};
use device_key_testing::{
    Faults, HookedProvider, IntoProviderError as _, MemoryProvider, ProviderOperation,
};
use device_key_types::OsProtectionCondition;
use serde_json::json;

use crate::client::{Client, initialize, memory, reason, server};

const fn local(uid: u32) -> Peer {
    Peer::Local(LocalPeer::from_transport(OwnerUid::new(uid), Transport::UnixSocket))
}

#[tokio::test]
async fn pages_list_each_of_the_users_keys_once_with_its_binding() {
    let (server, _) = server(memory());
    let mut client = Client::connect_as(&server, local(1000));
    client.exchange(&initialize()).await;
    let mut stranger = Client::connect_as(&server, local(1001));
    stranger.exchange(&initialize()).await;
    let foreign = stranger.create("account", "client").await;
    let mut created = BTreeSet::new();
    for client_id in ["one", "two", "three"] {
        created.insert(client.create("account", client_id).await);
    }

    let mut listed = BTreeSet::new();
    let mut params = json!({"limit": 2});
    let mut sizes = Vec::new();
    loop {
        let page = client.call("device/key/list", params).await["result"].take();
        let keys = page["keys"].as_array().unwrap();
        sizes.push(keys.len());
        for key in keys {
            assert_eq!(key["accountUserId"], "account");
            assert_eq!(key["algorithm"], "ecdsa_p256_sha256");
            assert_eq!(key["protectionClass"], "hardware_tpm");
            assert_eq!(key["tpmKind"], "simulated");
            assert!(key["createdAt"].is_i64() && key["clientId"].is_string());
            listed.insert(key["keyId"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page.get("nextCursor") else { break };
        params = json!({"limit": 2, "cursor": cursor});
    }
    assert_eq!((sizes, &listed), (vec![2, 1], &created));
    assert!(!listed.contains(&foreign));

    let filtered = client.call("device/key/list", json!({"clientId": "two"})).await;
    assert_eq!(filtered["result"]["keys"].as_array().unwrap().len(), 1);
    assert_eq!(filtered["result"]["keys"][0]["clientId"], "two");
    for (params, expected, field) in [
        (json!({"cursor": "dk_"}), "invalid_cursor", "cursor"),
        (json!({"limit": 0}), "invalid_params", "limit"),
        (json!({"limit": 101}), "invalid_params", "limit"),
        (json!({"accountUserId": ""}), "empty_field", "accountUserId"),
    ] {
        let answer = client.call("device/key/list", params).await;
        assert_eq!((reason(&answer), &answer["error"]["data"]["field"]), (expected, &json!(field)));
    }
    assert_eq!(
        reason(&client.call("device/key/list", json!({"limit": -1})).await),
        "invalid_params"
    );
}

#[tokio::test]
async fn a_key_is_deleted_once_and_by_its_owner() {
    let (server, _) = server(memory());
    let mut owner = Client::connect_as(&server, local(1000));
    owner.exchange(&initialize()).await;
    let mut stranger = Client::connect_as(&server, local(1001));
    stranger.exchange(&initialize()).await;
    let key_id = json!({"keyId": owner.create("account", "client").await});
    assert_eq!(reason(&stranger.call("device/key/delete", key_id.clone()).await), "key_not_found");
    assert_eq!(owner.call("device/key/delete", key_id.clone()).await["result"], json!({}));
    for method in ["device/key/delete", "device/key/public"] {
        assert_eq!(reason(&owner.call(method, key_id.clone()).await), "key_not_found");
    }
    let malformed = owner.call("device/key/delete", json!({"keyId": "../key"})).await;
    assert_eq!(reason(&malformed), "invalid_key_id");
}

#[tokio::test]
async fn the_failing_condition_is_named_in_the_error() {
    let condition = OsProtectionCondition::SameUser;
    let refused = move || ProviderErrorKind::OsProtectionUnavailable(condition).into_error();
    let keystore = HookedProvider::new(MemoryProvider::os_protected())
        .with(Faults::always(ProviderOperation::Presence, refused))
        .with(Faults::always(ProviderOperation::Availability, refused));
    let (server, _) = server(vec![Arc::new(keystore)]);
    let mut client = Client::initialized(&server).await;
    let expected = json!([{
        "name": "memory_os",
        "protectionClass": "os_protected_nonextractable",
        "available": false,
        "reason": "os_protection_unavailable",
        "cause": "same_user",
    }]);
    let answer = client.call("device/key/providers", json!({})).await;
    assert_eq!(answer["result"]["providers"], expected);
    let binding = |policy| json!({"accountUserId": "account", "clientId": "client", "protectionPolicy": policy});
    let policy = "allow_os_protected_nonextractable";
    let answer = client.call("device/key/create", binding(policy)).await;
    let data = json!({"reason": "os_protection_unavailable", "cause": "same_user"});
    assert_eq!(answer["error"]["data"], data);
    let answer = client.call("device/key/create", binding("hardware_only")).await;
    assert_eq!(answer["error"]["data"], json!({"reason": "hardware_unavailable"}));
}

#[tokio::test]
async fn the_weaker_class_is_offered_by_name_to_a_caller_that_asked_for_hardware() {
    let (server, _) = server(vec![Arc::new(MemoryProvider::os_protected())]);
    let mut client = Client::initialized(&server).await;
    let params = json!({"accountUserId": "account", "clientId": "client"});
    let answer = client.call("device/key/create", params).await;
    let data = json!({
        "reason": "degraded_protection_not_allowed",
        "available": ["os_protected_nonextractable"],
    });
    assert_eq!(answer["error"]["data"], data);
}
