//! Root counts and deletes the keys of users over the Unix socket, and nobody else does.

use device_key::{LocalPeer, OwnerUid, Peer, Transport};
use device_key_server::{ServerLimits, SocketMode};
use device_key_testing::MemoryProvider;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::client::{Client, Service, binding, initialize, reason};
use crate::users::{ONE, OTHER, initialized_as};

const LIST: &str = "device/key/admin/list";
const PURGE: &str = "device/key/admin/purge";

fn service() -> Service {
    let limits = ServerLimits::default();
    Service::open_to(SocketMode::Everybody, limits, MemoryProvider::hardware())
}

async fn create(client: &mut Client) {
    let created = client.call("device/key/create", &binding()).await;
    assert!(created["result"].is_object(), "{created}");
}

#[tokio::test]
async fn root_counts_and_purges_the_keys_of_a_user() {
    let service = service();
    let (mut one, mut other) =
        (initialized_as(&service, ONE).await, initialized_as(&service, OTHER).await);
    create(&mut one).await;
    create(&mut one).await;
    create(&mut other).await;
    let mut root = initialized_as(&service, 0).await;
    let all = json!([{"uid": ONE, "keys": 2}, {"uid": OTHER, "keys": 1}]);
    assert_eq!(root.call(LIST, &json!({})).await["result"]["users"], all);
    let listed = root.call(LIST, &json!({"uid": OTHER})).await;
    assert_eq!(listed["result"]["users"], json!([{"uid": OTHER, "keys": 1}]));
    let purged = root.call(PURGE, &json!({"uid": ONE})).await;
    assert_eq!(purged["result"], json!({"purged": 2}));
    assert_eq!(one.call("device/key/list", &json!({})).await["result"]["keys"], json!([]));
    let rest = root.call(LIST, &json!({})).await;
    assert_eq!(rest["result"], json!({"users": [{"uid": OTHER, "keys": 1}]}));
    let own = other.call("device/key/list", &json!({})).await;
    assert_eq!(own["result"]["keys"].as_array().unwrap().len(), 1);

    let wrong = root.call(PURGE, &json!({})).await;
    assert_eq!(reason(&wrong), "invalid_params");
    let wrong = root.call(LIST, &json!({"cursor": "x"})).await;
    assert_eq!(reason(&wrong), "invalid_cursor");
}

#[tokio::test]
async fn nobody_else_may() {
    let service = service();
    let mut one = initialized_as(&service, ONE).await;
    create(&mut one).await;
    for (method, params) in [(LIST, json!({})), (PURGE, json!({"uid": ONE})), (PURGE, json!({}))] {
        let refused = one.call(method, &params).await;
        assert_eq!(
            (reason(&refused), &refused["error"]["code"]),
            ("not_permitted", &json!(-32600))
        );
    }
    let root = |transport| Peer::Local(LocalPeer::from_transport(OwnerUid::new(0), transport));
    let peers = [
        (root(Transport::Stdio), "not_permitted"),
        (root(Transport::InProcess), "not_permitted"),
        (Peer::Remote, "transport_not_local"),
    ];
    for (peer, expected) in peers {
        let mut stream = BufReader::new(service.server.connect(peer));
        for (method, params) in [("initialize", initialize()), (PURGE, json!({"uid": ONE}))] {
            let request = json!({"id": 1, "method": method, "params": params});
            stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let answer: Value = serde_json::from_str(&line).unwrap();
            if method == PURGE {
                assert_eq!(reason(&answer), expected, "{peer:?}");
            }
        }
    }
    let own = one.call("device/key/list", &json!({})).await;
    assert_eq!(own["result"]["keys"].as_array().unwrap().len(), 1);
}
