//! The policy for repeating a command when the TPM answers RETRY, YIELDED or TESTING.

use std::time::Duration;

/// How often a command is repeated, and how long to pause before each repetition. Each pause is
/// twice as long as the one before, up to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The largest number of repetitions.
    pub repetitions: usize,
    /// The pause before the first repetition.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    /// 32 repetitions with pauses from 2 ms to 100 ms: about 2.7 s in all. The self-test of a
    /// discrete TPM takes about a second. A shorter deadline ends the repetitions earlier.
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
