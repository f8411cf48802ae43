//! The records of a relying party, and the contract of the stores that keep them.
//!
//! Each open challenge is a row, and answering the challenge deletes the row. The database
//! therefore decides which answer came first, among requests, among backend processes and across
//! restarts. No store keeps a list of used nonces, so nothing grows. If a store loses a row, an
//! open challenge can no longer be answered; an answered challenge never becomes open again.
//!
//! Callers pass in the time. A record has expired from the second of its expiry on. Any task may
//! call a store. If a caller drops a future of a store, the operation may still take place.

use std::collections::HashSet;

use async_trait::async_trait;
use device_key_types::{AccountUserId, ChallengeId, DeviceKeyId, Sha256Digest, UnixTime};

pub(crate) mod challenge;
pub(crate) mod columns;
pub(crate) mod device;
pub(crate) mod error;
pub(crate) mod stored;

use challenge::{BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment};
use device::Device;
use error::RegistryError;

/// A store of challenges and devices. Several backend processes may use one store.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Stores a challenge, if the account has fewer than `at_most` open enrollment challenges.
    ///
    /// Fails with [`RegistryError::QuotaExceeded`] if the account has as many already.
    async fn put_enrollment_challenge(
        &self,
        challenge: &EnrollmentChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError>;

    /// Returns an open challenge of this account. The challenge stays open.
    async fn enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError>;

    /// Stores the first half of an attestation with an open challenge of this account. Returns
    /// `false` if there is no such challenge, or if it has an attestation already.
    async fn begin_attestation(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        attestation: &BegunAttestation,
        now: UnixTime,
    ) -> Result<bool, RegistryError>;

    /// Deletes an open challenge of this account and returns it. Only one caller ever gets it. A
    /// challenge of another account stays as it is.
    async fn take_enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError>;

    /// Enrolls a device, if its account has fewer than `at_most` devices.
    ///
    /// No account may ever have enrolled the key id or the public key. Fails with
    /// [`RegistryError::Revoked`] if a device with either was revoked, with
    /// [`RegistryError::AlreadyEnrolled`] if a device has either, and with
    /// [`RegistryError::QuotaExceeded`] if the account has too many devices.
    async fn enroll_device(&self, device: &Device, at_most: u32) -> Result<(), RegistryError>;

    /// Returns a device. Revoked devices are returned too.
    async fn device(&self, key_id: &DeviceKeyId) -> Result<Option<Device>, RegistryError>;

    /// Returns the devices of an account that are not revoked, in the order of their enrollment.
    async fn list_devices(&self, account: &AccountUserId) -> Result<Vec<Device>, RegistryError>;

    /// Revokes a device of this account and deletes the device's unused connection tokens. Returns
    /// whether the account had such a device.
    async fn revoke(
        &self,
        account: &AccountUserId,
        key_id: &DeviceKeyId,
        now: UnixTime,
    ) -> Result<bool, RegistryError>;

    /// Returns which of these devices are enrolled and not revoked.
    async fn still_enrolled(
        &self,
        key_ids: &[DeviceKeyId],
    ) -> Result<HashSet<DeviceKeyId>, RegistryError>;

    /// Stores the challenge of a connection token, if the account has fewer than `at_most` unused
    /// tokens.
    ///
    /// Fails with [`RegistryError::QuotaExceeded`] if the account has as many already.
    async fn put_connection_challenge(
        &self,
        challenge: &ConnectionChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError>;

    /// Deletes the open challenge of this token and returns it. Only one caller ever gets it.
    async fn take_connection_challenge(
        &self,
        token_sha256: &Sha256Digest,
        now: UnixTime,
    ) -> Result<Option<ConnectionChallenge>, RegistryError>;

    /// Deletes expired challenges and returns how many. An expired challenge is never returned or
    /// counted, even if it is not deleted yet; the deletion only keeps the store small.
    async fn delete_expired(&self, now: UnixTime) -> Result<u64, RegistryError>;

    /// Checks that the store answers, and writes something that changes no record.
    async fn ready(&self) -> Result<(), RegistryError>;
}
