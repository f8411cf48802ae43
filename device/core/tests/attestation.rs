//! A device shows its identity and attests a key only for a challenge that the key may answer.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::sync::Arc;

use device_key::{
    AuthorizeError, DeviceKey, DeviceKeyError, DeviceKeyStore, LocalPeer, ProviderErrorKind,
    authorize_attestation,
};
use device_key_testing::BindingOperation::Get;
use device_key_testing::ProviderOperation::{Activate, Identify};
use device_key_testing::{
    Assembly, Event, Faults, Gate, HookedProvider, IntoProviderError as _, MemoryProvider,
    Recorder, SequenceRandom, credential_for, samples,
};
use device_key_types::attestation::{ActivatedSecret, Challenge, Claim, EndorsementKeyKind};
use device_key_types::{DeviceKeyId, Field, ProtectionPolicy, Reason};

const PEER: LocalPeer = samples::peer(1000);
const SECRET: &[u8] = b"the backend's secret";

struct Scene {
    store: DeviceKeyStore,
    recorder: Arc<Recorder>,
    key: DeviceKey,
}

async fn scene(assembly: Assembly) -> Scene {
    let recorder = assembly.recorder.clone();
    let store = assembly.store();
    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    let key = store.create(&PEER, samples::binding(), policy).await.unwrap();
    recorder.take();
    Scene { store, recorder, key }
}

fn attesting() -> Assembly {
    Assembly::new().provider(MemoryProvider::hardware().attesting())
}

impl Scene {
    fn claim(&self) -> Claim {
        let DeviceKey { key_id, public_key, protection_class, .. } = self.key.clone();
        Claim { challenge: samples::attestation_challenge(), key_id, public_key, protection_class }
    }

    /// Asks both methods, whose answers must be alike.
    async fn both(
        &self,
        key_id: &DeviceKeyId,
        challenge: &Challenge,
    ) -> Result<(), DeviceKeyError> {
        let credential = credential_for(key_id, SECRET);
        let identity =
            self.store.attestation_identity(&PEER, key_id, challenge.clone(), None).await.map(drop);
        let activation = self
            .store
            .activate_attestation(&PEER, key_id, challenge.clone(), credential, None)
            .await
            .map(drop);
        let told = |outcome: &Result<(), DeviceKeyError>| {
            outcome.as_ref().err().map(|error| (error.reason(), error.field()))
        };
        assert_eq!(told(&identity), told(&activation));
        identity
    }
}

#[tokio::test]
async fn the_digests_cover_the_challenge_the_key_and_the_secret() {
    let scene = scene(attesting()).await;
    let (claim, key_id) = (scene.claim(), scene.key.key_id);
    let kind = Some(EndorsementKeyKind::EccP384);
    let challenge = samples::attestation_challenge;
    let identity =
        scene.store.attestation_identity(&PEER, &key_id, challenge(), kind).await.unwrap();
    let digest = claim.identity_digest().unwrap();
    assert_eq!(identity.attestation_key_creation_attest.as_bytes(), digest.as_bytes());
    assert_eq!(Some(identity.endorsement_key), kind);

    let credential = credential_for(&key_id, SECRET);
    let activation =
        scene.store.activate_attestation(&PEER, &key_id, challenge(), credential, kind).await;
    let activation = activation.unwrap();
    let secret = ActivatedSecret::from_bytes(SECRET).unwrap();
    let digest = claim.certification_digest(&secret.sha256()).unwrap();
    assert_eq!(activation.secret, secret);
    assert_eq!(activation.attest.as_bytes(), digest.as_bytes());
}

#[tokio::test]
async fn the_binding_is_read_before_the_device_is_asked_and_again_before_the_answer() {
    let scene = scene(attesting()).await;
    scene.both(&scene.key.key_id, &samples::attestation_challenge()).await.unwrap();
    let looked_up = Event::Bindings(Get);
    let expected = [
        [looked_up, looked_up, Event::Provider(Identify), looked_up],
        [looked_up, looked_up, Event::Provider(Activate), looked_up],
    ];
    assert_eq!(scene.recorder.take(), expected.concat());
}

#[tokio::test]
async fn a_refused_challenge_reaches_no_store_and_no_device() {
    let scene = scene(attesting()).await;
    let to = |origin, path| Challenge {
        target: samples::target(origin, path),
        ..samples::attestation_challenge()
    };
    let expiring_in = |seconds| Challenge {
        challenge_expires_at: samples::NOW.saturating_add(seconds),
        ..samples::attestation_challenge()
    };
    let path = "/wham/remote/control/client/enroll/attestation";
    for (challenge, field, reason) in [
        (to("https://evil.com", path), Field::TargetOrigin, Reason::OriginNotAllowed),
        (
            to("https://chatgpt.com", "/wham/remote/control/client/enroll"),
            Field::TargetPath,
            Reason::PathNotAllowed,
        ),
        (expiring_in(0), Field::ChallengeExpiresAt, Reason::Expired),
        (expiring_in(901), Field::ChallengeExpiresAt, Reason::ExpiresTooLate),
    ] {
        let error = scene.both(&scene.key.key_id, &challenge).await.unwrap_err();
        assert_eq!((error.field(), error.reason()), (Some(field), reason));
    }
    assert_eq!(scene.recorder.take(), []);
}

