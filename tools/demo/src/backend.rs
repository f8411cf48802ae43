//! The relying party as a process of its own.

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

/// Where the built-in policy of devices allows a backend on loopback to have its endpoints.
pub const PATH_PREFIX: &str = "/wham";

/// A relying party as a process of its own.
pub struct Backend {
    child: Child,
    address: SocketAddr,
}

/// What a relying party is started with.
pub struct Settings<'a> {
    /// `--sqlite PATH` or `--postgres STRING`.
    pub registry: [&'a str; 2],
    /// Certificates in PEM of a simulator's authority: its root, and what leads to it.
    pub simulated_root: &'a Path,
    /// An issuer between that root and the endorsement certificates.
    pub intermediate: &'a Path,
    /// More arguments.
    pub more: &'a [&'a str],
}

/// An account and the token with which its controller asks.
pub struct Account {
    /// The account's id.
    pub id: String,
    /// Its access token.
    pub token: String,
}

impl Account {
    /// An account with a random token.
    pub fn new(id: &str) -> Result<Self> {
        let mut token = [0; 32];
        getrandom::fill(&mut token).context("random bytes")?;
        Ok(Self { id: id.to_owned(), token: Base64UrlUnpadded::encode_string(&token) })
    }
}

/// Writes the file that tells the relying party which token is whose.
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
    /// Spawns one on a free port of 127.0.0.1 and waits until it says that it is ready.
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
            anyhow::bail!("the relying party did not become ready, but said {line:?}");
        };
        Ok(Self { child, address })
    }

    /// Somebody who asks it with this token.
    pub fn controller(&self, account: &Account) -> Controller {
        Controller::new(self.address, PATH_PREFIX, &account.token)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
