//! A registry that measures how long its callers wait for it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use device_key_relying_party::{
    BegunAttestation, ConnectionChallenge, Device, EnrollmentChallenge, OpenEnrollment, Registry,
    RegistryError,
};
use device_key_types::{AccountUserId, ChallengeId, DeviceKeyId, Sha256Digest, UnixTime};

/// A registry that measures how long its callers wait for it.
pub(super) struct TimedRegistry {
    registry: Arc<dyn Registry>,
    waited: Mutex<Duration>,
}

impl TimedRegistry {
    pub(super) fn new(registry: Arc<dyn Registry>) -> Self {
        Self { registry, waited: Mutex::default() }
    }

    /// Returns the time that callers have waited since the last call of this function.
    pub(super) fn take(&self) -> Duration {
        std::mem::take(&mut *self.waited.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn timed<T>(&self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner) += begun.elapsed();
        done
    }
}

#[async_trait]
impl Registry for TimedRegistry {
    async fn put_enrollment_challenge(
        &self,
        challenge: &EnrollmentChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError> {
        self.timed(self.registry.put_enrollment_challenge(challenge, at_most, now)).await
    }

    async fn enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError> {
        self.timed(self.registry.enrollment_challenge(challenge_id, account, now)).await
    }

    async fn begin_attestation(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        attestation: &BegunAttestation,
        now: UnixTime,
    ) -> Result<bool, RegistryError> {
        self.timed(self.registry.begin_attestation(challenge_id, account, attestation, now)).await
    }

    async fn take_enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError> {
        self.timed(self.registry.take_enrollment_challenge(challenge_id, account, now)).await
    }

    async fn enroll_device(&self, device: &Device, at_most: u32) -> Result<(), RegistryError> {
        self.timed(self.registry.enroll_device(device, at_most)).await
    }

    async fn device(&self, key_id: &DeviceKeyId) -> Result<Option<Device>, RegistryError> {
        self.timed(self.registry.device(key_id)).await
    }

    async fn list_devices(&self, account: &AccountUserId) -> Result<Vec<Device>, RegistryError> {
        self.timed(self.registry.list_devices(account)).await
    }

    async fn revoke(
        &self,
        account: &AccountUserId,
        key_id: &DeviceKeyId,
        now: UnixTime,
    ) -> Result<bool, RegistryError> {
        self.timed(self.registry.revoke(account, key_id, now)).await
    }

    async fn still_enrolled(
        &self,
        key_ids: &[DeviceKeyId],
    ) -> Result<HashSet<DeviceKeyId>, RegistryError> {
        self.timed(self.registry.still_enrolled(key_ids)).await
    }

    async fn put_connection_challenge(
        &self,
        challenge: &ConnectionChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError> {
        self.timed(self.registry.put_connection_challenge(challenge, at_most, now)).await
    }

    async fn take_connection_challenge(
        &self,
        token_sha256: &Sha256Digest,
        now: UnixTime,
    ) -> Result<Option<ConnectionChallenge>, RegistryError> {
        self.timed(self.registry.take_connection_challenge(token_sha256, now)).await
    }

    async fn delete_expired(&self, now: UnixTime) -> Result<u64, RegistryError> {
        self.timed(self.registry.delete_expired(now)).await
    }

    async fn ready(&self) -> Result<(), RegistryError> {
        self.timed(self.registry.ready()).await
    }
}
