//! The registry in `PostgreSQL`, for several backends, or for a backend that must not depend on a
//! single machine.
//!
//! Each operation takes a connection from a pool. Row locks guarantee that a challenge is answered
//! only once: if two transactions run `DELETE … RETURNING` for a row, the second transaction waits
//! for the first and then finds nothing. Quotas are counted under an advisory lock of the account,
//! because a count and an insert without a lock would let two backends use the last free place.
//!
//! There is no TLS. Connections go through a Unix socket or to a loopback address, and all other
//! addresses are refused. To reach a server elsewhere, use a local pooler in session mode or a
//! tunnel that protects the connection.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, Runtime};
use device_key_types::{AccountUserId, ChallengeId, DeviceKeyId, Sha256Digest, UnixTime};
use tokio_postgres::{Config, NoTls};

use crate::registry::Registry;
use crate::registry::challenge::{
    BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment,
};
use crate::registry::device::Device;
use crate::registry::error::RegistryError;

pub(crate) mod address;
mod challenges;
mod devices;
mod error;
mod migrations;
mod statements;

use address::LocalConfig;
use error::PostgresError;

/// The most connections. A connection does some thousand operations per second, and each connection
/// costs the server memory and a process.
const CONNECTIONS: usize = 16;
/// How long to wait for a connection, either a new connection or one from the pool.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// The settings of every connection. An answered challenge must stay answered if the server loses
/// power, so `synchronous_commit` is switched on if it is off; stricter settings are left alone.
/// The timeouts are in milliseconds.
const SESSION: &str = "
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off';
    SELECT set_config('statement_timeout', '5000', false);
    SELECT set_config('idle_in_transaction_session_timeout', '10000', false)";

/// A [`Registry`] in a `PostgreSQL` database. Its tables are in the first schema of the
/// connection's `search_path`.
pub struct PostgresRegistry {
    pool: Pool,
}

impl PostgresRegistry {
    /// Connects, and creates or migrates the tables if necessary.
    pub async fn open(config: LocalConfig) -> Result<Self, RegistryError> {
        let settings = ManagerConfig::default();
        let manager = Manager::from_config(Config::from(config), NoTls, settings);
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_DEADLINE))
            .create_timeout(Some(CONNECT_DEADLINE))
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(
                    async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) },
                )
            }))
            .build()
            .map_err(|_| PostgresError::NoConnection)?;
        let registry = Self { pool };
        migrations::migrate(&mut registry.client().await?).await?;
        Ok(registry)
    }

    async fn client(&self) -> Result<Object, PostgresError> {
        self.pool.get().await.map_err(PostgresError::from)
    }
}

#[async_trait]
impl Registry for PostgresRegistry {
    async fn put_enrollment_challenge(
        &self,
        challenge: &EnrollmentChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError> {
        challenges::put_enrollment(&mut self.client().await?, challenge, at_most, now).await
    }

    async fn enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError> {
        challenges::enrollment(&self.client().await?, challenge_id, account, now).await
    }

    async fn begin_attestation(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        attestation: &BegunAttestation,
        now: UnixTime,
    ) -> Result<bool, RegistryError> {
        let client = self.client().await?;
        challenges::begin_attestation(&client, challenge_id, account, attestation, now).await
    }

    async fn take_enrollment_challenge(
        &self,
        challenge_id: &ChallengeId,
        account: &AccountUserId,
        now: UnixTime,
    ) -> Result<Option<OpenEnrollment>, RegistryError> {
        challenges::take_enrollment(&self.client().await?, challenge_id, account, now).await
    }

    async fn enroll_device(&self, device: &Device, at_most: u32) -> Result<(), RegistryError> {
        devices::enroll(&mut self.client().await?, device, at_most).await
    }

    async fn device(&self, key_id: &DeviceKeyId) -> Result<Option<Device>, RegistryError> {
        devices::device(&self.client().await?, key_id).await
    }

    async fn list_devices(&self, account: &AccountUserId) -> Result<Vec<Device>, RegistryError> {
        devices::list(&self.client().await?, account).await
    }

    async fn revoke(
        &self,
        account: &AccountUserId,
        key_id: &DeviceKeyId,
        now: UnixTime,
    ) -> Result<bool, RegistryError> {
        devices::revoke(&self.client().await?, account, key_id, now).await
    }

    async fn still_enrolled(
        &self,
        key_ids: &[DeviceKeyId],
    ) -> Result<HashSet<DeviceKeyId>, RegistryError> {
        devices::still_enrolled(&self.client().await?, key_ids).await
    }

    async fn put_connection_challenge(
        &self,
        challenge: &ConnectionChallenge,
        at_most: u32,
        now: UnixTime,
    ) -> Result<(), RegistryError> {
        challenges::put_connection(&mut self.client().await?, challenge, at_most, now).await
    }

    async fn take_connection_challenge(
        &self,
        token_sha256: &Sha256Digest,
        now: UnixTime,
    ) -> Result<Option<ConnectionChallenge>, RegistryError> {
        challenges::take_connection(&self.client().await?, token_sha256, now).await
    }

    async fn delete_expired(&self, now: UnixTime) -> Result<u64, RegistryError> {
        challenges::delete_expired(&self.client().await?, now).await
    }

    async fn ready(&self) -> Result<(), RegistryError> {
        statements::ready(&self.client().await?).await
    }
}

impl std::fmt::Debug for PostgresRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresRegistry(..)")
    }
}
