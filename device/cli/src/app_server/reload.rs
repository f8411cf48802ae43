//! Applies a changed configuration to a running app-server at SIGHUP.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use device_key_server::{AppServer, CapabilityToken, DeviceKeyStore, WebSocketAccess};
use device_key_types::ErrorChain;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tracing::{error, info};

use super::descriptors::server_limits;
use super::listeners;
use crate::args::AppServerArguments;
use crate::exit::Failure;
use crate::settings::Settings;

/// The signal that asks for a reload. From its creation on, SIGHUP does not end the process.
pub(super) struct Hangup(Signal);

impl Hangup {
    pub(super) fn take_over() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// The parts of the app-server that a reload changes, and where the new settings come from.
pub(super) struct Reloadable<'a> {
    pub(super) arguments: &'a AppServerArguments,
    /// The settings that the process started with.
    pub(super) settings: &'a Settings,
    pub(super) server: AppServer,
    pub(super) store: DeviceKeyStore,
    pub(super) websockets: Vec<WebSocketAccess>,
    /// How long the requests in flight may take when the service stops.
    pub(super) drain: &'a Cell<Duration>,
}

impl Reloadable<'_> {
    /// Reloads at each signal. Never ends.
    pub(super) async fn reload_at(&self, mut hangup: Hangup) -> Infallible {
        loop {
            hangup.0.recv().await;
            match self.reload().await {
                Ok(()) => info!("the configuration is loaded again"),
                Err(Failure { what, cause, .. }) => {
                    error!(what, cause, "the configuration stays as it was");
                }
            }
        }
    }

    /// Changes everything or nothing. The files are read off the dispatch thread.
    async fn reload(&self) -> Result<(), Failure> {
        let (arguments, listeners) = (self.arguments.clone(), self.websockets.len());
        let read = spawn_blocking(move || {
            let settings = Settings::of_app_server(&arguments)?;
            // Each listener has its own copy of the token, which is wiped when it is dropped.
            let token = || listeners::token(&settings);
            let tokens: Vec<_> = (0..listeners).map(|_| token()).collect::<Result<_, _>>()?;
            Ok((settings, tokens))
        });
        let (settings, tokens) = read
            .await
            .map_err(|panic| Failure::system("the configuration cannot be read", &panic))??;
        if !settings.differs_only_in_what_can_be_reloaded(self.settings) {
            let cause = "a setting has changed that is read only at the start";
            return Err(Failure::system("the service must be restarted", &cause));
        }
        self.check(&tokens)?;
        for (access, token) in self.websockets.iter().zip(tokens) {
            let origins = settings.websocket.allowed_origins.clone();
            access.replace(token, origins).map_err(|error| refused(&ErrorChain(&error)))?;
        }
        self.store.reconfigure(settings.policy(), settings.store_limits());
        self.server.set_limits(server_limits(&settings));
        self.drain.set(settings.limits.drain());
        Ok(())
    }

    fn check(&self, tokens: &[Option<CapabilityToken>]) -> Result<(), Failure> {
        self.websockets.iter().zip(tokens).try_for_each(|(access, token)| {
            access.check(token.as_ref()).map_err(|error| refused(&ErrorChain(&error)))
        })
    }
}

fn refused(cause: &dyn std::fmt::Display) -> Failure {
    Failure::system("a WebSocket listener refuses its new settings", cause)
}
