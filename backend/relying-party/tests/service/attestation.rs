//! Tests with keys of the real provider in a simulated TPM (`swtpm`). Another program issued the
//! certificates of this TPM.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use device_key::{DeviceKey, DeviceKeyStore, LocalPeer};
use device_key_private_fs::PrivateDir;
use device_key_provider_tpm::{TpmProvider, TpmSettings};
use device_key_relying_party::Requirement::{Optional, Required};
use device_key_relying_party::{AttestationPolicy, DeviceKind, Requirement};
use device_key_testing::{Assembly, FixedClock, Swtpm, samples};
use device_key_types::attestation::{
    Activation, Challenge, Credential, Draft, EndorsementKeyKind, Identity,
};
use device_key_types::payload::{Enrollment, Target, device_identity_digest};
use device_key_types::{Binding, Clock as _, ProtectionClass, ProtectionPolicy, SignPayload};
use device_key_verifier::attestation::{RootKind, TrustRoots};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Client, refusal};
use crate::server::{Server, limits};
use crate::store::{Store, on_both_stores};

const ACCOUNT: &str = "account-a";

on_both_stores! {
    each_kind_of_endorsement_key_vouches_for_a_device
    one_process_can_finish_an_attestation_that_another_began
}

/// A machine with a TPM, and a client on the machine.
struct Machine {
    store: DeviceKeyStore,
    clock: Arc<FixedClock>,
    swtpm: Swtpm,
    _keys: TempDir,
}

const PEER: LocalPeer = samples::peer(1000);

impl Machine {
    fn new() -> Self {
        let swtpm = Swtpm::start_with_endorsement();
        swtpm.certify_p256_endorsement_key();
        let keys = tempfile::tempdir().unwrap();
        let settings = TpmSettings {
            allow_simulated: true,
            deadline: Duration::from_secs(30),
            ..TpmSettings::at(swtpm.address().parse().unwrap())
        };
        let folder = PrivateDir::open_or_create(&keys.path().join("keys")).unwrap();
        let assembly = Assembly::new().provider(TpmProvider::new(settings, folder));
        let clock = assembly.clock.clone();
        Self { store: assembly.store(), clock, swtpm, _keys: keys }
    }

    async fn create(&self) -> DeviceKey {
        let binding = Binding {
            account_user_id: ACCOUNT.parse().unwrap(),
            client_id: "client-1".parse().unwrap(),
        };
        self.store.create(&PEER, binding, ProtectionPolicy::HardwareOnly).await.unwrap()
    }

    /// Returns a policy that trusts the simulator's authority to vouch for this kind.
    fn policy(&self, requirement: Requirement, kind: RootKind) -> AttestationPolicy {
        let pem = |path| CertificateDer::from_pem_slice(&fs::read(path).unwrap()).unwrap();
        let root = pem(self.swtpm.root_certificate());
        let issuer = pem(self.swtpm.issuer_certificate());
        let roots = TrustRoots::new([(root.as_ref(), kind)]).unwrap();
        let roots = roots.with_intermediates([issuer.as_ref()]).unwrap();
        let accepted: &[_] = match (kind, requirement) {
            (RootKind::Simulated, Required) => &[DeviceKind::SimulatedTpm],
            (RootKind::Simulated, Optional) => &[DeviceKind::SimulatedTpm, DeviceKind::Unattested],
            (RootKind::Virtual, _) => &[DeviceKind::VirtualTpm],
            (RootKind::Hardware, _) => &[DeviceKind::HardwareTpm],
        };
        AttestationPolicy::new(requirement, roots, &[kind], Some(accepted)).unwrap()
    }

    async fn server(&self, store: &Store, policy: AttestationPolicy) -> Server {
        let server = Server::with(store, policy, limits()).await;
        self.clock.set(server.clock.now());
        server
    }

    fn challenge(&self, asked: &Value) -> Challenge {
        let policy = samples::policy();
        let draft = Draft::from_json(&asked["attestation"].to_string()).unwrap();
        draft.parse(&policy.at(self.clock.now())).unwrap()
    }

    async fn identity(&self, key: &DeviceKey, asked: &Value, kind: EndorsementKeyKind) -> Identity {
        let challenge = self.challenge(asked);
        self.store.attestation_identity(&PEER, &key.key_id, challenge, Some(kind)).await.unwrap()
    }

    async fn activate(
        &self,
        key: &DeviceKey,
        asked: &Value,
        credential: &Value,
        kind: EndorsementKeyKind,
    ) -> Activation {
        let credential: Credential = serde_json::from_value(credential.clone()).unwrap();
        let challenge = self.challenge(asked);
        let activating =
            self.store.activate_attestation(&PEER, &key.key_id, challenge, credential, Some(kind));
        activating.await.unwrap()
    }

    /// Runs both halves, up to the message that finishes the attestation.
    async fn attested(&self, client: Client, key: &DeviceKey) -> (Value, Activation) {
        let kind = EndorsementKeyKind::EccP256;
        let asked = ask(client).await;
        let identity = self.identity(key, &asked, kind).await;
        let (status, credential) = begin(client, key, &asked, &identity).await;
        assert_eq!(status, 200, "{credential}");
        let activation = self.activate(key, &asked, &credential, kind).await;
        (asked, activation)
    }

