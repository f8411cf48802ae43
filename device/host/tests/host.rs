//! Tests of a host on a TPM simulator and a real database.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use device_key::{DeviceKeyError, LocalPeer, ProviderErrorKind};
use device_key_host::{Host, HostBuilder, HostError, Keystore, RunsAs, Sweep};
use device_key_private_fs::PrivateDir;
use device_key_testing::{FixedClock, SequenceRandom, Swtpm, samples};
use device_key_types::{OsProtectionCondition, ProtectionPolicy, Reason, SignPayload};
use device_key_wrapping::{CREDENTIAL_NAME, CredentialError, WrappedCount, WrappingKey};
use tempfile::TempDir;

#[path = "../examples/embed.rs"]
#[expect(dead_code, unreachable_pub, reason = "a program of its own, included to be tested")]
mod embed;

const CALLER: LocalPeer = samples::peer(1000);

fn on(swtpm: &Swtpm) -> HostBuilder {
    Host::builder().tpm(swtpm.address().parse().unwrap()).allow_simulated_tpm()
}

fn home() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// How many files a folder of the home has, or 0 if the folder does not exist.
fn files(home: &Path, folder: &str) -> usize {
    fs::read_dir(home.join(folder)).map_or(0, Iterator::count)
}

#[tokio::test]
async fn keys_outlive_the_host() {
    let (swtpm, home) = (Swtpm::start(), home());
    let host = on(&swtpm).open(home.path()).unwrap();
    let key_id = embed::create_and_sign(&host, &CALLER).await.unwrap();
    assert_eq!(embed::list(&host, &CALLER).await.unwrap(), [key_id]);
    drop(host);

    let host = on(&swtpm).open(home.path()).unwrap();
    let Sweep { keys, leases } = host.sweep().await;
    assert_eq!(keys.unwrap(), 0);
    leases.unwrap();
    assert_eq!(embed::list(&host, &CALLER).await.unwrap(), [key_id]);
    assert_eq!(host.state().key_ids().unwrap(), [key_id]);
    let again = embed::create_and_sign(&host, &CALLER).await.unwrap();
    assert_ne!(again, key_id);
    // A program of another user sees neither key.
    assert_eq!(embed::list(&host, &samples::peer(1001)).await.unwrap(), []);
    assert_eq!(files(home.path(), "keys/tpm"), 2);
    assert_eq!(files(home.path(), "keys/tpm-secrets"), 0);
}

#[tokio::test]
async fn by_default_keys_are_created_in_hardware_only() {
    let (swtpm, home) = (Swtpm::start(), home());
    let host = Host::builder().tpm(swtpm.address().parse().unwrap()).open(home.path()).unwrap();
    let providers = host.store().providers(&CALLER);
    assert_eq!(providers.len(), 1);
    assert!(providers.iter().all(|status| status.provider.protection_class.is_hardware()));
    // The address is that of a simulator, which was not allowed. No other keystore is tried
    // instead.
    for (policy, reason) in [
        (ProtectionPolicy::HardwareOnly, Reason::HardwareUnavailable),
        (ProtectionPolicy::AllowOsProtectedNonextractable, Reason::OsProtectionUnavailable),
    ] {
        let refused = host.store().create(&CALLER, samples::binding(), policy).await;
        assert_eq!(refused.unwrap_err().reason(), reason);
    }
    assert!(!home.path().join("keys/os").exists());
}

#[tokio::test]
async fn the_os_keystore_creates_no_key_outside_a_service() {
    let home = home();
    let host = Host::builder().keystores([Keystore::Os]).open(home.path()).unwrap();
    let lenient = ProtectionPolicy::AllowOsProtectedNonextractable;
    let refused = host.store().create(&CALLER, samples::binding(), lenient).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::OsProtectionUnavailable);
    assert_ne!(refused.os_protection_condition(), Some(OsProtectionCondition::NotConfigured));
    let [status] = host.store().providers(&CALLER).try_into().unwrap();
    let unavailable = status.unavailable;
    assert!(matches!(unavailable, Some(ProviderErrorKind::OsProtectionUnavailable(_))));
}

#[tokio::test]
async fn hardware_is_tried_first_whatever_the_order() {
    let (swtpm, home) = (Swtpm::start(), home());
    let keystores = [Keystore::Os, Keystore::Tpm];
    let host = on(&swtpm).keystores(keystores).open(home.path()).unwrap();
    let names: Vec<_> =
        host.store().providers(&CALLER).iter().map(|status| status.provider.name).collect();
    assert_eq!(names, ["tpm", "os"]);
}

#[tokio::test]
async fn a_host_of_a_service_user_keeps_a_wrapped_secret_for_each_tpm_key() {
    let (swtpm, home, credentials) = (Swtpm::start(), home(), home());
    let service = on(&swtpm).runs_as(RunsAs::ServiceUser);
    let host = service.open(home.path()).unwrap();
    embed::create_and_sign(&host, &CALLER).await.unwrap();
    let secrets = home.path().join("keys/tpm-secrets");
    let sizes = || -> Vec<u64> {
        let entries = fs::read_dir(&secrets).unwrap();
        let mut sizes: Vec<_> =
            entries.map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(), [32]);

    fs::write(credentials.path().join(CREDENTIAL_NAME), [7; 32]).unwrap();
    let host = service.clone().credentials(credentials.path()).open(home.path()).unwrap();
    embed::create_and_sign(&host, &CALLER).await.unwrap();
    let [clear, wrapped] = sizes().try_into().unwrap();
    assert!(clear == 32 && wrapped > clear, "{clear} {wrapped}");

    fs::write(credentials.path().join(CREDENTIAL_NAME), [7; 33]).unwrap();
    let refused = service.credentials(credentials.path()).open(home.path()).unwrap_err();
    let is_size = matches!(refused, HostError::WrappingKey(CredentialError::Size { .. }));
    assert!(is_size, "{refused:?}");
}

