//! Where random bytes come from.

/// A source of unpredictable bytes, fit for keys and nonces. Callers pass the source in, so that
/// tests can repeat its bytes.
pub trait RandomSource: Send + Sync {
    /// Fills the whole buffer. If this fails, the buffer's content is unspecified.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The source of randomness failed, or gave bytes that no working source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes are available")]
pub struct RandomUnavailable;

/// The operating system's generator (`getrandom(2)` on Linux).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        getrandom::fill(buffer).map_err(|_| RandomUnavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operating_system_fills_the_whole_buffer_with_other_bytes_each_time() {
        let [mut first, mut second] = [[0; 64]; 2];
        OsRandom.fill(&mut first).unwrap();
        OsRandom.fill(&mut second).unwrap();
        // 16 bytes that are all zero come once in 2^128 times.
        for bytes in [first, second] {
            assert!(bytes.chunks(16).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
        }
        assert_ne!(first, second);
    }
}
