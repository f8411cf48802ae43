//! A cache of recently used keys.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _};
use device_key::SigningInput;
use device_key_types::{DeviceKeyId, PublicKey, Signature};

use crate::error::OperationError;

/// A key in memory. aws-lc holds the private part in its own memory, and wipes this memory when it
/// frees it.
pub(crate) struct LoadedKey {
    pair: EcdsaKeyPair,
    public_key: PublicKey,
}

impl LoadedKey {
    pub(crate) fn new(pair: EcdsaKeyPair) -> Result<Self, OperationError> {
        let unexpected = OperationError::Cryptography("encode a public key in the expected form");
        // SEC 1 section 2.3.3: 0x04 marks an uncompressed point.
        let Some([4, point @ ..]) = pair.public_key().as_ref().first_chunk::<65>() else {
            return Err(unexpected);
        };
        let (Some(x), Some(y)) = (point.first_chunk(), point.last_chunk()) else {
            return Err(unexpected);
        };
        let public_key = PublicKey::from_coordinates(x, y)?;
        Ok(Self { pair, public_key })
    }

    pub(crate) const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    pub(crate) fn sign(&self, input: &SigningInput) -> Result<Signature, OperationError> {
        let failed = |_| OperationError::Cryptography("sign");
        let digest = Digest::import_less_safe(input.sha256().as_bytes(), &SHA256);
        let signature = self.pair.sign_digest(&digest.map_err(failed)?).map_err(failed)?;
        let scalars = signature.as_ref().first_chunk::<64>();
        let (Some(r), Some(s)) = (
            scalars.and_then(|scalars| scalars.first_chunk()),
            scalars.and_then(|scalars| scalars.last_chunk()),
        ) else {
            return Err(OperationError::Cryptography("encode a signature in the expected form"));
        };
        Ok(Signature::from_scalars(*r, *s)?)
    }
}

/// A cache of recently used keys. A signer holds a shared lock only while it looks up the key. A
/// key that is removed from the cache stays alive until the signers that use it are done.
pub(crate) struct LoadedKeys {
    capacity: usize,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    keys: HashMap<DeviceKeyId, Entry>,
    removals: Removals,
}

struct Entry {
    key: Arc<LoadedKey>,
    /// Whether the key was used since the flags were last cleared. This is the clock algorithm with
    /// one bit, which comes close to "least recently used".
    was_used: AtomicBool,
}

/// The number of removals so far. A file that was read before a removal may belong to the removed
/// key.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Removals(u64);

impl LoadedKeys {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, inner: RwLock::default() }
    }

    pub(crate) fn get(&self, key_id: &DeviceKeyId) -> Option<Arc<LoadedKey>> {
        let inner = self.read();
        let entry = inner.keys.get(key_id)?;
        // The flag is read first, because a write would take the cache line from the other signers.
        if !entry.was_used.load(Ordering::Relaxed) {
            entry.was_used.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(&entry.key))
    }

    /// Call this before reading a key file whose key will be inserted.
    pub(crate) fn removals(&self) -> Removals {
        self.read().removals
    }

    /// Adds a key, unless some key was removed after `since` was read.
    pub(crate) fn insert(&self, key_id: DeviceKeyId, key: Arc<LoadedKey>, since: Removals) {
        let mut inner = self.write();
        if inner.removals != since {
            return;
        }
        if inner.keys.len() >= self.capacity && !inner.keys.contains_key(&key_id) {
            inner.make_room();
        }
        inner.keys.insert(key_id, Entry { key, was_used: AtomicBool::new(true) });
    }

    /// Removes a key whose file was deleted.
    pub(crate) fn remove(&self, key_id: &DeviceKeyId) {
        let mut inner = self.write();
        inner.removals.0 = inner.removals.0.wrapping_add(1);
        inner.keys.remove(key_id);
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Removes a key that was not used since the flags were last cleared. If all keys were used,
    /// this removes any key and clears all flags.
    fn make_room(&mut self) {
        let unused = self.keys.iter().find(|(_, entry)| !entry.was_used.load(Ordering::Relaxed));
        let chosen = unused.or_else(|| self.keys.iter().next()).map(|(key_id, _)| *key_id);
        let all_were_used = unused.is_none();
        if let Some(key_id) = chosen {
            self.keys.remove(&key_id);
        }
        if all_were_used {
            for entry in self.keys.values() {
                entry.was_used.store(false, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;

    use super::*;

    fn key_id(number: u8) -> DeviceKeyId {
        DeviceKeyId::from_random_bytes([number; 32])
    }

    fn key() -> Arc<LoadedKey> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Arc::new(LoadedKey::new(pair).unwrap())
    }

    #[test]
    fn a_full_cache_drops_an_unused_key_first() {
        let keys = LoadedKeys::new(4);
        for number in 0..4 {
            keys.insert(key_id(number), key(), Removals::default());
        }
        // All four keys were used, so any of them is dropped and the flags are cleared.
        keys.insert(key_id(4), key(), Removals::default());
        let used = (0..4).find(|number| keys.get(&key_id(*number)).is_some()).unwrap();
        for number in 5..7 {
            keys.get(&key_id(used)).unwrap();
            keys.insert(key_id(number), key(), Removals::default());
        }
        assert!(keys.get(&key_id(used)).is_some());
        assert_eq!((0..7).filter(|number| keys.get(&key_id(*number)).is_some()).count(), 4);
    }

    #[test]
    fn a_key_read_before_a_removal_is_not_cached() {
        let keys = LoadedKeys::new(4);
        let since = keys.removals();
        keys.remove(&key_id(1));
        keys.insert(key_id(1), key(), since);
        assert!(keys.get(&key_id(1)).is_none());
        keys.insert(key_id(1), key(), keys.removals());
        assert!(keys.get(&key_id(1)).is_some());
    }
}
