//! Random numbers that a test can predict, and a source that fails.

use std::sync::atomic::{AtomicU64, Ordering};

use device_key_types::{DeviceKeyId, RandomSource, RandomUnavailable};

/// Counts up from 1, so that a test knows the ids of the keys that it will create.
#[derive(Debug, Default)]
pub struct SequenceRandom(AtomicU64);

impl SequenceRandom {
    /// Returns the id of the `nth` key, counted from 1.
    pub fn key_id(nth: u64) -> DeviceKeyId {
        let mut bytes = [0; 32];
        write(nth, &mut bytes);
        DeviceKeyId::from_random_bytes(bytes)
    }
}

impl RandomSource for SequenceRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        write(self.0.fetch_add(1, Ordering::SeqCst) + 1, buffer);
        Ok(())
    }
}

/// Writes the number into the last bytes, big-endian.
fn write(number: u64, buffer: &mut [u8]) {
    buffer.fill(0);
    for (byte, digit) in buffer.iter_mut().rev().zip(number.to_le_bytes()) {
        *byte = digit;
    }
}

/// A source that always fails.
#[derive(Clone, Copy, Debug)]
pub struct BrokenRandom;

impl RandomSource for BrokenRandom {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
        Err(RandomUnavailable)
    }
}
