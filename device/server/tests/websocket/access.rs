//! Tokens and origins: which clients may open a WebSocket.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use device_key_server::{WebSocketError, WebSocketListening, WebSocketSettings};

use crate::client::{Listener, TOKEN, health, server, token};

fn with_token() -> WebSocketSettings {
    WebSocketSettings { token: Some(token()), ..WebSocketSettings::default() }
}

fn refusal(address: impl Into<SocketAddr>) -> WebSocketError {
    WebSocketListening::bind(address.into(), WebSocketSettings::default()).err().unwrap()
}

#[tokio::test]
async fn a_token_once_configured_is_required() {
    let listener = Listener::start(with_token());
    let (prefix, _) = TOKEN.split_at(TOKEN.len() - 1);
    let shown = [
        String::new(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: {TOKEN}\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {prefix}\r\n"),
        format!("Authorization: Bearer {prefix}x\r\n"),
        format!("Authorization: Bearer {TOKEN}0\r\n"),
        format!("Authorization: Bearer  {TOKEN}\r\n"),
        format!("Authorization: Bearer {}\r\n", TOKEN.to_ascii_uppercase()),
        format!("Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n"),
        format!("Cookie: token={TOKEN}\r\n"),
    ];
    for headers in shown {
        let refused = listener.open_with(&headers).await.err().expect(&headers);
        assert_eq!(refused.status, 401, "{headers}");
        assert!(refused.text.contains("www-authenticate: bearer\r\n"), "{}", refused.text);
    }
    for scheme in ["Bearer", "bearer"] {
        let headers = format!("Authorization: {scheme} {TOKEN}\r\n");
        let mut client = listener.open_with(&headers).await.ok().expect(scheme);
        assert_eq!(client.exchange("{\"id\":1,\"method\":\"x\"}").await["id"], 1);
    }
}

#[tokio::test]
async fn probes_need_no_token() {
    let listener = Listener::start(with_token());
    assert_eq!(listener.get("/healthz").await, 200);
    assert_eq!(listener.get("/readyz").await, 200);
}

#[tokio::test]
async fn without_a_token_only_loopback_is_listened_on() {
    let mapped = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
    for address in [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        (Ipv6Addr::UNSPECIFIED, 0).into(),
        (mapped, 0).into(),
        // This address could not be bound either, but the rule is checked first.
        (Ipv4Addr::new(192, 0, 2, 1), 0).into(),
    ] {
        assert_eq!(refusal(address).reason(), "token_required", "{address}");
    }
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 9, 9, 9)] {
        let address = SocketAddr::from((address, 0));
        WebSocketListening::bind(address, WebSocketSettings::default()).unwrap();
    }
}

#[tokio::test]
async fn the_token_opens_a_websocket_off_loopback() {
    let address = (Ipv4Addr::UNSPECIFIED, 0).into();
    let listener = Listener::on(address, server(health()), with_token());
    assert_eq!(listener.open_with("").await.err().unwrap().status, 401);
    listener.open_with(&format!("Authorization: Bearer {TOKEN}\r\n")).await.ok().unwrap();
}

#[tokio::test]
async fn web_pages_are_refused_unless_their_origin_is_allowed() {
    let origins = vec!["https://allowed.example".parse().unwrap()];
    let listener = Listener::start(WebSocketSettings { origins, ..WebSocketSettings::default() });
    let allowed = "Origin: https://allowed.example\r\n";
    for headers in [
        "Origin: null\r\n",
        "Origin: \r\n",
        "Origin: https://other.example\r\n",
        "Origin: http://allowed.example\r\n",
        "Origin: https://allowed.example:443\r\n",
        "Origin: https://ALLOWED.example\r\n",
        "Origin: https://allowed.example.evil.example\r\n",
        "Origin: https://allowed.example\r\nOrigin: https://other.example\r\n",
    ] {
        assert_eq!(listener.open_with(headers).await.err().expect(headers).status, 403);
        let probe = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        assert_eq!(listener.http(&probe).await.status, 403, "{headers}");
    }
    listener.open_with(allowed).await.ok().unwrap();
    listener.open().await;

    let closed = Listener::start(WebSocketSettings::default());
    assert_eq!(closed.open_with(allowed).await.err().unwrap().status, 403);
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_an_error_with_its_reason() {
    let listener = Listener::start(WebSocketSettings::default());
    let in_use = refusal(listener.address);
    assert!(
        matches!(in_use, WebSocketError::AddressInUse { address } if address == listener.address)
    );
    let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
    let refused = WebSocketListening::bind(elsewhere, with_token()).err().unwrap();
    assert_eq!(refused.reason(), "address_unavailable");
}
