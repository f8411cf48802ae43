use std::{fmt, sync::Arc};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use device_key_types::{AccountUserId, Clock, DeviceKeyId, Nonce, RandomSource};
use tokio_util::sync::CancellationToken;

use crate::{
    attestation_policy::AttestationPolicy,
    backend::Backend,
    error::RelyingPartyError,
    limits::RelyingPartyLimits,
    open_connections::OpenConnections,
    registry::{Registry, device::Device},
};

pub(crate) mod connection;
pub(crate) mod enrollment;
pub(crate) mod token;

/// The decisions of a relying party: what is asked, and whether what comes back is good. It knows
/// nothing of HTTP, and takes it as known whose account speaks.
pub struct RelyingParty {
    parts: Parts,
    connections: OpenConnections,
}

/// What a relying party is made of.
pub struct Parts {
    /// Where it keeps what it must remember.
    pub registry: Arc<dyn Registry>,
    /// Where statements to it are addressed.
    pub backend: Backend,
    /// Which devices it enrolls.
    pub attestation: AttestationPolicy,
    /// How much and how long.
    pub limits: RelyingPartyLimits,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Nonces, tokens, secrets and names.
    pub random: Arc<dyn RandomSource>,
}

impl RelyingParty {
    /// Puts one together.
    pub fn new(parts: Parts) -> Self {
        Self { parts, connections: OpenConnections::default() }
    }

    /// The account's devices, in the order of their enrollment.
    pub async fn devices(&self, account: &AccountUserId) -> Result<Vec<Device>, RelyingPartyError> {
        Ok(self.registry().list_devices(account).await?)
    }

    /// Revokes one of the account's devices. Its open connections are closed: those of this process
    /// at once, those of others when they next look.
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

    /// Whether the store answers.
    pub async fn ready(&self) -> Result<(), RelyingPartyError> {
        Ok(self.registry().ready().await?)
    }

    /// Closes the connections of devices that were revoked, by whatever process, and removes what
    /// has expired. It must run for as long as connections are open, and ends when it is stopped.
    pub async fn run_maintenance(&self, stop: &CancellationToken) {
        let limits = &self.parts.limits;
        let registry = self.registry();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.connections.watch(registry, limits) => {}
            () = delete_expired(registry, &*self.parts.clock, limits) => {}
        }
    }

    /// Where statements to it are addressed.
    pub const fn backend(&self) -> &Backend {
        &self.parts.backend
    }

    /// Its limits.
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

    /// A name that nobody else has.
    fn name<T: std::str::FromStr<Err = device_key_types::Reason>>(
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
            tracing::warn!(reason = error.reason(), "expired challenges could not be removed");
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
