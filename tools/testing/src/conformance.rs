//! The contracts of providers and of binding stores, as code. Each implementation runs its contract
//! in its own tests:
//!
//! ```
//! use std::sync::Arc;
//! use device_key_testing::{MemoryBindings, MemoryProvider, conformance};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! conformance::provider(Arc::new(MemoryProvider::hardware())).await;
//! conformance::binding_store(&*MemoryBindings::new()).await;
//! # });
//! ```

mod binding_store;
mod provider;

pub use binding_store::binding_store;
pub use provider::{provider, provider_for};
