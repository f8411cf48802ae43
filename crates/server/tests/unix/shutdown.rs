//! The end: nothing new is taken, and nothing that was taken is lost.

use device_key_server::ServerLimits;
use device_key_testing::{Gate, HookedProvider, MemoryProvider, ProviderOperation};
use serde_json::json;
use tokio::{net::UnixStream, time::timeout};

use crate::client::{PATIENCE, Service, binding, reason};

#[tokio::test]
async fn what_is_in_flight_is_answered_and_what_is_new_is_refused() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let service = Service::start(ServerLimits::default(), provider);
    let mut busy = service.initialized().await;
    let mut idle = service.initialized().await;
    busy.send("device/key/create", &binding()).await;
    gate.arrived(1).await;

    service.server.stop();
    assert_eq!(idle.receive().await, None, "an idle connection ends at once");
    let refused = busy.call("device/key/public", &json!({"keyId": "anything"})).await;
    assert_eq!((reason(&refused), &refused["error"]["code"]), ("shutting_down", &json!(-32001)));
    gate.open();
    let created = busy.receive().await.unwrap();
    assert!(created["result"]["keyId"].is_string(), "{created}");
    assert_eq!(busy.receive().await, None);
    timeout(PATIENCE, service.server.stopped()).await.unwrap();
    UnixStream::connect(service.path()).await.unwrap_err();
    assert!(!service.path().exists());
}

#[tokio::test]
async fn who_waits_for_the_end_is_kept_by_an_operation_that_does_not_end() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let service = Service::start(ServerLimits::default(), provider);
    let mut busy = service.initialized().await;
    busy.send("device/key/create", &binding()).await;
    gate.arrived(1).await;
    service.server.stop();
    let early = timeout(std::time::Duration::from_millis(50), service.server.stopped()).await;
    assert!(early.is_err(), "it is still at work");
    gate.open();
    timeout(PATIENCE, service.server.stopped()).await.unwrap();
}
