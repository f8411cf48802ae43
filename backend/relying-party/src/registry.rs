//! What a relying party must remember, and the contract of the stores that do.
//!
//! A challenge is a row, and answering it deletes the row: the database decides who was first,
//! among requests, among backend processes and across restarts. Nothing remembers used nonces, so
//! nothing grows, and a store that forgets a row forgets that something may be answered, not that
//! something was.
//!
//! The time is passed in; an expiry counts as passed at its very second. A store may be asked from
//! any task. Dropping a future that it gave may leave the work done.

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
    /// Keeps a challenge, if the account has fewer than so many open.
    ///
    /// Fails with [`RegistryError::QuotaExceeded`].
    async fn put_enrollment_challenge(
        &self,
        challenge: &EnrollmentChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError>;

    /// An open challenge of this account, which stays open.
    async fn enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError>;

    /// Keeps the first half of an attestation with an open challenge of this account, once. Says
    /// whether it did.
    async fn begin_attestation(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        attestation: &BegunAttestation,
        now: UnixTime,
    ) -> Result<bool, RegistryError>;

    /// Closes an open challenge of this account and gives it to exactly one caller, ever. A challenge
    /// of another account stays as it is.
    async fn take_enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError>;

    /// Enrolls a device, if its account has fewer than so many.
    ///
    /// Neither the key id nor the public key may ever have been enrolled, by whomever. Fails with
    /// [`RegistryError::Revoked`] if they were and are no more, [`RegistryError::AlreadyEnrolled`] if
    /// they are, and [`RegistryError::QuotaExceeded`].
    async fn enroll_device(&self, device: &Device, at_most: u32) -> Result<(), RegistryError>;

    /// A device, also one that was revoked.
    async fn device(&self, key_id: &DeviceKeyId) -> Result<Option<Device>, RegistryError>;

    /// The devices of an account that are not revoked, in the order of their enrollment.
    async fn list_devices(&self, account: &AccountUserId) -> Result<Vec<Device>, RegistryError>;

    /// Revokes a device of this account, and with it the connection tokens that it has not used.
    /// Says whether there was one to revoke.
    async fn revoke(
        &self,
        account: &AccountUserId,
        key_id: &DeviceKeyId,
        now: UnixTime,
    ) -> Result<bool, RegistryError>;

    /// Which of these devices are enrolled and not revoked.
    async fn still_enrolled(
        &self,
        key_ids: &[DeviceKeyId],
    ) -> Result<HashSet<DeviceKeyId>, RegistryError>;

    /// Keeps a connection token's challenge, if the account has fewer than so many open.
    ///
    /// Fails with [`RegistryError::QuotaExceeded`].
    async fn put_connection_challenge(
        &self,
        challenge: &ConnectionChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError>;

    /// Closes the open challenge of this token and gives it to exactly one caller, ever.
    async fn take_connection_challenge(
        &self,
        token_sha256: &Sha256Digest,
        now: UnixTime,
    ) -> Result<Option<ConnectionChallenge>, RegistryError>;

    /// Removes the challenges whose time has passed, and says how many. They count for nothing
    /// before that either; this keeps the store small.
    async fn delete_expired(&self, now: UnixTime) -> Result<u64, RegistryError>;

    /// Whether the store answers.
    async fn ready(&self) -> Result<(), RegistryError>;
}
