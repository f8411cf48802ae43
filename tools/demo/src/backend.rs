//! Runs the relying party as a process of its own.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use device_key_types::Sha256Digest;
use serde_json::Value;

use crate::Controller;

/// The path prefix of the endpoints. The built-in policy of devices allows this prefix for a
/// backend on loopback.
pub const PATH_PREFIX: &str = "/wham";

/// A running relying party. Dropping it ends the process.
pub struct Backend {
    child: Child,
    address: SocketAddr,
}

/// The arguments of a relying party.
pub struct Settings<'a> {
    /// `--sqlite PATH` or `--postgres STRING`.
    pub registry: [&'a str; 2],
    /// The file with the root certificate of the simulator's authority, in PEM.
    pub simulated_root: &'a Path,
    /// The file with the intermediate certificate that issued the endorsement certificates.
    pub intermediate: &'a Path,
    /// Further arguments.
    pub more: &'a [&'a str],
}

/// An account and the access token of its controller.
pub struct Account {
    /// The account's id.
    pub id: String,
    /// The account's access token.
    pub token: String,
}

impl Account {
    /// Creates an account with a random token.
    pub fn new(id: &str) -> Result<Self> {
        let mut token = [0; 32];
        getrandom::fill(&mut token).context("random bytes")?;
        Ok(Self { id: id.to_owned(), token: Base64UrlUnpadded::encode_string(&token) })
    }
}

/// Writes the file that tells the relying party which account each token belongs to.
pub fn write_accounts(path: &Path, accounts: &[Account]) -> Result<()> {
    let line = |account: &Account| {
        let digest = Sha256Digest::of(account.token.as_bytes());
        let digits: String = digest.as_bytes().iter().fold(String::new(), |mut digits, byte| {
            // Writing to a string does not fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        format!("{digits} {}\n", account.id)
    };
    fs::write(path, accounts.iter().map(line).collect::<Vec<_>>().concat())?;
    Ok(())
}

impl Backend {
    /// Spawns a relying party on a free port of 127.0.0.1 and waits until it says that it is ready.
    pub fn spawn(program: &Path, accounts: &Path, settings: &Settings<'_>) -> Result<Self> {
        let root = format!("simulated:{}", settings.simulated_root.display());
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--path-prefix", PATH_PREFIX])
            .arg("--accounts")
            .arg(accounts)
            .args(settings.registry)
            .args(["--trust-root", &root])
            .arg("--intermediate")
            .arg(settings.intermediate)
            .args(settings.more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(crate::log())
            .spawn()
            .with_context(|| format!("cannot spawn {}", program.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a pipe")?).read_line(&mut line)?;
        let address = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|ready| ready.get("address")?.as_str()?.parse().ok());
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            anyhow::bail!("the relying party did not become ready; it printed {line:?}");
        };
        Ok(Self { child, address })
    }

    /// The origin that the relying party's statements name.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A controller that uses this account's token.
    pub fn controller(&self, account: &Account) -> Controller {
        Controller::new(self.address, PATH_PREFIX, &account.token)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
