//! Fuzzes the params of every method. What is accepted is written and read again, and must be the
//! same.
#![no_main]

use device_key_protocol::attestation::{ActivateParams, IdentityParams};
use device_key_protocol::key::{CreateParams, PublicParams, SignParams};
use device_key_protocol::lifecycle::{DeleteParams, ListParams};
use device_key_protocol::{Message, Params};
use device_key_types::payload::SyntaxOnly;
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

fn read<T: DeserializeOwned + Serialize>(params: &Params) -> Option<[T; 2]> {
    let first: T = params.read().ok()?;
    let again = serde_json::to_string(&first).unwrap();
    Some([first, serde_json::from_str(&again).unwrap()])
}

fuzz_target!(|bytes: &[u8]| {
    let line = [br#"{"id":1,"method":"m","params":"#, bytes, b"}"].concat();
    let Ok(Message::Request(request)) = Message::parse(&line) else { return };
    let params = &request.params;
    if let Some(both) = read::<CreateParams>(params) {
        let [first, again] = both.map(|params| params.parse().ok());
        assert_eq!(first, again);
    }
    if let Some(both) = read::<PublicParams>(params) {
        let [first, again] = both.map(|params| params.parse().ok());
        assert_eq!(first, again);
    }
    if let Some(both) = read::<DeleteParams>(params) {
        let [first, again] = both.map(|params| params.parse().ok());
        assert_eq!(first, again);
    }
    if let Some(both) = read::<ListParams>(params) {
        let [first, again] = both.map(|params| params.parse().is_ok());
        assert_eq!(first, again);
    }
    if let Some(both) = read::<SignParams>(params) {
        let [first, again] = both.map(|params| params.parse(&SyntaxOnly).ok());
        let signed = |parsed: Option<(_, device_key_types::SignPayload)>| {
            parsed.map(|(key_id, payload)| (key_id, payload.signed_bytes().unwrap()))
        };
        assert_eq!(signed(first), signed(again));
    }
    if let Some(both) = read::<IdentityParams>(params) {
        let [first, again] = both.map(|params| params.parse(&SyntaxOnly).is_ok());
        assert_eq!(first, again);
    }
    if let Some(both) = read::<ActivateParams>(params) {
        let [first, again] = both.map(|params| params.parse(&SyntaxOnly).is_ok());
        assert_eq!(first, again);
    }
});
