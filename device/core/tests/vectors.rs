//! The shared test vectors, from text to signature.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use base64ct::{Base64, Encoding as _};
use device_key::{DeviceKeyError, RemoteControlPolicy, SignedStatement};
use device_key_testing::vectors::{self, Expectation, PayloadVector};
use device_key_testing::{Assembly, MemoryProvider, samples};
use device_key_types::payload::{Draft, MalformedDraft, Statement, StatementPolicy as _};
use device_key_types::{
    Binding, Origin, ProtectionPolicy, PublicKey, Reason, Sha256Digest, UnixTime,
};

enum Refusal {
    Malformed,
    Refused(DeviceKeyError),
}

impl Refusal {
    fn reason(&self) -> Reason {
        match self {
            Self::Malformed => Reason::InvalidParams,
            Self::Refused(error) => error.reason(),
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Malformed => None,
            Self::Refused(error) => error.field().map(device_key_types::Field::as_str),
        }
    }
}

async fn run(vector: &PayloadVector) -> Result<(PublicKey, SignedStatement), Refusal> {
    let now = UnixTime::from_seconds(vector.now);
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    assembly.clock.set(now);
    let store = assembly.store();
    let peer = samples::peer(1000);
    let binding = Binding {
        account_user_id: vector.binding.account_user_id.parse().unwrap(),
        client_id: vector.binding.client_id.parse().unwrap(),
    };
    let key = store.create(&peer, binding, ProtectionPolicy::HardwareOnly).await.unwrap();
    let draft = Draft::from_json(&vector.payload.to_string())
        .map_err(|_: MalformedDraft| Refusal::Malformed)?;
    let payload = draft
        .parse(&store.policy().at(store.clock().now()))
        .map_err(|error| Refusal::Refused(error.into()))?;
    let signed = store.sign(&peer, &key.key_id, payload).await.map_err(Refusal::Refused)?;
    Ok((key.public_key, signed))
}

#[tokio::test]
async fn payloads() {
    for vector in vectors::payloads() {
        let comment = &vector.comment;
        match (run(&vector).await, &vector.expect) {
            (Ok((public_key, signed)), Expectation::Signed(expected)) => {
                let bytes = &*signed.signed_bytes;
                assert_eq!(std::str::from_utf8(bytes).unwrap(), expected.signed_utf8, "{comment}");
                assert_eq!(Base64::encode_string(bytes), expected.signed_base64, "{comment}");
                assert_eq!(hex(&Sha256Digest::of(bytes)), expected.sha256_hex, "{comment}");
                public_key.verify(bytes, &signed.signature).expect(comment);
            }
            (Err(refusal), Expectation::Refused(expected)) => {
                assert_eq!(refusal.reason().as_str(), expected.error, "{comment}");
                assert_eq!(refusal.field(), expected.field.as_deref(), "{comment}");
            }
            (Ok(_), Expectation::Refused(_)) => panic!("{comment}: signed, should be refused"),
            (Err(refusal), Expectation::Signed(_)) => {
                panic!("{comment}: refused as {}, should be signed", refusal.reason())
            }
        }
    }
}

#[test]
fn origins() {
    let policy = RemoteControlPolicy::default();
    for vector in vectors::origins() {
        let admitted = vector
            .origin
            .parse::<Origin>()
            .and_then(|origin| policy.at(samples::NOW).origin(Statement::Connection, &origin));
        assert_eq!(admitted.is_ok(), vector.allowed, "{}", vector.origin);
        let reason = admitted.err().map(Reason::as_str);
        assert_eq!(reason, vector.reason.as_deref(), "{}", vector.origin);
    }
}

fn hex(digest: &Sha256Digest) -> String {
    digest.as_bytes().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
