//! Runs the app-server: over standard input and output for the client that spawned it, or over
//! sockets as a service for many clients.

mod descriptors;
mod listeners;
mod relay;
mod reload;
mod signals;
mod systemd;

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use device_key_server::{AppServer, Methods, ServerDescription};
use tokio::time::timeout;
use tracing::{error, info, warn};

use self::listeners::Transport;
use self::reload::{Hangup, Reloadable};
use self::signals::Signals;
use self::systemd::Systemd;
use crate::args::AppServerArguments;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::sweep::sweep;
use crate::telemetry::QueuedAudit;
use crate::{compose, hardening, home, telemetry};

/// The most threads of the blocking pool. The limit bounds memory when many requests come at once.
/// A request that waits for a permit holds no thread, so this many threads are enough.
const BLOCKING_THREADS: usize = 32;

/// How long the shutdown waits for a collector of traces and metrics, if one is configured.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// Serves until the input ends or a signal arrives.
pub(crate) fn run(arguments: &AppServerArguments) -> Result<Exit, Failure> {
    if let Some(socket) = &arguments.connect {
        return relay::run(socket, arguments.service_uid);
    }
    descriptors::raise_limit();
    let telemetry = telemetry::settings(arguments.log_format)?;
    let settings = Settings::of_app_server(arguments)?;
    let home = home::open(&settings)?;
    // One thread reads and writes lines. Key operations run on the pool of blocking threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| Failure::system("cannot start the runtime", &error))?;
    let (hangup, transport) = {
        let _within = runtime.enter();
        let hangup = Hangup::take_over().map_err(|error| no_signals(&error))?;
        (hangup, Transport::open(&settings)?)
    };
    // The sockets are opened before the hardening, because the hardening makes their paths
    // unreachable. The first thread and the first use of a key come after it.
    let systemd = Systemd::connect();
    let hardened = settings
        .is_system_service()
        .then(|| hardening::harden(&settings, &home, &transport.folders()))
        .transpose()?;
    let telemetry = telemetry::start(&telemetry)?;
    hardened.iter().for_each(hardening::log);
    let host = compose::open(&settings, &home)?;
    let description = ServerDescription {
        name: "device-key".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        home: home.path().to_owned(),
    };
    let limits = descriptors::server_limits(&settings);
    let audit = Arc::new(QueuedAudit::of(&telemetry, settings.when_audit_is_full()));
    let (store, methods) = (host.store().clone(), Methods::new());
    let server = AppServer::with_audit_log(description, store, methods, limits, audit)
        .map_err(|error| Failure::system("cannot set up the methods", &error))?;
    let outcome = runtime.block_on(async {
        let signals = Signals::new().map_err(|error| no_signals(&error))?;
        let drain = Cell::new(settings.limits.drain());
        let reloadable = Reloadable {
            arguments,
            settings: &settings,
            server: server.clone(),
            store: host.store().clone(),
            websockets: transport.websockets(),
            drain: &drain,
        };
        let sweeping = tokio::spawn(sweep(host.clone()));
        let idle_exit = settings.limits.idle_exit().filter(|_| transport.is_of_systemd());
        let exit = tokio::select! {
            exit = serve(&server, transport, signals, idle_exit, &drain, &systemd) => exit?,
            never = reloadable.reload_at(hangup) => match never {},
        };
        if exit == Exit::Success {
            let settled = async {
                if sweeping.await.is_err() {
                    error!("the sweep of interrupted creations panicked");
                }
                host.store().settled().await
            };
            if timeout(drain.get(), settled).await.is_err() {
                warn!("the next start removes the keys that are not removed yet");
            }
        }
        Ok(exit)
    });
    // A read from a terminal, or a provider that does not answer, may still block a thread. The
    // process does not wait for such a thread, because every answer has been written.
    runtime.shutdown_timeout(Duration::ZERO);
    // The server logs how often refusals were repeated when nothing uses it any more.
    drop(server);
    telemetry.shutdown(LAST_EXPORT);
    outcome
}

/// Serves until the end of the input, the first signal or a long time without a client. Then waits
/// until the requests in flight are answered. A second signal ends the wait at once.
async fn serve(
    server: &AppServer,
    transport: Transport,
    mut signals: Signals,
    idle_exit: Option<Duration>,
    drain: &Cell<Duration>,
    systemd: &Systemd,
) -> Result<Exit, Failure> {
    let serving = async {
        let listeners = match transport {
            Transport::Stdio(stdio) => return stdio.serve(server).await,
            Transport::Listeners(listeners) => listeners,
        };
        listeners.serve(server);
        systemd.ready();
        server.stopped().await;
        Ok(())
    };
    let stopping = async {
        tokio::select! {
            () = signals.next() => {}
            () = idle(server, idle_exit) => info!("no client was connected for a long time"),
        }
        let drain = drain.get();
        info!("stopping: requests in flight are answered first");
        // The sweep of interrupted creations may take the same time again.
        systemd.stopping(drain.saturating_mul(2));
        server.stop();
        tokio::select! {
            () = signals.next() => Exit::Interrupted,
            drained = timeout(drain, server.stopped()) => {
                if drained.is_err() {
                    warn!("some requests were not answered in time");
                }
                Exit::Success
            }
        }
    };
    tokio::select! {
        outcome = serving => outcome.map(|()| Exit::Success).map_err(|error| Failure {
            exit: Exit::TransportFailed,
            what: "standard input or output failed".to_owned(),
            cause: error.to_string(),
            fix: None,
        }),
        exit = stopping => Ok(exit),
    }
}

/// Waits until no client was connected for this time. Without a time, waits for ever.
async fn idle(server: &AppServer, time: Option<Duration>) {
    match time {
        Some(time) => server.idle_for(time).await,
        None => std::future::pending().await,
    }
}

fn no_signals(error: &io::Error) -> Failure {
    Failure::system("cannot await signals", error)
}