/// `authorize_attestation` is public and pure, so it must make every check itself.
#[tokio::test]
async fn authorize_attestation_makes_every_check_itself() {
    let assembly = attesting();
    let bindings = assembly.bindings.clone();
    let scene = scene(assembly).await;
    let record = bindings.whole(&scene.key.key_id).unwrap();
    let policy = &scene.store.policy();
    let at = |now, challenge: &Challenge| authorize_attestation(policy, now, &record, challenge);
    let good = samples::attestation_challenge();
    let input = at(samples::NOW, &good).unwrap();
    assert_eq!(input.key(), &record.reference());
    assert_eq!(input.identity_digest().unwrap(), scene.claim().identity_digest().unwrap());
    assert!(at(good.challenge_expires_at, &good).is_err());
    let target = samples::target("https://chatgpt.com", "/wham/remote/control/client");
    assert!(at(samples::NOW, &Challenge { target, ..good.clone() }).is_err());
    let client_id = "another".parse().unwrap();
    let foreign = at(samples::NOW, &Challenge { client_id, ..good });
    assert!(matches!(foreign, Err(AuthorizeError::BindingMismatch)));
}

#[tokio::test]
async fn somebody_elses_challenge_or_key_reaches_no_device() {
    let scene = scene(attesting()).await;
    let account = Challenge {
        account_user_id: "another".parse().unwrap(),
        ..samples::attestation_challenge()
    };
    let client =
        Challenge { client_id: "another".parse().unwrap(), ..samples::attestation_challenge() };
    for challenge in [account, client] {
        let error = scene.both(&scene.key.key_id, &challenge).await.unwrap_err();
        assert_eq!(error.reason(), Reason::BindingMismatch);
    }
    let good = samples::attestation_challenge();
    let error = scene.both(&SequenceRandom::key_id(99), &good).await.unwrap_err();
    assert_eq!(error.reason(), Reason::KeyNotFound);
    let other = samples::peer(1001);
    let error = scene.store.attestation_identity(&other, &scene.key.key_id, good, None).await;
    assert_eq!(error.unwrap_err().reason(), Reason::KeyNotFound);
    let events = scene.recorder.take();
    assert!(events.iter().all(|event| *event == Event::Bindings(Get)), "{events:?}");
}

#[tokio::test]
async fn a_provider_without_an_attestor_is_reported() {
    for provider in [MemoryProvider::hardware(), MemoryProvider::os_protected()] {
        let scene = scene(Assembly::new().provider(provider)).await;
        let outcome = scene.both(&scene.key.key_id, &samples::attestation_challenge()).await;
        assert_eq!(outcome.unwrap_err().reason(), Reason::AttestationUnavailable);
        // One look-up for each method: no request waits for a permit in vain.
        assert_eq!(scene.recorder.take(), [Event::Bindings(Get); 2]);
    }
    let without = Assembly::new().store();
    let key_id = SequenceRandom::key_id(1);
    let challenge = samples::attestation_challenge();
    let error = without.attestation_identity(&PEER, &key_id, challenge, None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::HardwareUnavailable);
}

#[tokio::test]
async fn a_credential_for_another_key_is_not_opened() {
    let scene = scene(attesting()).await;
    let credential = credential_for(&SequenceRandom::key_id(99), SECRET);
    let challenge = samples::attestation_challenge();
    let key_id = scene.key.key_id;
    let outcome =
        scene.store.activate_attestation(&PEER, &key_id, challenge, credential, None).await;
    assert_eq!(outcome.unwrap_err().reason(), Reason::CredentialNotActivated);
}

#[tokio::test]
async fn an_error_of_the_device_keeps_its_reason() {
    for kind in [ProviderErrorKind::Busy, ProviderErrorKind::KeyLost] {
        let provider = HookedProvider::new(MemoryProvider::hardware().attesting())
            .with(Faults::always(Identify, move || kind.into_error()))
            .with(Faults::always(Activate, move || kind.into_error()));
        let scene = scene(Assembly::new().provider(provider)).await;
        let outcome = scene.both(&scene.key.key_id, &samples::attestation_challenge()).await;
        assert_eq!(outcome.unwrap_err().reason(), kind.reason());
    }
}

#[tokio::test]
async fn a_key_that_was_deleted_before_the_device_found_it_lost_is_not_found() {
    let assembly = Assembly::new();
    let bindings = assembly.bindings.clone();
    let lost = Faults::always(Identify, move || {
        bindings.key_ids().iter().for_each(|key_id| bindings.forget(key_id));
        ProviderErrorKind::KeyLost.into_error()
    });
    let provider = HookedProvider::new(MemoryProvider::hardware().attesting()).with(lost);
    let Scene { store, key, .. } = scene(assembly.provider(provider)).await;
    let challenge = samples::attestation_challenge();
    let outcome = store.attestation_identity(&PEER, &key.key_id, challenge, None).await;
    assert_eq!(outcome.unwrap_err().reason(), Reason::KeyNotFound);
}

#[tokio::test]
async fn evidence_that_came_too_late_is_not_returned() {
    for (deleted, reason) in [(true, Reason::KeyNotFound), (false, Reason::Expired)] {
        let gate = Gate::opened(Identify);
        let provider =
            HookedProvider::new(MemoryProvider::hardware().attesting()).with(gate.hook());
        let assembly = Assembly::new().provider(provider);
        let (clock, bindings) = (assembly.clock.clone(), assembly.bindings.clone());
        let Scene { store, key, .. } = scene(assembly).await;
        gate.close();
        let challenge = samples::attestation_challenge();
        let asking = tokio::spawn(async move {
            store.attestation_identity(&PEER, &key.key_id, challenge, None).await
        });
        gate.arrived(1).await;
        if deleted {
            bindings.forget(&key.key_id);
        } else {
            clock.advance(samples::LIFETIME_SECONDS);
        }
        gate.open();
        assert_eq!(asking.await.unwrap().unwrap_err().reason(), reason);
    }
}