#[tokio::test]
async fn a_host_without_the_right_wrapping_key_does_not_open() {
    let (swtpm, home, credentials) = (Swtpm::start(), home(), home());
    let credential = credentials.path().join(CREDENTIAL_NAME);
    let service = on(&swtpm)
        .runs_as(RunsAs::ServiceUser)
        .credentials(credentials.path())
        .clock(FixedClock::at(samples::NOW));
    fs::write(&credential, [1; 32]).unwrap();
    let host = service.open(home.path()).unwrap();
    for _ in 0..2 {
        let policy = ProtectionPolicy::HardwareOnly;
        host.store().create(&CALLER, samples::binding(), policy).await.unwrap();
    }
    drop(host);
    let refused = || match service.open(home.path()).unwrap_err() {
        HostError::OtherWrappingKey { keys, is_given } => (keys, is_given),
        other => panic!("{other:?}"),
    };
    fs::write(&credential, [2; 32]).unwrap();
    assert_eq!(refused(), (2, true));
    fs::remove_file(&credential).unwrap();
    assert_eq!(refused(), (2, false));

    let private = PrivateDir::open(home.path()).unwrap();
    let old = WrappingKey::from_bytes([1; 32]);
    let missing = service.rewrap(&private, &old).unwrap_err();
    assert!(matches!(missing, HostError::NoWrappingKey), "{missing:?}");
    fs::write(&credential, [2; 32]).unwrap();
    let WrappedCount { opened, closed, plain } = service.rewrap(&private, &old).unwrap();
    assert_eq!((opened, closed, plain), (2, 0, 0));
    let host = service.open(home.path()).unwrap();
    for key_id in embed::list(&host, &CALLER).await.unwrap() {
        let payload = samples::connection_expiring_in(60);
        host.store().sign(&CALLER, &key_id, payload).await.unwrap();
    }
    // One damaged secret keeps nobody from the other keys.
    let [first, ..] = &*fs::read_dir(home.path().join("keys/tpm-secrets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect::<Vec<_>>()
    else {
        panic!("there are secrets");
    };
    let mut bytes = fs::read(first).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(first, bytes).unwrap();
    service.open(home.path()).unwrap();
}

/// The provider holds the folder open, so it would create a key in a folder that nobody opens
/// again.
#[tokio::test]
async fn no_key_is_created_in_a_folder_that_was_replaced() {
    for keys in ["keys/tpm", "keys/tpm-secrets", "keys"] {
        let (swtpm, home) = (Swtpm::start(), home());
        let service = on(&swtpm).runs_as(RunsAs::ServiceUser);
        let host = service.open(home.path()).unwrap();
        let (folder, aside) = (home.path().join(keys), home.path().join("aside"));
        fs::rename(&folder, &aside).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();

        let policy = ProtectionPolicy::HardwareOnly;
        let refused = host.store().create(&CALLER, samples::binding(), policy).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::StateReplaced, "{keys}");
        let count = |folder| files(home.path(), folder);
        assert_eq!([keys, "aside/tpm", "aside/tpm-secrets", "lock"].map(count), [0; 4], "{keys}");
        assert_eq!(host.state().key_ids().unwrap(), []);

        drop(host);
        let host = service.open(home.path()).unwrap();
        embed::create_and_sign(&host, &CALLER).await.unwrap();
    }
}

#[tokio::test]
async fn the_clock_and_the_random_source_can_be_replaced() {
    let (swtpm, home) = (Swtpm::start(), home());
    let clock = FixedClock::at(samples::NOW);
    let host = on(&swtpm).clock(clock).random(SequenceRandom::default()).open(home.path()).unwrap();
    let policy = ProtectionPolicy::HardwareOnly;
    let key = host.store().create(&CALLER, samples::binding(), policy).await.unwrap();
    assert_eq!(host.store().clock().now(), samples::NOW);
    // By the operating system's clock this statement expired years ago.
    let statement = SignPayload::Connection(samples::connection());
    host.store().sign(&CALLER, &key.key_id, statement.clone()).await.unwrap();

    drop(host);
    let host = on(&swtpm).open(home.path()).unwrap();
    let refused = host.store().sign(&CALLER, &key.key_id, statement).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Expired);
    assert!(matches!(refused, DeviceKeyError::Field(_)), "{refused:?}");
}

#[test]
fn a_home_that_others_can_read_is_refused() {
    let home = home();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = Host::builder().open(home.path()).unwrap_err();
    assert!(matches!(refused, HostError::Home(_)), "{refused:?}");
    assert!(!home.path().join("keys").exists());
}
