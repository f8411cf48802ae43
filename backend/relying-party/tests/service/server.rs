//! A server for the tests, which runs in the process of the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use device_key_relying_party::{
    AccountsFile, AttestationPolicy, Backend, Listening, Parts, Registry, RelyingParty,
    RelyingPartyLimits,
};
use device_key_testing::FixedClock;
use device_key_types::{Clock as _, OsRandom, Sha256Digest, SystemClock};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::store::Store;

pub(crate) const PREFIX: &str = "/wham";
/// The origin that clients of every test server sign, whatever the server's port is.
pub(crate) const ORIGIN: &str = "http://127.0.0.1:7777";
/// Access tokens. The account of a token has the token's name.
pub(crate) const ACCOUNTS: [&str; 2] = ["account-a", "account-b"];

/// A backend, which runs in the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<FixedClock>,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Starts a server that asks for no attestation.
    pub(crate) async fn on(store: &Store) -> Self {
        Self::with(store, AttestationPolicy::without_attestation(), limits()).await
    }

    pub(crate) async fn with(
        store: &Store,
        attestation: AttestationPolicy,
        limits: RelyingPartyLimits,
    ) -> Self {
        Self::of(store.open().await, attestation, limits)
    }

    pub(crate) fn of(
        registry: Arc<dyn Registry>,
        attestation: AttestationPolicy,
        limits: RelyingPartyLimits,
    ) -> Self {
        let listening = Listening::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listening.address();
        let clock = Arc::new(FixedClock::at(SystemClock.now()));
        let relying_party = RelyingParty::new(Parts {
            registry,
            backend: Backend::new(&ORIGIN.parse().unwrap(), &PREFIX.parse().unwrap()).unwrap(),
            attestation,
            limits,
            clock: clock.clone(),
            random: Arc::new(OsRandom),
        });
        let stop = CancellationToken::new();
        let accounts: AccountsFile = accounts().parse().unwrap();
        let serving =
            tokio::spawn(listening.serve(relying_party, Arc::new(accounts), stop.clone()));
        Self { address, clock, stop, serving }
    }

    pub(crate) fn client(&self) -> Client {
        Client { address: self.address }
    }

    /// Stops the server and waits until it has stopped.
    pub(crate) async fn stopped(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

/// Limits that allow a hundred concurrent requests.
pub(crate) fn limits() -> RelyingPartyLimits {
    RelyingPartyLimits {
        enrollments_per_account: 200,
        connections_per_account: 200,
        request_deadline: Duration::from_secs(20),
        ..RelyingPartyLimits::default()
    }
}

/// The accounts, in the format that the command reads.
pub(crate) fn accounts() -> String {
    ACCOUNTS
        .map(|name| {
            let digest = Sha256Digest::of(name.as_bytes());
            let digits = digest.as_bytes().map(|byte| format!("{byte:02x}")).concat();
            format!("{digits} {name}\n")
        })
        .concat()
}
