//! The client of the commands: the asynchronous client and the runtime that drives it.

mod failure;
mod in_process;

use std::time::Duration;

use device_key_client::{Client as AsyncClient, ClientError, ClientSettings, ServiceSocket};
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::args::{ConnectionArguments, PatienceArguments, SocketArguments};
use crate::exit::Failure;
use in_process::InProcess;

pub(crate) use failure::of_request as failure_of;

/// How many threads may block at a time in this process, for the key operation of the command and
/// for the sweep.
const BLOCKING_THREADS: usize = 4;

/// A client whose requests block this thread.
pub(crate) struct Client {
    /// Both are `None` only while the client is being dropped.
    runtime: Option<Runtime>,
    inner: Option<AsyncClient>,
    in_process: Option<InProcess>,
    timeout: Duration,
}

impl Client {
    /// Connects to the running service, or starts an app-server in this process.
    pub(crate) fn connect(arguments: &ConnectionArguments) -> Result<Self, Failure> {
        if !arguments.in_process {
            return Self::connect_to_service(&arguments.socket, &arguments.patience);
        }
        let (runtime, settings) = (runtime()?, settings(&arguments.patience));
        let (in_process, stream) = {
            let _within = runtime.enter();
            InProcess::open(&arguments.platform)?
        };
        let (reader, writer) = tokio::io::split(stream);
        let client = runtime.block_on(AsyncClient::over(reader, writer, &settings));
        let inner = Some(client.map_err(failure_of)?);
        let in_process = Some(in_process);
        Ok(Self { runtime: Some(runtime), inner, in_process, timeout: settings.timeout })
    }

    /// Connects to the running service.
    pub(crate) fn connect_to_service(
        arguments: &SocketArguments,
        patience: &PatienceArguments,
    ) -> Result<Self, Failure> {
        let (runtime, settings) = (runtime()?, settings(patience));
        let client = runtime.block_on(AsyncClient::connect(&socket(arguments)?, &settings));
        let inner = Some(client.map_err(failure_of)?);
        Ok(Self { runtime: Some(runtime), inner, in_process: None, timeout: settings.timeout })
    }

    /// Spawns an app-server as a child process.
    pub(crate) fn spawn(command: std::process::Command) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let settings = ClientSettings::new("device-key-demo", env!("CARGO_PKG_VERSION"));
        let client = async { AsyncClient::spawn(&mut Command::from(command), &settings).await };
        let client = runtime.block_on(client).map_err(failure_of)?;
        Ok(Self {
            runtime: Some(runtime),
            inner: Some(client),
            in_process: None,
            timeout: settings.timeout,
        })
    }

    /// Makes requests and waits for their outcome.
    pub(crate) fn ask<T>(
        &mut self,
        requests: impl AsyncFnOnce(&mut AsyncClient) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        self.try_ask(requests).map_err(failure_of)
    }

    /// Like [`ask`](Self::ask), but returns the client's own error.
    pub(crate) fn try_ask<T>(
        &mut self,
        requests: impl AsyncFnOnce(&mut AsyncClient) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let (Some(runtime), Some(inner)) = (&self.runtime, &mut self.inner) else {
            let source = std::io::ErrorKind::NotConnected.into();
            return Err(ClientError::Local { action: "the client has ended", source });
        };
        runtime.block_on(requests(inner))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        // A creation that the command does not wait for any more is undone.
        self.inner = None;
        if let Some(in_process) = &mut self.in_process {
            // The next start finishes the work that does not end in time.
            let _ = runtime.block_on(async { timeout(self.timeout, in_process.settled()).await });
        }
        runtime.shutdown_background();
    }
}

fn settings(patience: &PatienceArguments) -> ClientSettings {
    ClientSettings {
        timeout: patience.timeout(),
        ..ClientSettings::new("device-key", env!("CARGO_PKG_VERSION"))
    }
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| Failure::system("cannot start the runtime", &error))
}

/// The socket that the arguments name, otherwise the default socket.
pub(crate) fn socket(arguments: &SocketArguments) -> Result<ServiceSocket, Failure> {
    let socket = match &arguments.socket {
        Some(path) => ServiceSocket::at(path.clone()),
        None => ServiceSocket::locate().map_err(failure_of)?,
    };
    Ok(socket.trusting(arguments.service_uid))
}