    /// The enrollment answer, with the signature of the key.
    async fn answer(
        &self,
        key: &DeviceKey,
        asked: &Value,
        activation: Option<&Activation>,
    ) -> Value {
        let challenge = self.challenge(asked);
        let identity = device_identity_digest(&key.key_id, key.protection_class, &key.public_key);
        let path = asked["targetPath"].as_str().unwrap();
        let statement = SignPayload::Enrollment(Enrollment {
            nonce: challenge.nonce,
            challenge_id: challenge.challenge_id,
            target: Target { path: path.parse().unwrap(), ..challenge.target },
            account_user_id: challenge.account_user_id,
            client_id: challenge.client_id,
            device_identity_sha256: identity.unwrap(),
            challenge_expires_at: challenge.challenge_expires_at,
        });
        let signed = self.store.sign(&PEER, &key.key_id, statement).await.unwrap();
        let mut answer = about(key, asked);
        answer["algorithm"] = "ecdsa_p256_sha256".into();
        answer["signedPayloadBase64"] = Base64::encode_string(&signed.signed_bytes).into();
        answer["signatureDerBase64"] = Base64::encode_string(&signed.signature.to_der()).into();
        if let Some(activation) = activation {
            answer["activation"] = json!(activation);
        }
        answer
    }
}

fn about(key: &DeviceKey, asked: &Value) -> Value {
    json!({
        "challengeId": asked["challengeId"],
        "keyId": key.key_id.to_string(),
        "publicKeySpkiDerBase64": Base64::encode_string(key.public_key.spki_der()),
        "protectionClass": key.protection_class,
    })
}

async fn ask(client: Client) -> Value {
    let body = json!({"clientId": "client-1"});
    let (status, asked) = client.post(ACCOUNT, "/enroll/challenge", &body).await;
    assert_eq!(status, 200, "{asked}");
    asked
}

async fn begin(client: Client, key: &DeviceKey, asked: &Value, identity: &Identity) -> Answer {
    let mut body = about(key, asked);
    body["identity"] = json!(identity);
    client.post(ACCOUNT, "/enroll/attestation", &body).await
}

async fn enroll(client: Client, answer: &Value) -> Answer {
    client.post(ACCOUNT, "/enroll", answer).await
}

async fn each_kind_of_endorsement_key_vouches_for_a_device(store: Store) {
    let machine = Machine::new();
    let policy = machine.policy(Required, RootKind::Simulated);
    let server = machine.server(&store, policy).await;
    let client = server.client();
    for kind in EndorsementKeyKind::ALL {
        let key = machine.create().await;
        let asked = ask(client).await;
        let identity = machine.identity(&key, &asked, kind).await;
        let (status, credential) = begin(client, &key, &asked, &identity).await;
        assert_eq!(status, 200, "{kind}: {credential}");
        let activation = machine.activate(&key, &asked, &credential, kind).await;
        let answer = machine.answer(&key, &asked, Some(&activation)).await;
        let (status, device) = enroll(client, &answer).await;
        assert_eq!((status, &device["verifiedKind"]), (201, &json!("simulated_tpm")), "{kind}");
        // The answer can be used only once.
        assert_eq!(refusal(&enroll(client, &answer).await), (404, "challenge_unknown"));
    }
    let (_, listed) = client.get(ACCOUNT, "/devices").await;
    assert_eq!(listed["devices"].as_array().unwrap().len(), 3);
}

