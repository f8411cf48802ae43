//! The caller decides what protects a key, and no provider is replaced in silence.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use device_key::{
    DeviceKeyBindingStore as _, DeviceKeyError, DeviceKeyStore, LocalPeer, ProviderErrorKind,
};
use device_key_testing::{
    Assembly, Faults, Gate, HookedProvider, IntoProviderError as _, MemoryProvider,
    ProviderOperation, SequenceRandom, samples,
};
use device_key_types::ProtectionClass::{HardwareTpm, OsProtectedNonextractable};
use device_key_types::ProtectionPolicy::{AllowOsProtectedNonextractable, HardwareOnly};
use device_key_types::{OsProtectionCondition, ProtectionClass, ProtectionPolicy, Reason};

const PEER: LocalPeer = samples::peer(1000);

async fn class(
    store: &DeviceKeyStore,
    policy: ProtectionPolicy,
) -> Result<ProtectionClass, DeviceKeyError> {
    Ok(store.create(&PEER, samples::binding(), policy).await?.protection_class)
}

fn failing(provider: MemoryProvider, kind: ProviderErrorKind) -> HookedProvider {
    HookedProvider::new(provider)
        .with(Faults::always(ProviderOperation::Availability, move || kind.into_error()))
        .with(Faults::always(ProviderOperation::Presence, move || kind.into_error()))
}

fn absent_hardware() -> HookedProvider {
    failing(MemoryProvider::hardware(), ProviderErrorKind::HardwareUnavailable)
}

fn refused(
    outcome: Result<ProtectionClass, DeviceKeyError>,
) -> (Reason, Option<Vec<ProtectionClass>>) {
    match outcome.unwrap_err() {
        DeviceKeyError::NoProtection { reason, available, .. } => (reason, Some(available)),
        other => (other.reason(), None),
    }
}

