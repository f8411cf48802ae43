use std::{sync::Arc, time::Duration};

use anstream::{AutoStream, ColorChoice};
use device_key::{Chain, DeviceKeyStore, Recovery};
use device_key_server::{AppServer, Methods, ServerDescription, serve_stdio};
use device_key_state::StateRuntime;
use tracing::{error, info};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    args::AppServerArguments,
    compose::{self, Composition},
    exit::{Exit, Failure},
    home,
};

/// Bounds memory under a flood. Nothing waits for its turn on a thread, so there are only as many
/// at work as there are turns.
const BLOCKING_THREADS: usize = 32;

/// Serves until the input ends.
pub(crate) fn run(arguments: &AppServerArguments) -> Result<Exit, Failure> {
    log_to_stderr(LevelFilter::INFO);
    let home = home::open(arguments.platform.home.as_ref())?;
    let Composition { store, state } = compose::compose(&arguments.platform, &home)?;
    let description = ServerDescription {
        name: "device-key".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        home: home.path().to_owned(),
    };
    let server = AppServer::new(description, store.clone(), Methods::new())
        .map_err(|error| Failure::system("cannot set up the methods", &error))?;
    // One thread moves lines; key operations run on the blocking pool beside it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| Failure::system("cannot start the runtime", &error))?;
    let outcome = runtime.block_on(async {
        let sweeping = tokio::spawn(sweep(store, state));
        let outcome = serve_stdio(&server).await;
        if sweeping.await.is_err() {
            error!("the sweep of interrupted creations panicked");
        }
        outcome
    });
    // A read of a terminal may still block; there is nothing left to wait for.
    runtime.shutdown_timeout(Duration::ZERO);
    outcome.map(|()| Exit::Success).map_err(|error| Failure {
        exit: Exit::TransportFailed,
        what: "standard input or output failed".to_owned(),
        cause: error.to_string(),
        cure: None,
    })
}

/// Removes what interrupted creations left, while requests are served already.
pub(crate) async fn sweep(store: DeviceKeyStore, state: Arc<StateRuntime>) {
    match store.recover().await {
        Ok(Recovery { removed: 0, left: 0 }) => {}
        Ok(Recovery { removed, left }) => info!(removed, left, "swept interrupted creations"),
        Err(error) => {
            error!(cause = %Chain(&error), "interrupted creations cannot be swept");
        }
    }
    let sweeping = tokio::task::spawn_blocking(move || state.sweep_leases());
    if let Ok(Err(error)) = sweeping.await {
        error!(cause = %Chain(&error), "leases of dead processes cannot be swept");
    }
}

/// Logs as `RUST_LOG` says, by default from this level on. Coloured on a terminal only.
pub(crate) fn log_to_stderr(default: LevelFilter) {
    let filter = EnvFilter::builder().with_default_directive(default.into()).from_env_lossy();
    let colored = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colored)
        .with_writer(std::io::stderr)
        .init();
}
