//! Runs an app-server in this process, for commands that do not use a service.

use std::io;

use anstream::{AutoStream, ColorChoice};
use device_key_host::Host;
use device_key_server::{AppServer, Methods, ServerDescription};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::args::PlatformArguments;
use crate::exit::Failure;
use crate::settings::Settings;
use crate::sweep::sweep;
use crate::{compose, home};

/// The tasks of an app-server in this process that outlive its requests.
pub(super) struct InProcess {
    host: Host,
    sweeping: JoinHandle<()>,
}

impl InProcess {
    /// Starts the parts that `device-key app-server` starts, and connects to them. Must be called
    /// within a Tokio runtime.
    pub(super) fn open(platform: &PlatformArguments) -> Result<(Self, DuplexStream), Failure> {
        log_warnings();
        let settings = Settings::resolve(platform)?;
        let home = home::open(&settings)?;
        let host = compose::open(&settings, &home)?;
        let description = ServerDescription {
            name: "device-key".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            home: home.path().to_owned(),
        };
        let server = AppServer::new(description, host.store().clone(), Methods::new())
            .map_err(|error| Failure::system("cannot set up the methods", &error))?;
        // If no service ever runs, nothing else cleans up after a command that was killed.
        let sweeping = tokio::spawn(sweep(host.clone()));
        Ok((Self { host, sweeping }, server.connect_in_process()))
    }

    /// Waits until everything is removed that can be removed. The failures are in the log.
    pub(super) async fn settled(&mut self) {
        let _ = (&mut self.sweeping).await;
        self.host.store().settled().await;
    }
}

/// Logs warnings to standard error unless `RUST_LOG` says otherwise. Only a service
/// keeps an audit log.
fn log_warnings() {
    let level = LevelFilter::WARN;
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let colored = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colored);
    // Otherwise the subscriber would panic if standard error cannot be written.
    log.with_writer(io::stderr).log_internal_errors(false).init();
}
