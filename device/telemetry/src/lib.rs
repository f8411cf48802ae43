//! The logs, traces and metrics of the `device-key` command. Logs always go to standard error.
//! Traces and metrics are sent over OTLP/HTTP if the standard `OTEL_*` variables ask for them.
//!
//! This crate is not a logging interface: all other crates use [`tracing`] and do not know this
//! crate. Metrics are made from spans too. An export sends only the data that [`observed`] lists.
//! If a collector cannot be reached, data is lost, but requests are neither delayed nor refused.
//! If nobody reads standard error, events are dropped and counted. Only audit events can be kept,
//! by a caller that reserves room for them in the [`AuditQueue`]. Only the shutdown waits for a
//! reader, for half a second at most.
//!
//! ```
//! use device_key_telemetry::{LevelFilter, ServiceIdentity, Settings, Telemetry};
//!
//! let service = ServiceIdentity { name: "device-key", version: "0.1.0" };
//! let environment = |name: &str| std::env::var(name).ok();
//! let settings = Settings::read(service, None, LevelFilter::INFO, environment)?;
//! let telemetry = Telemetry::start(&settings)?;
//! // … serve …
//! telemetry.shutdown(std::time::Duration::from_secs(2));
//! # Ok::<(), device_key_telemetry::TelemetryError>(())
//! ```
#![forbid(unsafe_code)]

mod audit_queue;
mod audit_shares;
mod collector_client;
mod endpoint;
mod error;
mod export;
mod export_settings;
mod exported_spans;
mod log_format;
mod log_queue;
mod logs;
pub mod observed;
mod one_line;
mod outage;
mod printable;
mod settings;
mod span_filter;
mod span_metrics;
mod standard_error;
mod telemetry;

pub use audit_queue::{AuditQueue, WhenFull};
pub use error::TelemetryError;
pub use log_format::{LogFormat, UnknownLogFormat};
pub use one_line::AUDIT;
pub use settings::{ServiceIdentity, Settings};
pub use standard_error::last_words;
pub use telemetry::Telemetry;
pub use tracing_subscriber::filter::LevelFilter;
