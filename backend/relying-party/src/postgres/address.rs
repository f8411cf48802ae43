//! The address of a local `PostgreSQL` server.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The address of a `PostgreSQL` server and the user to connect as: a connection string or URI of
/// libpq. Every host in it must be the folder of a Unix socket, a loopback address or `localhost`.
/// `Debug` hides the address, because it may contain a password.
#[derive(Clone)]
pub struct LocalConfig(Config);

/// Why a text is not a [`LocalConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotLocal {
    /// The text is not a connection string.
    #[error("not a PostgreSQL connection string such as host=/run/postgresql dbname=devices")]
    Malformed,
    /// The connection string names no host.
    #[error("the connection string names no host; host=/run/postgresql is Debian's socket")]
    NoHost,
    /// A host is not on this machine, and connections are not encrypted.
    #[error(
        "the server must be a Unix socket or a loopback address: connections are not encrypted"
    )]
    Elsewhere,
}

impl FromStr for LocalConfig {
    type Err = NotLocal;

    fn from_str(text: &str) -> Result<Self, NotLocal> {
        // The parser's error is dropped, because it quotes the text.
        let mut config: Config = text.parse().map_err(|_| NotLocal::Malformed)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(NotLocal::NoHost);
        }
        let is_local = config.get_hosts().iter().all(is_local)
            && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        if !is_local {
            return Err(NotLocal::Elsewhere);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("device-key-relying-party");
        }
        Ok(Self(config))
    }
}

impl From<LocalConfig> for Config {
    fn from(config: LocalConfig) -> Self {
        config.0
    }
}

impl fmt::Debug for LocalConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalConfig(..)")
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_must_be_on_this_machine() {
        for text in [
            "host=/run/postgresql dbname=devices",
            "host=localhost,127.0.0.1 user=a password=b",
            "host=localhost hostaddr=::1",
            "postgresql://a:b@localhost:5433/devices",
            "postgresql://a@%2Frun%2Fpostgresql/devices",
        ] {
            assert!(text.parse::<LocalConfig>().is_ok(), "{text}");
        }
        for (text, expected) in [
            ("host=db.example", NotLocal::Elsewhere),
            ("host=localhost,10.0.0.1", NotLocal::Elsewhere),
            ("host=localhost hostaddr=10.0.0.1", NotLocal::Elsewhere),
            ("host=localhost.evil.example", NotLocal::Elsewhere),
            ("postgresql://a:b@0.0.0.0/devices", NotLocal::Elsewhere),
            ("dbname=devices", NotLocal::NoHost),
            ("devices", NotLocal::Malformed),
        ] {
            assert_eq!(text.parse::<LocalConfig>().unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let config: LocalConfig = "host=localhost password=hunter2".parse().unwrap();
        assert_eq!(format!("{config:?}"), "LocalConfig(..)");
    }
}
