//! The decisions of the relying party.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use device_key_types::{AccountUserId, Clock, DeviceKeyId, Nonce, RandomSource};
use tokio_util::sync::CancellationToken;

use crate::attestation_policy::AttestationPolicy;
use crate::backend::Backend;
use crate::error::RelyingPartyError;
use crate::limits::RelyingPartyLimits;
use crate::open_connections::OpenConnections;
use crate::registry::Registry;
use crate::registry::device::Device;

pub(crate) mod connection;
pub(crate) mod enrollment;
pub(crate) mod token;

/// Makes the decisions of a relying party: it issues challenges and verifies the answers. It knows
/// nothing about HTTP, and its callers have already authenticated the account.
pub struct RelyingParty {
    parts: Parts,
    connections: OpenConnections,
}

/// The parts of a relying party.
pub struct Parts {
    /// The store of challenges and devices.
    pub registry: Arc<dyn Registry>,
    /// The endpoints that clients sign.
    pub backend: Backend,
    /// Decides which devices are enrolled.
    pub attestation: AttestationPolicy,
    /// Quotas, intervals and deadlines.
    pub limits: RelyingPartyLimits,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of nonces, tokens, secrets and ids.
    pub random: Arc<dyn RandomSource>,
}

impl RelyingParty {
    /// Creates a relying party from its parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, connections: OpenConnections::default() }
    }

    /// Returns the account's devices, in the order of their enrollment.
    pub async fn devices(&self, account: &AccountUserId) -> Result<Vec<Device>, RelyingPartyError> {
        Ok(self.registry().list_devices(account).await?)
    }

    /// Revokes a device of the account and closes the device's open connections. This process
    /// closes its connections at once; other processes close theirs when they next poll the store.
    pub async fn revoke(
        &self,
        account: &AccountUserId,
        key_id: &DeviceKeyId,
    ) -> Result<(), RelyingPartyError> {
        if !self.registry().revoke(account, key_id, self.parts.clock.now()).await? {
            return Err(RelyingPartyError::DeviceUnknown);
        }
        self.connections.revoke(key_id);
        Ok(())
    }

    /// Checks that the store can be read and written. Each call writes to it.
    pub async fn ready(&self) -> Result<(), RelyingPartyError> {
        Ok(self.registry().ready().await?)
    }

    /// Closes the connections of devices that any process has revoked, and deletes expired
    /// challenges. This must run for as long as connections are open. It returns when `stop` is
    /// cancelled.
    pub async fn run_maintenance(&self, stop: &CancellationToken) {
        let limits = &self.parts.limits;
        let registry = self.registry();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.connections.poll_revocations(registry, limits) => {}
            () = delete_expired(registry, &*self.parts.clock, limits) => {}
        }
    }

    /// The endpoints that clients sign.
    pub const fn backend(&self) -> &Backend {
        &self.parts.backend
    }

    /// The limits.
    pub const fn limits(&self) -> &RelyingPartyLimits {
        &self.parts.limits
    }

    fn registry(&self) -> &dyn Registry {
        &*self.parts.registry
    }

    fn random(&self) -> Result<[u8; 32], RelyingPartyError> {
        let mut bytes = [0; 32];
        self.parts.random.fill(&mut bytes).map_err(RelyingPartyError::internal)?;
        Ok(bytes)
    }

    fn nonce(&self) -> Result<Nonce, RelyingPartyError> {
        let text = Base64UrlUnpadded::encode_string(&self.random()?);
        text.parse().map_err(RelyingPartyError::internal)
    }

    /// Draws a new id with this prefix.
    fn random_id<T: std::str::FromStr<Err = device_key_types::Reason>>(
        &self,
        prefix: &str,
    ) -> Result<T, RelyingPartyError> {
        let unique = Base64UrlUnpadded::encode_string(&self.random()?);
        format!("{prefix}{unique}").parse().map_err(RelyingPartyError::internal)
    }
}

async fn delete_expired(registry: &dyn Registry, clock: &dyn Clock, limits: &RelyingPartyLimits) {
    let mut turns = tokio::time::interval(limits.removal_interval);
    loop {
        turns.tick().await;
        if let Err(error) = registry.delete_expired(clock.now()).await {
            tracing::warn!(reason = error.reason(), "cannot delete expired challenges");
        }
    }
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty")
            .field("backend", &self.parts.backend)
            .field("attestation", &self.parts.attestation)
            .field("limits", &self.parts.limits)
            .finish_non_exhaustive()
    }
}
