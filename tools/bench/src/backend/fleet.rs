//! Measures a relying party with many devices in one PostgreSQL.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use device_key_relying_party::{
    ConnectionProof, ConnectionToken, Device, DeviceKind, Registry as _, RelyingParty,
};
use device_key_types::{ProtectionClass, UnixTime};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::{open_postgres, relying_party};
use crate::figures::{Figures, Samples};
use crate::software_client::SoftwareClient;

const DEVICES: u32 = 100_000;
/// The number of devices that connect. The other devices only make the tables larger.
const CLIENTS: u32 = 2_000;
const CONNECTIONS: u32 = 20_000;
const AT_ONCE: usize = 32;
const SIGNATURES: usize = 20_000;

/// Measures connections that are opened concurrently among a hundred thousand devices, and bare
/// signature verifications on one core.
pub(super) fn measure(figures: &mut Figures) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let rate = signature_rate()?;
    runtime.block_on(async {
        let registry = open_postgres().await?;
        eprintln!("enrolling {DEVICES} devices …");
        let clients = enroll(&registry).await?;
        let relying_party = Arc::new(relying_party(Arc::new(registry))?);
        let (opened, seconds) = connect(relying_party, &clients).await?;
        let throughput = f64::from(CONNECTIONS) / seconds;
        figures.note(format!(
            "proofs verified among {DEVICES} devices on PostgreSQL, {AT_ONCE} at once: {throughput:.0} a \
             second, where one core verifies {rate:.0} signatures"
        ));
        figures.detail("one of these proofs, with its look-ups", &opened);
        Ok(())
    })
}

fn signature_rate() -> Result<f64> {
    let client = SoftwareClient::new(u32::MAX)?;
    let message = [7; 600];
    let signature = client.sign(&message)?;
    let key = client.bare_key()?;
    let mut samples = Samples::default();
    for _ in 0..SIGNATURES {
        let verified = samples.time(|| key.verify_sig(&message, &signature));
        ensure!(verified.is_ok(), "the signature is good");
    }
    Ok(1e6 / samples.median())
}

async fn enroll(
    registry: &device_key_relying_party::PostgresRegistry,
) -> Result<Vec<SoftwareClient>> {
    let mut clients = Vec::new();
    for number in 0..DEVICES {
        let client = SoftwareClient::new(number)?;
        let device = Device {
            key_id: client.key_id,
            account_user_id: client.account.clone(),
            client_id: client.name.clone(),
            public_key: client.key.public_key().clone(),
            protection_class: ProtectionClass::HardwareTpm,
            verified_kind: DeviceKind::HardwareTpm,
            enrolled_at: UnixTime::from_seconds(1_700_000_000),
            revoked_at: None,
        };
        registry.enroll_device(&device, u32::MAX).await?;
        if number % (DEVICES / CLIENTS) == 0 {
            clients.push(client);
        }
    }
    Ok(clients)
}

/// Opens the connections. Returns how long each took, and how many seconds all took together. The
/// tokens and proofs are made before the measurement starts.
async fn connect(
    relying_party: Arc<RelyingParty>,
    clients: &[SoftwareClient],
) -> Result<(Samples, f64)> {
    let mut batches: Vec<Vec<(ConnectionToken, ConnectionProof)>> = Vec::new();
    batches.resize_with(AT_ONCE, Vec::new);
    let connections = usize::try_from(CONNECTIONS)?;
    for (number, client) in clients.iter().cycle().take(connections).enumerate() {
        let invitation = relying_party.invite_connection(&client.account, &client.key_id).await?;
        let proof = client.connection(&invitation)?;
        let batch = batches.get_mut(number % AT_ONCE).context("a batch")?;
        batch.push((invitation.token, proof));
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for batch in batches {
        let relying_party = Arc::clone(&relying_party);
        tasks.spawn(async move {
            let mut samples = Samples::default();
            for (token, proof) in batch {
                let begun = Instant::now();
                drop(relying_party.open_connection(&token, &proof).await?);
                samples.push(begun.elapsed());
            }
            Ok::<_, device_key_relying_party::RelyingPartyError>(samples)
        });
    }
    let mut all = Samples::default();
    while let Some(samples) = tasks.join_next().await {
        all.append(samples??);
    }
    Ok((all, begun.elapsed().as_secs_f64()))
}
