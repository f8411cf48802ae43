//! Measures how much time a relying party takes, and how much of this time its store takes.

mod fleet;
mod timed_registry;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use device_key_relying_party::{
    AttestationPolicy, Backend, Parts, PostgresRegistry, Registry, RelyingParty,
    RelyingPartyLimits, SqliteRegistry,
};
use device_key_testing::Postgres;
use device_key_types::{OsRandom, SystemClock};
use tokio::runtime::{Builder, Runtime};

use crate::figures::{Figures, Samples};
use crate::software_client::SoftwareClient;
use timed_registry::TimedRegistry;

const FLOWS: usize = 1_000;

/// Measures challenge, enrollment, token and connection of new devices, one after the other on one
/// core, with each store.
pub(crate) fn measure(figures: &mut Figures, scratch: &Path) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let sqlite = SqliteRegistry::open(&scratch.join("registry.sqlite"))?;
    flows(figures, &runtime, "SQLite", Arc::new(sqlite))?;
    let postgres = runtime.block_on(open_postgres())?;
    flows(figures, &runtime, "PostgreSQL", Arc::new(postgres))?;
    fleet::measure(figures)
}

async fn open_postgres() -> Result<PostgresRegistry> {
    Ok(PostgresRegistry::open(Postgres::shared().database().parse()?).await?)
}

fn relying_party(registry: Arc<dyn Registry>) -> Result<RelyingParty> {
    Ok(RelyingParty::new(Parts {
        registry,
        backend: Backend::new(&"http://127.0.0.1:7777".parse()?, &"/wham".parse()?)
            .ok()
            .context("the endpoints fit behind the prefix")?,
        attestation: AttestationPolicy::without_attestation(),
        limits: RelyingPartyLimits {
            connections_per_account: u32::MAX,
            devices_per_account: u32::MAX,
            challenge_seconds: 900,
            ..RelyingPartyLimits::default()
        },
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    }))
}

/// Runs the flows. The time of the clients is not counted: they make keys and sign.
fn flows(
    figures: &mut Figures,
    runtime: &Runtime,
    store: &str,
    registry: Arc<dyn Registry>,
) -> Result<()> {
    let timed = Arc::new(TimedRegistry::new(registry));
    let relying_party = relying_party(timed.clone())?;
    let (mut whole, mut in_store) = <(Samples, Samples)>::default();
    runtime.block_on(async {
        for number in 0..FLOWS {
            let client = SoftwareClient::new(u32::try_from(number)?)?;
            timed.take();
            let begun = Instant::now();
            let invitation =
                relying_party.invite_enrollment(&client.account, client.name.clone()).await?;
            let mut elapsed = begun.elapsed();
            let answer = client.enrollment(&invitation)?;
            let begun = Instant::now();
            relying_party.enroll(&client.account, &answer).await?;
            let invitation =
                relying_party.invite_connection(&client.account, &client.key_id).await?;
            elapsed += begun.elapsed();
            let proof = client.connection(&invitation)?;
            let begun = Instant::now();
            drop(relying_party.open_connection(&invitation.token, &proof).await?);
            whole.push(elapsed + begun.elapsed());
            in_store.push(timed.take());
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let (all, share) = (whole.median(), in_store.median() / whole.median());
    figures.note(format!(
        "challenge + enrollment + connection on {store}: {:.0} a second on one core, {:.0} % of the \
         time in the store",
        1e6 / all,
        share * 100.0
    ));
    figures.detail(&format!("challenge + enrollment + connection on {store}"), &whole);
    figures.detail(&format!("the store's part of it on {store}"), &in_store);
    Ok(())
}
