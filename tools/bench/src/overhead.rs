//! Measures the app-server without its provider against an echo.

use std::env;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use device_key::{
    DeviceKeyStore, LocalPeer, Parts, RemoteControlPolicy, SignatureCheck, StoreLimits,
};
use device_key_private_fs::PrivateDir;
use device_key_server::{AppServer, Methods, ServerDescription, SocketMode, Stdio};
use device_key_state::StateRuntime;
use device_key_testing::{HookedProvider, MemoryProvider, Moment, ProviderOperation};
use device_key_types::{OsRandom, SystemClock};

use crate::figures::{Figures, Samples};
use crate::line_server::LineServer;
use crate::statement;

const ROUNDS: usize = 40;
const REQUESTS: usize = 100;

/// Measures the app-server without its provider, and an echo of the same lines.
pub(crate) fn measure(figures: &mut Figures, scratch: &Path) -> Result<()> {
    let this = env::current_exe()?;
    let mut echo = LineServer::spawn(Command::new(&this).arg("echo"))?;
    let mut server = LineServer::spawn(
        Command::new(&this).args(["memory-server", "--home"]).arg(scratch.join("overhead")),
    )?;
    server.lines.initialize()?;
    let key_id = server.lines.create_key(None)?;
    let line = statement::sign_line(&key_id)?;
    let mut hop_echo = LineServer::spawn(Command::new(&this).arg("hop-echo"))?;
    let [mut ours, mut echoed, mut hopped] = <[Samples; 3]>::default();
    for _ in 0..ROUNDS {
        for _ in 0..REQUESTS {
            ours.time(|| server.lines.exchange(&line))?;
        }
        for _ in 0..REQUESTS {
            echoed.time(|| echo.lines.exchange(&line))?;
        }
        for _ in 0..REQUESTS {
            hopped.time(|| hop_echo.lines.exchange(&line))?;
        }
    }
    let provider = server
        .lines
        .call::<serde_json::Value>("bench/provider", &serde_json::json!({}))?
        .get("medianMicroseconds")
        .and_then(serde_json::Value::as_f64)
        .context("the provider's share")?;
    echo.finish()?;
    hop_echo.finish()?;
    server.finish()?;
    figures.add(
        "sign without the provider, minus an echo",
        ours.median() - provider - echoed.median(),
        40.0,
        "µs",
    );
    figures.detail("sign over stdio, memory provider", &ours);
    figures.detail("echo of the same line", &echoed);
    figures.detail("echo through an async runtime and one blocking hop", &hopped);
    figures.note(format!("the memory provider's share: p50 {provider:.1} µs"));
    Ok(())
}

/// Echoes each line.
pub(crate) fn echo() -> Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    while io::BufRead::read_until(&mut input, b'\n', &mut line)? > 0 {
        output.write_all(&line)?;
        output.flush()?;
        line.clear();
    }
    Ok(())
}

/// Echoes each line with a single-threaded async runtime, after an empty hop to its pool of
/// blocking threads. An app-server with one hop cannot be faster.
pub(crate) fn hop_echo() -> Result<()> {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::unix::pipe;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        let mut lines = BufReader::new(pipe::Receiver::from_owned_fd(input)?);
        let mut output = pipe::Sender::from_owned_fd(output)?;
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            let line = tokio::task::spawn_blocking(move || line).await?;
            output.write_all(&line).await?;
        }
    })
}

/// Runs the app-server as the product does, on a provider in memory that measures its own time.
pub(crate) fn memory_server(home: &Path) -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("info"))
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
    let home = PrivateDir::open_or_create(home)?;
    let stopwatch = Arc::new(Stopwatch::default());
    let timed = {
        let stopwatch = Arc::clone(&stopwatch);
        move |moment, operation| {
            if operation == ProviderOperation::Sign {
                stopwatch.record(moment);
            }
            Ok(())
        }
    };
    // Verification is left out, because it is work of the key device, like the signature. A
    // signature in software would also change the contents of the caches, so each is computed only
    // once.
    let provider = MemoryProvider::hardware().checked(SignatureCheck::AtCreation).memoizing();
    let store = DeviceKeyStore::new(Parts {
        policy: RemoteControlPolicy::default(),
        limits: StoreLimits::default(),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        bindings: Arc::new(StateRuntime::open(&home)?),
        providers: vec![Arc::new(HookedProvider::new(provider).with(timed))],
    });
    let description = ServerDescription {
        name: "bench".to_owned(),
        version: "0".to_owned(),
        home: home.path().to_owned(),
    };
    let share = move |_: LocalPeer, _| {
        let median = stopwatch.median();
        async move { Ok(serde_json::json!({"medianMicroseconds": median})) }
    };
    let methods = Methods::new().local("bench/provider", share)?;
    let server = AppServer::new(description, store, methods)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Ok(Stdio::open(SocketMode::OwnUser)?.serve(&server).await?) })
}

/// Measures the time between two moments, for one operation at a time.
#[derive(Default)]
struct Stopwatch {
    state: std::sync::Mutex<(Option<Instant>, Samples)>,
}

impl Stopwatch {
    fn record(&self, moment: Moment) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (moment, state.0.take()) {
            (Moment::Before, _) => state.0 = Some(Instant::now()),
            (Moment::After, Some(start)) => state.1.push(start.elapsed()),
            (Moment::After, None) => {}
        }
    }

    fn median(&self) -> f64 {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1.median()
    }
}
