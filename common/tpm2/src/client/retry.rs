//! How a command is repeated when the TPM answers RETRY, YIELDED or TESTING.

use std::time::Duration;

/// Pauses between repetitions: the first, then twice as long each time up to a longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many repetitions at most.
    pub repetitions: usize,
    /// The pause before the first repetition.
    pub first_pause: Duration,
    /// No pause is longer than this.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    /// 32 repetitions from 2 ms to 100 ms: about 2.7 s. A self-test of a discrete TPM takes about a second,
    /// and the deadline ends the repetitions earlier where it is shorter.
    fn default() -> Self {
        Self {
            repetitions: 32,
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(100),
        }
    }
}

impl RetryPolicy {
    pub(super) fn pauses(self) -> impl Iterator<Item = Duration> {
        let doubled = move |pause: &Duration| Some(pause.saturating_mul(2).min(self.longest_pause));
        std::iter::successors(Some(self.first_pause.min(self.longest_pause)), doubled)
            .take(self.repetitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let pauses: Vec<_> = RetryPolicy::default().pauses().collect();
        assert_eq!(pauses.len(), 32);
        assert_eq!(pauses[0], Duration::from_millis(2));
        assert_eq!(pauses[1], Duration::from_millis(4));
        assert_eq!(pauses[31], Duration::from_millis(100));
    }
}
