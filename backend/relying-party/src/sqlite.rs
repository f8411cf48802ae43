//! The registry in a `SQLite` file. This is the default, and it is for one machine.
//!
//! Every write goes through one connection on its own thread. The thread runs all waiting writes in
//! one transaction. With `synchronous = FULL` a commit waits for the disk, so all these writes wait
//! for the disk only once. Callers are answered after the commit, so an answered challenge stays
//! answered if the machine loses power. Reads have their own connection and thread and do not wait
//! for a writer (WAL). Several processes of a machine may use the file. The file must not be on a
//! network file system.

use std::collections::HashSet;
use std::path::Path;

use async_trait::async_trait;
use device_key_types::{AccountUserId, ChallengeId, DeviceKeyId, Sha256Digest, UnixTime};

use crate::registry::Registry;
use crate::registry::challenge::{
    BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment,
};
use crate::registry::device::Device;
use crate::registry::error::RegistryError;

mod challenges;
mod database;
mod devices;
mod error;
mod worker;

use worker::{Role, Worker};

/// A [`Registry`] in a `SQLite` file.
pub struct SqliteRegistry {
    reader: Worker,
    writer: Worker,
}

impl SqliteRegistry {
    /// Opens the file, and creates or migrates it if necessary. Only the user of this process can
    /// read or write a new file (mode 0600).
    ///
    /// This call blocks while another process prepares the file, for five seconds at most.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        database::create(path)?;
        let mut writer = database::connect(path)?;
        database::prepare(&mut writer)?;
        Ok(Self {
            reader: Worker::start(Role::Reader, database::connect(path)?)?,
            writer: Worker::start(Role::Writer, writer)?,
        })
    }
}

#[async_trait]
impl Registry for SqliteRegistry {
    async fn put_enrollment_challenge(
        &self,
        challenge: &EnrollmentChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError> {
        let challenge = challenge.clone();
        self.writer.run(move |db| challenges::put_enrollment(db, &challenge, at_most, now)).await
    }

    async fn enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError> {
        let (id, account) = (challenge_id.clone(), account.clone());
        self.reader.run(move |db| challenges::enrollment(db, &id, &account, now)).await
    }

    async fn begin_attestation(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        attestation: &BegunAttestation,
        now: UnixTime,
    ) -> Result<bool, RegistryError> {
        let (id, account) = (challenge_id.clone(), account.clone());
        let begun = attestation.clone();
        self.writer
            .run(move |db| challenges::begin_attestation(db, &id, &account, &begun, now))
            .await
    }

    async fn take_enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError> {
        let (id, account) = (challenge_id.clone(), account.clone());
        self.writer.run(move |db| challenges::take_enrollment(db, &id, &account, now)).await
    }

    async fn enroll_device(&self, device: &Device, at_most: u32) -> Result<(), RegistryError> {
        let device = device.clone();
        self.writer.run(move |db| devices::enroll(db, &device, at_most)).await
    }

    async fn device(&self, key_id: &DeviceKeyId) -> Result<Option<Device>, RegistryError> {
        let key_id = *key_id;
        self.reader.run(move |db| devices::device(db, &key_id)).await
    }

    async fn list_devices(&self, account: &AccountUserId) -> Result<Vec<Device>, RegistryError> {
        let account = account.clone();
        self.reader.run(move |db| devices::list(db, &account)).await
    }

    async fn revoke(
        &self,
        account: &AccountUserId,
        key_id: &DeviceKeyId,
        now: UnixTime,
    ) -> Result<bool, RegistryError> {
        let (account, key_id) = (account.clone(), *key_id);
        self.writer.run(move |db| devices::revoke(db, &account, &key_id, now)).await
    }

    async fn still_enrolled(
        &self,
        key_ids: &[DeviceKeyId],
    ) -> Result<HashSet<DeviceKeyId>, RegistryError> {
        let key_ids = key_ids.to_vec();
        self.reader.run(move |db| devices::still_enrolled(db, &key_ids)).await
    }

    async fn put_connection_challenge(
        &self,
        challenge: &ConnectionChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError> {
        let challenge = challenge.clone();
        self.writer.run(move |db| challenges::put_connection(db, &challenge, at_most, now)).await
    }

    async fn take_connection_challenge(
        &self,
        token_sha256: &Sha256Digest,
        now: UnixTime,
    ) -> Result<Option<ConnectionChallenge>, RegistryError> {
        let token = *token_sha256;
        self.writer.run(move |db| challenges::take_connection(db, &token, now)).await
    }

    async fn delete_expired(&self, now: UnixTime) -> Result<u64, RegistryError> {
        self.writer.run(move |db| challenges::delete_expired(db, now)).await
    }

    async fn ready(&self) -> Result<(), RegistryError> {
        // Even an empty job begins a transaction, which reads.
        self.reader.run(|_| Ok(())).await?;
        self.writer.run(|db| Ok(database::rewrite_version(db)?)).await
    }
}

impl std::fmt::Debug for SqliteRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteRegistry(..)")
    }
}
