//! The address of a collector, parsed from the environment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;

use crate::error::TelemetryError;

/// The port on which a collector listens for OTLP/HTTP (OTLP specification, "OTLP/HTTP Default
/// Port").
const DEFAULT_PORT: u16 = 4318;

/// The address to which one signal is sent: plain HTTP, and a host that needs no name lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    uri: Uri,
    addresses: Vec<SocketAddr>,
}

impl Endpoint {
    /// The default address, for an environment that names no collector.
    pub(crate) fn default_for(path: &'static str) -> Result<Self, TelemetryError> {
        Self::parse(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &format!("http://localhost:{DEFAULT_PORT}{path}"),
        )
    }

    /// Parses a base address and adds the signal's path to it.
    pub(crate) fn with_base(
        variable: &'static str,
        base: &str,
        path: &'static str,
    ) -> Result<Self, TelemetryError> {
        Self::parse(variable, &format!("{}{path}", base.trim_end_matches('/')))
    }

    /// Parses the whole address of a signal.
    pub(crate) fn parse(variable: &'static str, text: &str) -> Result<Self, TelemetryError> {
        let uri: Uri = text.parse().map_err(|_| TelemetryError::EndpointInvalid { variable })?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(TelemetryError::EndpointNeedsTls { variable }),
            _ => return Err(TelemetryError::EndpointInvalid { variable }),
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(TelemetryError::EndpointHoldsCredentials { variable });
        }
        // Without a port, the address means the default port of HTTP.
        let port = uri.port_u16().unwrap_or(80);
        let hosts = match uri.host() {
            None | Some("") => return Err(TelemetryError::EndpointInvalid { variable }),
            // `localhost` is never looked up (RFC 6761 section 6.3), and a static program has no
            // resolver.
            Some(name) if name.eq_ignore_ascii_case("localhost") => {
                vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
            }
            Some(host) => {
                let address = host.trim_start_matches('[').trim_end_matches(']').parse();
                vec![address.map_err(|_| TelemetryError::EndpointNeedsLookUp { variable })?]
            }
        };
        let addresses = hosts.into_iter().map(|host| SocketAddr::new(host, port)).collect();
        Ok(Self { uri, addresses })
    }

    /// The address in the form that the exporter takes.
    pub(crate) fn url(&self) -> String {
        self.uri.to_string()
    }

    /// The addresses to connect to, in the order in which to try them.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(endpoint: &str) -> &'static str {
        Endpoint::parse("VARIABLE", endpoint).unwrap_err().code()
    }

    #[test]
    fn only_plain_http_to_an_ip_address_is_accepted() {
        assert_eq!(code("https://127.0.0.1:4318/v1/traces"), "endpoint_needs_tls");
        assert_eq!(code("http://collector.example:4318"), "endpoint_needs_look_up");
        assert_eq!(code("http://user:secret@127.0.0.1:4318"), "endpoint_holds_credentials");
        for invalid in
            ["localhost:4318", "127.0.0.1", "unix:/run/otel", "http://", "http://:1", "\0"]
        {
            assert_eq!(code(invalid), "endpoint_invalid", "{invalid}");
        }
    }

    #[test]
    fn localhost_means_both_loopback_addresses() {
        let endpoint = Endpoint::default_for("/v1/traces").unwrap();
        assert_eq!(endpoint.url(), "http://localhost:4318/v1/traces");
        assert_eq!(
            endpoint.addresses(),
            ["127.0.0.1:4318", "[::1]:4318"].map(|a| a.parse().unwrap())
        );
    }

    #[test]
    fn a_path_is_added_only_to_a_base_address() {
        let url = |base| Endpoint::with_base("VARIABLE", base, "/v1/metrics").unwrap().url();
        assert_eq!(url("http://[::1]:9"), "http://[::1]:9/v1/metrics");
        assert_eq!(url("http://127.0.0.1:9/otel/"), "http://127.0.0.1:9/otel/v1/metrics");
        let whole = Endpoint::parse("VARIABLE", "http://127.0.0.1/x?y=z").unwrap();
        assert_eq!(whole.url(), "http://127.0.0.1/x?y=z");
        assert_eq!(whole.addresses(), ["127.0.0.1:80".parse().unwrap()]);
    }
}
