//! What the `device-key` command tells about itself: logs on standard error always, and traces and
//! metrics over OTLP/HTTP when the standard `OTEL_*` variables ask for them.
//!
//! It is not a logging interface: everything else uses [`tracing`] and knows nothing of this crate.
//! Metrics are made from spans as well, see [`observed`]. Nothing is sent without being asked for,
//! and then only what [`observed`] lists; a collector that is away costs data, never a request.
//!
//! ```
//! use device_key_telemetry::{LevelFilter, Service, Settings, Telemetry};
//!
//! let service = Service { name: "device-key", version: "0.1.0" };
//! let environment = |name: &str| std::env::var(name).ok();
//! let settings = Settings::read(service, None, LevelFilter::INFO, environment)?;
//! let telemetry = Telemetry::start(&settings)?;
//! // … serve …
//! telemetry.shutdown(std::time::Duration::from_secs(2));
//! # Ok::<(), device_key_telemetry::TelemetryError>(())
//! ```
#![forbid(unsafe_code)]

mod collector_client;
mod endpoint;
mod error;
mod export;
mod export_settings;
mod exported_spans;
mod log_format;
mod logs;
pub mod observed;
mod one_line;
mod outage;
mod settings;
mod span_metrics;
mod telemetry;

pub use error::TelemetryError;
pub use log_format::{LogFormat, UnknownLogFormat};
pub use logs::AUDIT;
pub use settings::{Service, Settings};
pub use telemetry::Telemetry;
pub use tracing_subscriber::filter::LevelFilter;
