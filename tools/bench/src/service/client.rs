//! The client that measures the servers in turns.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::Args;
use device_key_client::{
    initialize::{self, InitializeResult},
    key::{self, KeyResult},
    write_request,
};
use device_key_types::ProtectionPolicy;
use serde::{Serialize, de::DeserializeOwned};

use super::{Measured, agent::Agent, floor};
use crate::{
    child::{LineServer, result},
    figures::Samples,
    statement,
};

const ROUNDS: usize = 20;
const REQUESTS: usize = 200;
const AT_ONCE: usize = 8;
const ROUNDS_AT_ONCE: usize = 6;
const REQUESTS_AT_ONCE: usize = 500;

#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    ours: PathBuf,
    #[arg(long)]
    floor: PathBuf,
    #[arg(long)]
    agent: PathBuf,
    #[arg(long)]
    device_key: PathBuf,
    #[arg(long)]
    service_uid: u32,
}

/// A connection that answers lines with lines.
struct Lines {
    output: UnixStream,
    input: BufReader<UnixStream>,
    answer: Vec<u8>,
}

impl Lines {
    fn connect(socket: &Path) -> Result<Self> {
        let output = UnixStream::connect(socket)?;
        let input = BufReader::new(output.try_clone()?);
        Ok(Self { output, input, answer: Vec::new() })
    }

    /// Connects and shakes hands.
    fn initialized(socket: &Path) -> Result<Self> {
        let mut lines = Self::connect(socket)?;
        let _: InitializeResult = lines.call(initialize::METHOD, &statement::initialize())?;
        Ok(lines)
    }

    fn exchange(&mut self, line: &[u8]) -> Result<()> {
        self.answer.clear();
        self.output.write_all(line)?;
        self.input.read_until(b'\n', &mut self.answer)?;
        Ok(())
    }

    /// As [`exchange`](Self::exchange), for a request that must succeed.
    fn succeed(&mut self, line: &[u8]) -> Result<()> {
        self.exchange(line)?;
        let is_result = self.answer.starts_with(b"{\"id\":1,\"result\":");
        ensure!(is_result, "{}", String::from_utf8_lossy(&self.answer));
        Ok(())
    }

    fn call<T: DeserializeOwned>(&mut self, method: &str, params: &impl Serialize) -> Result<T> {
        self.exchange(&write_request(0, method, params)?)?;
        result(method, &self.answer)
    }
}

/// Measures all servers in turns and prints what it found as JSON.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut ours = Lines::initialized(&arguments.ours)?;
    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    let created: KeyResult = ours.call(key::CREATE, &statement::create(Some(policy))?)?;
    let line = statement::sign_line(&created.key_id.to_string())?;
    let floor_line = statement::sign_line(floor::KEY_ID)?;
    let mut floor = Lines::connect(&arguments.floor)?;
    let mut agent = Agent::connect(&arguments.agent)?;
    let mut relay = LineServer::spawn(
        Command::new(&arguments.device_key)
            .args(["app-server", "--connect"])
            .arg(&arguments.ours)
            .args(["--service-uid", &arguments.service_uid.to_string()]),
    )?;
    relay.initialize()?;

    let mut measured = Measured::default();
    let mut answer = Vec::new();
    for _ in 0..ROUNDS {
        sample(&mut measured.ours, || ours.succeed(&line))?;
        sample(&mut measured.floor, || floor.succeed(&floor_line))?;
        sample(&mut measured.relayed, || relay.exchange(&line, &mut answer).map(drop))?;
        sample(&mut measured.agent, || agent.sign())?;
    }
    ensure!(answer.starts_with(b"{\"id\":1,\"result\":"), "the relayed requests are refused");
    let [mut ours_rates, mut floor_rates, mut agent_rates] = <[Vec<f64>; 3]>::default();
    for _ in 0..ROUNDS_AT_ONCE {
        ours_rates
            .push(rate(|| Lines::initialized(&arguments.ours), |lines| lines.succeed(&line))?);
        floor_rates
            .push(rate(|| Lines::connect(&arguments.floor), |lines| lines.succeed(&floor_line))?);
        agent_rates.push(rate(|| Agent::connect(&arguments.agent), Agent::sign)?);
    }
    measured.ours_at_once = median(ours_rates);
    measured.floor_at_once = median(floor_rates);
    measured.agent_at_once = median(agent_rates);
    relay.finish()?;
    serde_json::to_writer(io::stdout(), &measured)?;
    Ok(())
}

fn sample(samples: &mut Samples, mut request: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..REQUESTS {
        let start = Instant::now();
        request()?;
        samples.push(start.elapsed());
    }
    Ok(())
}

/// Requests per second of connections at once, each of which waits for its answers.
fn rate<C: Send>(
    connect: impl Fn() -> Result<C>,
    request: impl Fn(&mut C) -> Result<()> + Sync,
) -> Result<f64> {
    let mut connections = (0..AT_ONCE).map(|_| connect()).collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    thread::scope(|scope| {
        let request = &request;
        let running: Vec<_> = connections
            .iter_mut()
            .map(|connection| {
                scope.spawn(move || (0..REQUESTS_AT_ONCE).try_for_each(|_| request(connection)))
            })
            .collect();
        running.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))?
        })
    })?;
    let requests = u32::try_from(AT_ONCE * REQUESTS_AT_ONCE)?;
    Ok(f64::from(requests) / Duration::as_secs_f64(&start.elapsed()))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}
