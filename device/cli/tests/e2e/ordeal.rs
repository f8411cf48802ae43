//! The ordeal: each test causes one kind of fault again and again, and checks after each time that
//! no answer was wrong and nothing was lost. `cargo xtask ordeal` runs these tests and makes the
//! table in `docs/reliability.md`.

mod full_disk;
mod hostile_lines;
mod kills;
mod soak;
mod stalls;
mod tampered_tpm;

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};
use std::{env, thread};

use serde_json::{Value, json};

/// How long each test causes faults, in seconds.
const SECONDS: &str = "ORDEAL_SECONDS";
/// The file that gets a row of the table from each test.
const ROWS: &str = "ORDEAL_ROWS";

/// What a test did, and how often.
#[derive(Default)]
struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    fn add(&mut self, what: &'static str, times: usize) {
        let times = u64::try_from(times).unwrap();
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += times,
            None => self.0.push((what, times)),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (what, count)) in self.0.iter().enumerate() {
            write!(out, "{}{count} {what}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// How long a test causes faults.
fn lasting() -> Duration {
    let seconds = env::var(SECONDS).expect("cargo xtask ordeal sets the time of each test");
    Duration::from_secs(seconds.parse().unwrap())
}

/// Causes a fault in rounds for as long as the test lasts, once at least, and writes the row.
fn endure(fault: &str, outcome: &str, mut round: impl FnMut(&mut Luck, &mut Tally)) {
    let (begun, mut tally) = (Instant::now(), Tally::default());
    let mut luck = Luck(1);
    loop {
        round(&mut luck, &mut tally);
        if begun.elapsed() >= lasting() {
            break;
        }
    }
    write_row(fault, &tally.to_string(), outcome);
}

fn write_row(fault: &str, tried: &str, outcome: &str) {
    let test = thread::current().name().unwrap().trim_start_matches("ordeal::").to_owned();
    let row = format!("| {fault} | {tried} | {outcome} | `cargo xtask ordeal {test}` |\n");
    let rows = env::var_os(ROWS).expect("cargo xtask ordeal names the file of the rows");
    let mut rows = File::options().append(true).create(true).open(rows).unwrap();
    rows.write_all(row.as_bytes()).unwrap();
}

/// Numbers without a pattern (xorshift64), the same in each run, so that a failure can be repeated.
struct Luck(u64);

impl Luck {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn time_below(&mut self, end: Duration) -> Duration {
        let micros = self.below(usize::try_from(end.as_micros()).unwrap());
        Duration::from_micros(u64::try_from(micros).unwrap())
    }
}

/// The params that create a key of any protection class.
fn any_class() -> Value {
    json!({
        "accountUserId": "account", "clientId": "client",
        "protectionPolicy": "allow_os_protected_nonextractable",
    })
}