#[tokio::test]
async fn without_any_provider_every_call_says_so() {
    let assembly = Assembly::new();
    let recorder = assembly.recorder.clone();
    let store = assembly.store();
    let key_id = SequenceRandom::key_id(1);
    let errors = [
        class(&store, HardwareOnly).await.unwrap_err(),
        class(&store, AllowOsProtectedNonextractable).await.unwrap_err(),
        store.public(&PEER, &key_id).await.unwrap_err(),
        store.sign(&PEER, &key_id, samples::connection_expiring_in(60)).await.unwrap_err(),
    ];
    let reasons = errors.map(|error| (error.reason(), error.os_protection_condition()));
    let expected = [
        (Reason::HardwareUnavailable, None),
        (Reason::OsProtectionUnavailable, Some(OsProtectionCondition::NotConfigured)),
        (Reason::HardwareUnavailable, None),
        (Reason::HardwareUnavailable, None),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(recorder.take(), [], "nothing is asked");
    assert_eq!(store.providers(&PEER), []);
}

#[tokio::test]
async fn hardware_comes_first_under_either_policy() {
    let assembly = Assembly::new()
        .provider(MemoryProvider::hardware())
        .provider(MemoryProvider::os_protected());
    let store = assembly.store();
    assert_eq!(class(&store, HardwareOnly).await.unwrap(), HardwareTpm);
    assert_eq!(class(&store, AllowOsProtectedNonextractable).await.unwrap(), HardwareTpm);
}

#[tokio::test]
async fn the_weaker_class_is_given_only_to_callers_that_accept_it() {
    let stores = [
        Assembly::new().provider(MemoryProvider::os_protected()).store(),
        Assembly::new()
            .provider(absent_hardware())
            .provider(MemoryProvider::os_protected())
            .store(),
    ];
    for store in stores {
        assert_eq!(
            refused(class(&store, HardwareOnly).await),
            (Reason::DegradedProtectionNotAllowed, Some(vec![OsProtectedNonextractable])),
        );
        assert_eq!(
            class(&store, AllowOsProtectedNonextractable).await.unwrap(),
            OsProtectedNonextractable,
        );
    }
}

#[tokio::test]
async fn with_nothing_available_the_reason_is_that_of_the_policy() {
    let kind = ProviderErrorKind::OsProtectionUnavailable(OsProtectionCondition::SameUser);
    let stores = [
        Assembly::new().provider(absent_hardware()).store(),
        Assembly::new()
            .provider(absent_hardware())
            .provider(failing(MemoryProvider::os_protected(), kind))
            .store(),
    ];
    for store in stores {
        let hardware = refused(class(&store, HardwareOnly).await);
        assert_eq!(hardware, (Reason::HardwareUnavailable, Some(vec![])));
        let either = refused(class(&store, AllowOsProtectedNonextractable).await);
        assert_eq!(either, (Reason::OsProtectionUnavailable, Some(vec![])));
    }
    let store = Assembly::new().provider(failing(MemoryProvider::os_protected(), kind)).store();
    let error = class(&store, AllowOsProtectedNonextractable).await.unwrap_err();
    assert_eq!(error.os_protection_condition(), Some(OsProtectionCondition::SameUser));
}

#[tokio::test]
async fn an_error_of_the_hardware_does_not_lead_to_a_weaker_class() {
    use ProviderErrorKind::{Busy, Failed, KeyLost, LockedOut, Timeout, Unavailable, UserDenied};
    for kind in [Busy, Failed, KeyLost, LockedOut, Timeout, Unavailable, UserDenied] {
        let assembly = Assembly::new()
            .provider(failing(MemoryProvider::hardware(), kind))
            .provider(MemoryProvider::os_protected());
        let bindings = assembly.bindings.clone();
        let store = assembly.store();
        for policy in [HardwareOnly, AllowOsProtectedNonextractable] {
            assert_eq!(refused(class(&store, policy).await), (kind.reason(), None));
        }
        assert_eq!(bindings.key_ids(), []);
    }
}

#[tokio::test]
async fn a_creation_that_fails_half_way_does_not_lead_to_a_weaker_class() {
    let failed = || ProviderErrorKind::Failed.into_error();
    let hardware = HookedProvider::new(MemoryProvider::hardware())
        .with(Faults::always(ProviderOperation::Create, failed));
    let store = Assembly::new().provider(hardware).provider(MemoryProvider::os_protected()).store();
    let outcome = class(&store, AllowOsProtectedNonextractable).await;
    assert_eq!(refused(outcome), (Reason::ProviderFailed, None));
}

#[tokio::test]
async fn a_key_signs_with_the_provider_that_made_it_or_not_at_all() {
    let first = Assembly::new()
        .provider(MemoryProvider::hardware())
        .provider(MemoryProvider::os_protected());
    let made = first.bindings.clone();
    let store = first.store();
    let key = store.create(&PEER, samples::binding(), HardwareOnly).await.unwrap();

    // The next start finds no hardware.
    let second = Assembly::new().provider(MemoryProvider::os_protected());
    second.bindings.put(made.whole(&key.key_id).unwrap());
    let store = second.store();
    let payload = samples::connection_expiring_in(60);
    let error = store.sign(&PEER, &key.key_id, payload.clone()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::HardwareUnavailable);
    assert_eq!(store.public(&PEER, &key.key_id).await.unwrap(), key);

    // The rule holds with the classes exchanged, too.
    let first = Assembly::new().provider(MemoryProvider::os_protected());
    let made = first.bindings.clone();
    let policy = AllowOsProtectedNonextractable;
    let key = first.store().create(&PEER, samples::binding(), policy).await.unwrap();
    let second = Assembly::new().provider(MemoryProvider::hardware());
    second.bindings.put(made.whole(&key.key_id).unwrap());
    let error = second.store().sign(&PEER, &key.key_id, payload).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OsProtectionUnavailable);
    assert!(made.get(&key.key_id, PEER.owner()).await.unwrap().is_some());
}

#[tokio::test]
async fn the_status_is_known_without_asking_the_platform() {
    let assembly =
        Assembly::new().provider(absent_hardware()).provider(MemoryProvider::os_protected());
    let status: Vec<_> = assembly
        .store()
        .providers(&PEER)
        .into_iter()
        .map(|status| (status.provider.name, status.unavailable))
        .collect();
    let expected =
        [("memory_tpm", Some(ProviderErrorKind::HardwareUnavailable)), ("memory_os", None)];
    assert_eq!(status, expected);
}

#[tokio::test]
async fn a_weaker_provider_that_is_busy_delays_no_refusal() {
    let gate = Gate::closed(ProviderOperation::Availability);
    let os = HookedProvider::new(MemoryProvider::os_protected().concurrency(1)).with(gate.hook());
    let store = Assembly::new().provider(os).store();
    let busy = tokio::spawn({
        let store = store.clone();
        async move { class(&store, AllowOsProtectedNonextractable).await }
    });
    gate.arrived(1).await;
    let refusal = class(&store, HardwareOnly).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::DegradedProtectionNotAllowed);
    gate.open();
    assert_eq!(busy.await.unwrap().unwrap(), OsProtectedNonextractable);
}
