//! Samples, and the table of figures that is printed.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Durations of one operation, in the order in which they were measured.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Does the work and adds how long it took.
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let outcome = work();
        self.push(start.elapsed());
        outcome
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The quantile `percent`, from 0 to 100, in microseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = sorted.len().saturating_sub(1) * percent / 100;
        sorted.get(index).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1e6)
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "p50 {:.1} µs, p10 {:.1}, p90 {:.1}, n {}",
            self.median(),
            self.percentile(10),
            self.percentile(90),
            self.0.len()
        )
    }
}

struct Row {
    what: &'static str,
    value: f64,
    goal: Goal,
    unit: &'static str,
}

enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// The measured figures and their goals.
#[derive(Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
    details: Vec<String>,
}

impl Figures {
    /// Adds a figure that should be at most `goal`.
    pub(crate) fn add(&mut self, what: &'static str, value: f64, goal: f64, unit: &'static str) {
        self.rows.push(Row { what, value, goal: Goal::AtMost(goal), unit });
    }

    /// Adds a figure that should be at least `goal`.
    pub(crate) fn at_least(
        &mut self,
        what: &'static str,
        value: f64,
        goal: f64,
        unit: &'static str,
    ) {
        self.rows.push(Row { what, value, goal: Goal::AtLeast(goal), unit });
    }

    /// Adds the spread of samples that a figure was computed from.
    pub(crate) fn detail(&mut self, what: &str, samples: &Samples) {
        self.details.push(format!("{what}: {}", samples.describe()));
    }

    /// Adds a line of text that is printed below the figures.
    pub(crate) fn note(&mut self, text: String) {
        self.details.push(text);
    }

    pub(crate) fn print(&self) {
        println!("{:<64} {:>10} {:>10}", "figure", "measured", "goal");
        for Row { what, value, goal, unit } in &self.rows {
            let (sign, goal, verdict) = match goal {
                Goal::AtMost(goal) => ("≤", goal, if value <= goal { "" } else { "  over" }),
                Goal::AtLeast(goal) => ("≥", goal, if value >= goal { "" } else { "  under" }),
            };
            println!("{what:<64} {value:>8.2}{unit:<2} {sign}{goal:>8.2}{unit:<2}{verdict}");
        }
        println!("\nmedians and spread");
        self.details.iter().for_each(|detail| println!("  {detail}"));
    }
}
