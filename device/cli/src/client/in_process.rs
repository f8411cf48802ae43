use std::io;

use anstream::{AutoStream, ColorChoice};
use device_key_server::{AppServer, Methods, ServerDescription};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream},
    task::JoinHandle,
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    app_server::sweep, args::PlatformArguments, compose, exit::Failure, home, settings::Settings,
};

/// The product in this very process, for keys that no service holds.
pub(super) struct InProcess {
    stream: BufReader<DuplexStream>,
    sweeping: JoinHandle<()>,
}

impl InProcess {
    /// Puts it together as the app-server does. To be called within a Tokio runtime.
    pub(super) fn open(platform: &PlatformArguments) -> Result<Self, Failure> {
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
        // Where no service ever runs, nobody else clears up behind one of us that was killed.
        let sweeping = tokio::spawn(sweep(host));
        Ok(Self { stream: BufReader::new(server.connect_in_process()), sweeping })
    }

    /// Gives a line to the server and waits for one.
    pub(super) async fn exchange(&mut self, line: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.write_all(line).await?;
        let mut answer = Vec::new();
        match self.stream.read_until(b'\n', &mut answer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(answer),
        }
    }

    /// Waits for the sweep. It tells the log how it went.
    pub(super) async fn swept(&mut self) {
        let _ = (&mut self.sweeping).await;
    }
}

/// Tells whoever runs a command what is wrong, as `RUST_LOG` says. The audit log is the service's.
fn log_warnings() {
    let level = LevelFilter::WARN;
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let colored = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colored);
    log.with_writer(io::stderr).init();
}
