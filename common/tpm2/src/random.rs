//! Where nonces and ephemeral scalars come from. Passed in, so that a caller can decide and a test
//! can repeat.

/// The random source gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes are available")]
pub struct RandomError;

/// A source of unpredictable bytes.
pub trait RandomSource: Send {
    /// Fills all of `bytes`, or fails having promised nothing about its content.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's generator (`getrandom(2)`).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(|_| RandomError)
    }
}
