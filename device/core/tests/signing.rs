//! The checks that are made again during a signature, and the owners that may sign.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::sync::Arc;

use device_key::{
    DeviceKeyBinding, DeviceKeyStore, LocalPeer, OwnerUid, ProviderError, ProviderErrorKind,
    SignatureCheck,
};
use device_key_testing::{
    Assembly, BindingOperation, Corruption, Event, Faults, FixedClock, Gate, HookedProvider,
    IntoProviderError as _, MemoryBindings, MemoryProvider, Moment, ProviderOperation, samples,
    unavailable,
};
use device_key_types::{DeviceKeyId, OsProtectionCondition, ProtectionPolicy, Reason, SignPayload};

const PEER: LocalPeer = samples::peer(1000);

struct Slow {
    store: DeviceKeyStore,
    clock: Arc<FixedClock>,
    bindings: Arc<MemoryBindings>,
    gate: Gate<ProviderOperation>,
    key_id: DeviceKeyId,
}

/// A store with one key, whose provider signs when the gate opens.
async fn slow() -> Slow {
    let gate = Gate::opened(ProviderOperation::Sign);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let assembly = Assembly::new().provider(provider);
    let (clock, bindings) = (assembly.clock.clone(), assembly.bindings.clone());
    let store = assembly.store();
    let key_id = create(&store).await;
    gate.close();
    Slow { store, clock, bindings, gate, key_id }
}

async fn create(store: &DeviceKeyStore) -> DeviceKeyId {
    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    store.create(&PEER, samples::binding(), policy).await.unwrap().key_id
}

async fn refusal(store: &DeviceKeyStore, key_id: &DeviceKeyId, payload: SignPayload) -> Reason {
    store.sign(&PEER, key_id, payload).await.unwrap_err().reason()
}

/// Signs, and runs `meanwhile` while the provider works.
async fn sign_while(slow: &Slow, meanwhile: impl FnOnce(&Slow)) -> Result<(), Reason> {
    let (store, key_id) = (slow.store.clone(), slow.key_id);
    let payload = samples::connection_expiring_in(60);
    let signing = tokio::spawn(async move { store.sign(&PEER, &key_id, payload).await });
    // The first call was the self-test.
    slow.gate.arrived(2).await;
    meanwhile(slow);
    slow.gate.open();
    signing.await.unwrap().map(drop).map_err(|error| error.reason())
}

#[tokio::test]
async fn an_expiry_is_held_to_the_second() {
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let store = assembly.store();
    let key_id = create(&store).await;
    for payload in [samples::connection_expiring_in, samples::enrollment_expiring_in] {
        for seconds in [1, 60, 899, 900] {
            store.sign(&PEER, &key_id, payload(seconds)).await.unwrap();
        }
        for seconds in [0, -1, i64::MIN] {
            assert_eq!(refusal(&store, &key_id, payload(seconds)).await, Reason::Expired);
        }
        for seconds in [901, i64::MAX] {
            assert_eq!(refusal(&store, &key_id, payload(seconds)).await, Reason::ExpiresTooLate);
        }
    }
}

#[tokio::test]
async fn a_slow_provider_may_take_until_the_last_second() {
    let slow = slow().await;
    assert_eq!(sign_while(&slow, |slow| slow.clock.advance(59)).await, Ok(()));
}

#[tokio::test]
async fn a_statement_that_expires_while_the_provider_works_is_not_returned() {
    let slow = slow().await;
    assert_eq!(sign_while(&slow, |slow| slow.clock.advance(60)).await, Err(Reason::Expired));
}

#[tokio::test]
async fn a_key_deleted_while_the_provider_works_gives_no_signature() {
    let slow = slow().await;
    let forget = |slow: &Slow| slow.bindings.forget(&slow.key_id);
    assert_eq!(sign_while(&slow, forget).await, Err(Reason::KeyNotFound));
}

#[tokio::test]
async fn a_key_that_was_deleted_before_the_provider_found_it_lost_is_not_found() {
    for is_deleted in [true, false] {
        let assembly = Assembly::new();
        let bindings = assembly.bindings.clone();
        // The first signature is made when the key is created.
        let lost = Faults::nth(ProviderOperation::Sign, 2, move || {
            if is_deleted {
                bindings.key_ids().iter().for_each(|key_id| bindings.forget(key_id));
            }
            ProviderErrorKind::KeyLost.into_error()
        });
        let provider = HookedProvider::new(MemoryProvider::hardware()).with(lost);
        let store = assembly.provider(provider).store();
        let key_id = create(&store).await;
        let expected = if is_deleted { Reason::KeyNotFound } else { Reason::KeyLost };
        assert_eq!(refusal(&store, &key_id, samples::connection_expiring_in(60)).await, expected);
    }
}

#[tokio::test]
async fn a_key_bound_anew_while_the_provider_works_gives_no_signature() {
    let rebind = |slow: &Slow| {
        let mut record = slow.bindings.whole(&slow.key_id).unwrap();
        record.binding.account_user_id = "another".parse().unwrap();
        slow.bindings.put(record);
    };
    assert_eq!(sign_while(&slow().await, rebind).await, Err(Reason::BindingMismatch));
    let give_away = |slow: &Slow| {
        let record = slow.bindings.whole(&slow.key_id).unwrap();
        slow.bindings.put(DeviceKeyBinding { owner: OwnerUid::new(1001), ..record });
    };
    assert_eq!(sign_while(&slow().await, give_away).await, Err(Reason::KeyNotFound));
}

