//! Audit events: room for them, and refusals that are repeated.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device_key::{OwnerUid, Peer};
use device_key_server::{AppServer, AuditLog, Methods, ServerDescription, ServerLimits};
use device_key_testing::{Assembly, MemoryProvider, Recorder, samples};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::client::{Client, initialize, reason};

/// The fields of an event as text.
type Fields = HashMap<&'static str, String>;

/// A log with room for a number of events, whose reader takes an event at once.
struct Room {
    free: AtomicUsize,
    events: Arc<Mutex<Vec<Fields>>>,
}

impl AuditLog for Room {
    fn reserve(&self, _owner: Option<OwnerUid>) -> bool {
        let less = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    fn give_back(&self, _owner: Option<OwnerUid>) {
        self.free.fetch_add(1, Ordering::SeqCst);
    }

    fn log(&self, owner: Option<OwnerUid>, event: &dyn Fn()) {
        let collector = Collector(Arc::clone(&self.events));
        tracing::subscriber::with_default(collector, event);
        self.give_back(owner);
    }
}

impl Room {
    fn for_events(free: usize) -> Arc<Self> {
        Arc::new(Self { free: free.into(), events: Arc::default() })
    }

    fn free(&self) -> usize {
        self.free.load(Ordering::SeqCst)
    }

    fn set_free(&self, free: usize) {
        self.free.store(free, Ordering::SeqCst);
    }

    /// The events since the last call.
    fn take(&self) -> Vec<Fields> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

/// Collects events.
struct Collector(Arc<Mutex<Vec<Fields>>>);

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "audit"
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        self.0.lock().unwrap().push(fields);
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

fn server(room: &Arc<Room>) -> (AppServer, Arc<Recorder>) {
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let recorder = Arc::clone(&assembly.recorder);
    let description =
        ServerDescription { name: "test".to_owned(), version: "0".to_owned(), home: "/".into() };
    let audit: Arc<dyn AuditLog> = room.clone();
    let limits = ServerLimits::default();
    let server =
        AppServer::with_audit_log(description, assembly.store(), Methods::new(), limits, audit);
    (server.unwrap(), recorder)
}

async fn connect(server: &AppServer, uid: u32) -> Client {
    let mut client = Client::connect_as(server, Peer::Local(samples::peer(uid)));
    client.exchange(&initialize()).await;
    client
}

fn binding() -> Value {
    json!({"accountUserId": "a", "clientId": "c"})
}

fn outcomes(events: &[Fields]) -> Vec<&str> {
    events.iter().map(|event| &*event["outcome"]).collect()
}

fn repeated(events: &[Fields]) -> Vec<u64> {
    events.iter().filter_map(|event| event.get("repeated")?.parse().ok()).collect()
}

#[tokio::test]
async fn without_room_an_operation_is_refused_before_the_provider_is_asked() {
    let room = Room::for_events(0);
    let (server, recorder) = server(&room);
    let mut client = connect(&server, 1).await;
    recorder.take();
    let refused = client.call("device/key/create", binding()).await;
    assert_eq!(reason(&refused), "overloaded");
    assert_eq!(recorder.take(), []);

    room.set_free(1);
    let key = client.create("a", "c").await;
    for method in ["device/key/sign", "device/key/delete"] {
        room.set_free(0);
        let params = json!({"keyId": key});
        assert_eq!(reason(&client.call(method, params.clone()).await), "overloaded");
    }
    // A request that only reads needs no room, unless it is refused.
    let params = json!({"keyId": key});
    assert_eq!(client.call("device/key/public", params).await["result"]["keyId"], *key);
}

#[tokio::test]
async fn room_is_used_or_given_back() {
    let room = Room::for_events(3);
    let (server, _) = server(&room);
    let mut client = connect(&server, 1).await;
    for _ in 0..100 {
        client.create("a", "c").await;
        assert_eq!(reason(&client.call("device/key/create", json!({})).await), "invalid_params");
        assert_eq!(room.free(), 3);
    }
    assert_eq!(outcomes(&room.take()).iter().filter(|outcome| **outcome == "ok").count(), 100);
}

#[tokio::test(start_paused = true)]
async fn refusals_that_are_repeated_become_a_number() {
    const REFUSALS: usize = 1000;
    let room = Room::for_events(8);
    let (server, _) = server(&room);
    let mut flooding = connect(&server, 1).await;
    for _ in 0..REFUSALS {
        flooding.call("device/key/create", json!({})).await;
    }
    let logged = room.take();
    assert!(logged.len() < 20, "{}", logged.len());
    assert!(repeated(&logged).is_empty());

    // Other users, other reasons and successes are logged as ever.
    connect(&server, 2).await.call("device/key/create", json!({})).await;
    flooding.call("device/key/delete", json!({"keyId": "x"})).await;
    flooding.create("a", "c").await;
    let others = room.take();
    assert_eq!(outcomes(&others), ["invalid_params", "invalid_key_id", "ok"]);
    assert_eq!((&*others[0]["uid"], &*others[1]["uid"]), ("2", "1"));

    tokio::time::sleep(Duration::from_secs(11)).await;
    let summary = room.take();
    assert_eq!(repeated(&summary), [u64::try_from(REFUSALS - logged.len()).unwrap()]);
    let field = |name: &str| &*summary[0][name];
    assert_eq!(
        (field("method"), field("outcome"), field("uid")),
        ("device/key/create", "invalid_params", "1")
    );
    // The next refusals are logged one by one again.
    flooding.call("device/key/create", json!({})).await;
    assert_eq!((room.take().len(), room.free()), (1, 8));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_room_is_counted_until_there_is_room() {
    let room = Room::for_events(0);
    let (server, _) = server(&room);
    let mut client = connect(&server, 1).await;
    for _ in 0..5 {
        client.call("device/key/create", binding()).await;
        client.call("device/key/public", json!({"keyId": "x"})).await;
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(room.take().len(), 0);
    room.set_free(8);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(repeated(&room.take()), [5, 5]);
}

#[tokio::test]
async fn the_numbers_are_logged_when_the_server_ends() {
    let room = Room::for_events(8);
    let runtime = tokio::task::spawn_blocking({
        let room = Arc::clone(&room);
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            let (server, _) = server(&room);
            runtime.block_on(async {
                let mut client = connect(&server, 1).await;
                for _ in 0..100 {
                    client.call("device/key/create", json!({})).await;
                }
            });
            drop(runtime);
            drop(server);
        }
    });
    runtime.await.unwrap();
    let events = room.take();
    let logged = u64::try_from(events.len()).unwrap() - 1;
    assert_eq!(repeated(&events), [100 - logged]);
}