async fn one_process_can_finish_an_attestation_that_another_began(store: Store) {
    let machine = Machine::new();
    let policy = machine.policy(Required, RootKind::Virtual);
    let first = machine.server(&store, policy.clone()).await;
    let key = machine.create().await;
    let (asked, activation) = machine.attested(first.client(), &key).await;
    first.stopped().await;
    let second = machine.server(&store, policy).await;
    let answer = machine.answer(&key, &asked, Some(&activation)).await;
    let (status, device) = enroll(second.client(), &answer).await;
    assert_eq!((status, &device["verifiedKind"]), (201, &json!("virtual_tpm")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_must_be_attested_if_the_policy_requires_it() {
    let machine = Machine::new();
    let policy = machine.policy(Required, RootKind::Simulated);
    let server = machine.server(&Store::sqlite(), policy).await;
    let client = server.client();
    let key = machine.create().await;
    let asked = ask(client).await;
    let refused = enroll(client, &machine.answer(&key, &asked, None).await).await;
    assert_eq!(refusal(&refused), (403, "attestation_required"));
}

/// A client that never begins an attestation may go without. A client that begins must finish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attestation_that_was_begun_must_be_finished_and_valid() {
    let machine = Machine::new();
    let policy = machine.policy(Optional, RootKind::Simulated);
    let server = machine.server(&Store::sqlite(), policy).await;
    let client = server.client();
    let key = machine.create().await;

    let (asked, _) = machine.attested(client, &key).await;
    let refused = enroll(client, &machine.answer(&key, &asked, None).await).await;
    assert_eq!(refusal(&refused), (403, "attestation_unfinished"));

    // The second half belongs to another challenge.
    let (_, other) = machine.attested(client, &key).await;
    let (asked, good) = machine.attested(client, &key).await;
    let refused = enroll(client, &machine.answer(&key, &asked, Some(&other)).await).await;
    assert_eq!(refusal(&refused), (403, "secret_mismatch"));
    let again = enroll(client, &machine.answer(&key, &asked, Some(&good)).await).await;
    assert_eq!(refusal(&again), (404, "challenge_unknown"));

    // The secret is right; the certification belongs to another challenge.
    let (asked, good) = machine.attested(client, &key).await;
    let mixed = Activation { secret: good.secret, ..other.clone() };
    let refused = enroll(client, &machine.answer(&key, &asked, Some(&mixed)).await).await;
    assert_eq!(refusal(&refused), (403, "certification_extra_data_mismatch"));

    // There is a second half without a first half.
    let asked = ask(client).await;
    let refused = enroll(client, &machine.answer(&key, &asked, Some(&other)).await).await;
    assert_eq!(refusal(&refused), (403, "attestation_not_begun"));

    let asked = ask(client).await;
    let (status, device) = enroll(client, &machine.answer(&key, &asked, None).await).await;
    assert_eq!((status, &device["verifiedKind"]), (201, &json!("unattested")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attestation_is_valid_for_one_key_and_one_challenge() {
    let machine = Machine::new();
    let policy = machine.policy(Required, RootKind::Simulated);
    let server = machine.server(&Store::sqlite(), policy).await;
    let client = server.client();
    let [key, other] = [machine.create().await, machine.create().await];
    let kind = EndorsementKeyKind::EccP256;

    let (asked, activation) = machine.attested(client, &key).await;
    let refused = enroll(client, &machine.answer(&other, &asked, Some(&activation)).await).await;
    assert_eq!(refusal(&refused), (403, "attestation_of_another_key"));

    // The identity of one key is sent for another key, then for another challenge.
    let asked = ask(client).await;
    let identity = machine.identity(&key, &asked, kind).await;
    let refused = begin(client, &other, &asked, &identity).await;
    assert_eq!(refusal(&refused), (403, "creation_extra_data_mismatch"));
    let elsewhere = ask(client).await;
    let refused = begin(client, &key, &elsewhere, &identity).await;
    assert_eq!(refusal(&refused), (403, "creation_extra_data_mismatch"));
    let degraded =
        DeviceKey { protection_class: ProtectionClass::OsProtectedNonextractable, ..key.clone() };
    let refused = begin(client, &degraded, &asked, &identity).await;
    assert_eq!(refusal(&refused), (403, "wrong_protection_class"));

    // A refused identity leaves the challenge as it was. An accepted identity is accepted once.
    assert_eq!(begin(client, &key, &asked, &identity).await.0, 200);
    assert_eq!(refusal(&begin(client, &key, &asked, &identity).await), (409, "attestation_begun"));

    let mut body = about(&key, &elsewhere);
    body["identity"] = json!(machine.identity(&key, &elsewhere, kind).await);
    let refused = client.post("account-b", "/enroll/attestation", &body).await;
    assert_eq!(refusal(&refused), (404, "challenge_unknown"));
    server.clock.advance(120);
    let refused = client.post(ACCOUNT, "/enroll/attestation", &body).await;
    assert_eq!(refusal(&refused), (404, "challenge_unknown"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tpm_is_trusted_without_a_path_to_a_root() {
    let machine = Machine::new();
    let store = Store::sqlite();
    let key = machine.create().await;
    let kind = EndorsementKeyKind::EccP256;
    // The root is trusted, but the intermediate certificate to this TPM is missing.
    let root = fs::read(machine.swtpm.root_certificate()).unwrap();
    let root = CertificateDer::from_pem_slice(&root).unwrap();
    let roots = TrustRoots::new([(root.as_ref(), RootKind::Hardware)]).unwrap();
    let policy = AttestationPolicy::new(Required, roots, &[RootKind::Hardware], None).unwrap();
    let server = machine.server(&store, policy).await;
    let asked = ask(server.client()).await;
    let identity = machine.identity(&key, &asked, kind).await;
    let refused = begin(server.client(), &key, &asked, &identity).await;
    assert_eq!(refusal(&refused), (403, "certificate_issuer_unknown"));
    let bare = Identity { endorsement_key_certificates: Vec::new(), ..identity };
    let refused = begin(server.client(), &key, &asked, &bare).await;
    assert_eq!(refusal(&refused), (403, "no_certificate"));

    let asks_nobody = AttestationPolicy::without_attestation();
    let server = machine.server(&store, asks_nobody).await;
    let refused = begin(server.client(), &key, &asked, &bare).await;
    assert_eq!(refusal(&refused), (403, "attestation_not_asked"));
    assert_eq!(ask(server.client()).await.get("attestation"), None);
}
