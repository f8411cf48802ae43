//! Tests that the doubles keep the contracts of what they replace.

use std::sync::Arc;

use device_key_testing::{
    HookedBindings, HookedProvider, MemoryBindings, MemoryProvider, conformance,
};

#[tokio::test]
async fn memory_providers() {
    conformance::provider(Arc::new(MemoryProvider::hardware())).await;
    conformance::provider(Arc::new(MemoryProvider::os_protected())).await;
    conformance::provider(Arc::new(MemoryProvider::hardware().memoizing())).await;
    conformance::provider(Arc::new(HookedProvider::new(MemoryProvider::hardware()))).await;
}

#[tokio::test]
async fn memory_bindings() {
    conformance::binding_store(&*MemoryBindings::new()).await;
    conformance::binding_store(&HookedBindings::new(MemoryBindings::new())).await;
}