#[tokio::test]
async fn a_signature_that_does_not_verify_is_never_returned() {
    let provider = Arc::new(MemoryProvider::hardware());
    let store = Assembly::new().shared_provider(provider.clone()).store();
    let key_id = create(&store).await;
    provider.lie(Corruption::SignatureByAnotherKey);
    let payload = samples::connection_expiring_in(60);
    assert_eq!(refusal(&store, &key_id, payload).await, Reason::ProviderFailed);
}

/// If a verification costs more than a signature, the provider compares the public key itself.
#[tokio::test]
async fn a_provider_checked_at_creation_is_asked_with_the_recorded_public_key() {
    for check in [SignatureCheck::Each, SignatureCheck::AtCreation] {
        let assembly = Assembly::new().provider(MemoryProvider::os_protected().checked(check));
        let bindings = assembly.bindings.clone();
        let store = assembly.store();
        let (first, second) = (create(&store).await, create(&store).await);
        let public_key = bindings.whole(&second).unwrap().public_key;
        let record = bindings.whole(&first).unwrap();
        bindings.put(DeviceKeyBinding { public_key, ..record });
        let payload = samples::connection_expiring_in(60);
        assert_eq!(refusal(&store, &first, payload).await, Reason::KeyLost);
    }
}

#[tokio::test]
async fn each_owner_sees_its_own_keys_only() {
    let store = Assembly::new().provider(MemoryProvider::hardware()).store();
    let key_id = create(&store).await;
    for uid in [0, 1001, u32::MAX] {
        let stranger = samples::peer(uid);
        let public = store.public(&stranger, &key_id).await.unwrap_err();
        assert_eq!(public.reason(), Reason::KeyNotFound);
        let payload = samples::connection_expiring_in(60);
        let signed = store.sign(&stranger, &key_id, payload).await.unwrap_err();
        assert_eq!(signed.reason(), Reason::KeyNotFound);
    }
    assert_eq!(store.public(&PEER, &key_id).await.unwrap().key_id, key_id);
}

#[tokio::test]
async fn every_kind_of_provider_error_has_its_reason() {
    use ProviderErrorKind::{
        Busy, Failed, HardwareUnavailable, KeyLost, LockedOut, OsProtectionUnavailable, Timeout,
        Unavailable, UserDenied,
    };
    for (kind, reason) in [
        (Busy, "provider_busy"),
        (Failed, "provider_failed"),
        (HardwareUnavailable, "hardware_unavailable"),
        (KeyLost, "key_lost"),
        (LockedOut, "provider_locked_out"),
        (OsProtectionUnavailable(OsProtectionCondition::Dumpable), "os_protection_unavailable"),
        (Timeout, "timeout"),
        (Unavailable, "provider_unavailable"),
        (UserDenied, "user_denied"),
    ] {
        // The first call is the self-test.
        let fault = Faults::nth(ProviderOperation::Sign, 2, move || kind.into_error());
        let provider = HookedProvider::new(MemoryProvider::hardware()).with(fault);
        let store = Assembly::new().provider(provider).store();
        let key_id = create(&store).await;
        let payload = samples::connection_expiring_in(60);
        assert_eq!(refusal(&store, &key_id, payload).await.as_str(), reason);
    }
}

#[tokio::test]
async fn a_caller_whom_the_provider_does_not_serve_gets_nothing() {
    let provider = Arc::new(MemoryProvider::hardware().attesting());
    let assembly = Assembly::new().shared_provider(provider.clone());
    let recorder = assembly.recorder.clone();
    let store = assembly.store();
    let key_id = create(&store).await;
    provider.lie(Corruption::ServesNobody);
    recorder.take();
    let payload = samples::connection_expiring_in(60);
    assert_eq!(refusal(&store, &key_id, payload).await, Reason::HardwareUnavailable);
    let challenge = samples::attestation_challenge();
    let identity = store.attestation_identity(&PEER, &key_id, challenge, None).await;
    assert_eq!(identity.unwrap_err().reason(), Reason::HardwareUnavailable);
    let asked = recorder.take();
    assert!(!asked.iter().any(|event| matches!(event, Event::Provider(_))), "{asked:?}");
}

#[tokio::test]
async fn a_binding_that_cannot_be_read_gives_no_signature() {
    for nth in [1, 2] {
        let fault = Faults::nth(BindingOperation::Get, nth, unavailable);
        let provider = MemoryProvider::hardware();
        let store = Assembly::new().provider(provider).bindings_hook(fault).store();
        let key_id = create(&store).await;
        let payload = samples::connection_expiring_in(60);
        assert_eq!(refusal(&store, &key_id, payload).await, Reason::StateUnavailable);
    }
}

#[tokio::test]
async fn a_panic_in_a_provider_ends_one_request_only() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let panic = move |moment: Moment, operation: ProviderOperation| {
        if moment == Moment::Before && operation == ProviderOperation::Sign {
            let call = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            assert_ne!(call, 1, "the second signature panics on purpose");
        }
        Ok::<(), ProviderError>(())
    };
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(panic);
    let store = Assembly::new().provider(provider).store();
    let key_id = create(&store).await;
    let payload = samples::connection_expiring_in(60);
    assert_eq!(refusal(&store, &key_id, payload.clone()).await, Reason::Internal);
    store.sign(&PEER, &key_id, payload).await.expect("the permit was released");
}
