//! Compares origins with the `url` crate: a text is an origin if and only if the crate's parser
//! finds nothing but an origin in it, spelt as the crate would spell it.
#![no_main]

use device_key_types::Origin;
use libfuzzer_sys::fuzz_target;
use url::{Host, Position, Url};

fuzz_target!(|text: &str| {
    let ours = text.parse::<Origin>().ok();
    let url = text.parse::<Url>().ok().filter(|url| {
        let has_only_origin = url.username().is_empty()
            && url.password().is_none()
            && url[Position::BeforePath..].trim_start_matches('/').is_empty();
        has_only_origin && text.len() <= 512 && url.origin().ascii_serialization() == text
    });
    assert_eq!(ours.is_some(), url.is_some(), "{text:?}");
    let (Some(ours), Some(url)) = (ours, url) else { return };
    assert_eq!(ours.as_str(), text);
    assert_eq!((ours.scheme(), ours.port()), (url.scheme(), url.port()));
    match (ours.host(), url.host()) {
        (device_key_types::Host::Domain(ours), Some(Host::Domain(url))) => assert_eq!(&**ours, url),
        (device_key_types::Host::Ipv4(ours), Some(Host::Ipv4(url))) => assert_eq!(*ours, url),
        (device_key_types::Host::Ipv6(ours), Some(Host::Ipv6(url))) => assert_eq!(*ours, url),
        (ours, url) => panic!("{ours:?} and {url:?}"),
    }
    // A path does not lead to another origin.
    let with_path: Url = format!("{text}/path?query").parse().unwrap();
    assert_eq!(with_path.origin(), url.origin());
});
