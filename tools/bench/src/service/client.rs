//! The client that measures the servers in turns.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::Result;
use clap::Args;
use device_key_types::ProtectionPolicy;

use super::agent::Agent;
use super::{Measured, floor};
use crate::figures::Samples;
use crate::line_server::{LineServer, Lines};
use crate::statement;

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

/// Measures all servers in turns and prints what it found as JSON.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut ours = initialized(&arguments.ours)?;
    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    let line = statement::sign_line(&ours.create_key(Some(policy))?)?;
    let floor_line = statement::sign_line(floor::KEY_ID)?;
    let mut floor = Lines::connect(&arguments.floor)?;
    let mut agent = Agent::connect(&arguments.agent)?;
    let mut relay = LineServer::spawn(
        Command::new(&arguments.device_key)
            .args(["app-server", "--connect"])
            .arg(&arguments.ours)
            .args(["--service-uid", &arguments.service_uid.to_string()]),
    )?;
    relay.lines.initialize()?;

    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        sample(&mut measured.ours, || ours.succeed(&line))?;
        sample(&mut measured.floor, || floor.succeed(&floor_line))?;
        sample(&mut measured.relayed, || relay.lines.succeed(&line))?;
        sample(&mut measured.agent, || agent.sign())?;
    }
    let [mut ours_rates, mut floor_rates, mut agent_rates] = <[Vec<f64>; 3]>::default();
    for _ in 0..ROUNDS_AT_ONCE {
        ours_rates.push(rate(|| initialized(&arguments.ours), |lines| lines.succeed(&line))?);
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

/// Connects and shakes hands.
fn initialized(socket: &Path) -> Result<Lines> {
    let mut lines = Lines::connect(socket)?;
    lines.initialize()?;
    Ok(lines)
}

fn sample(samples: &mut Samples, mut request: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..REQUESTS {
        samples.time(&mut request)?;
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
