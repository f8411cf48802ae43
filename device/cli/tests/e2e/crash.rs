//! Kills a process between any two steps of a creation or a deletion, and starts a second process
//! while the first is in the middle of a creation.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _, stderr, stdin};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use device_key::{
    DeviceKeyBindingStore, DeviceKeyStore, LocalPeer, OwnerUid, Parts, ProviderError,
    RemoteControlPolicy, StoreLimits, Transport,
};
use device_key_private_fs::PrivateDir;
use device_key_provider_tpm::{TpmProvider, TpmSettings};
use device_key_state::StateRuntime;
use device_key_testing::{
    BindingOperation, HookedBindings, HookedProvider, Moment, Operation, ProviderOperation, StopAt,
    Swtpm,
};
use device_key_types::{Binding, OsRandom, ProtectionPolicy, SystemClock};
use serde_json::json;

use crate::home::Home;
use crate::program::{Program, run};
use crate::server::{Server, reason};

const HOME: &str = "E2E_VICTIM_HOME";
const TPM: &str = "E2E_VICTIM_TPM";
/// Where the process kills itself, such as `provider:before:create`, or [`WAIT`].
const STOP: &str = "E2E_VICTIM_STOP";
/// The key to delete. Without this variable the process creates a key.
const DOOMED: &str = "E2E_VICTIM_DOOMED";
/// Tells the process to wait for a line of input after the provider has created the key.
const WAIT: &str = "wait";
const ACCOUNT: &str = "account";
const CLIENT: &str = "client";

/// The calls of the provider and the binding store during a creation, in their order.
const STEPS: [&str; 5] = [
    "provider:availability",
    "bindings:begin",
    "provider:create",
    "provider:sign",
    "bindings:complete",
];

/// The calls of the provider and the binding store during a deletion, in their order.
const STEPS_OF_DELETION: [&str; 5] = [
    "bindings:get",
    "bindings:begin_deletion",
    "bindings:abandoned",
    "provider:delete",
    "bindings:remove",
];

fn victim_on(home: &Path, tpm: &str, stop: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "crash::victim", "--ignored"]);
    command.env(HOME, home).env(TPM, tpm).env(STOP, stop);
    command
}

/// Every point at which the process can kill itself, as text.
fn points() -> Vec<String> {
    let provider = StopAt::<ProviderOperation>::all().map(|stop| format!("provider:{stop}"));
    let bindings = StopAt::<BindingOperation>::all().map(|stop| format!("bindings:{stop}"));
    provider.chain(bindings).collect()
}

#[test]
fn a_creation_killed_at_any_step_leaves_a_whole_key_or_none() {
    let swtpm = Swtpm::start();
    let mut reached = BTreeSet::new();
    for point in points() {
        let home = Home::new();
        let victim = run(&mut victim_on(&home.path(), &swtpm.address(), &point));
        match victim.status.signal() {
            Some(9) => assert!(reached.insert(point.clone())),
            signal => assert!(signal.is_none() && victim.status.success(), "{point}: {victim:?}"),
        }
        home.recover();
        let ready = home.assert_at_rest();
        // A key is whole only after the last step.
        let is_whole = !reached.contains(&point) || point == "bindings:after:complete";
        assert_eq!(ready.len(), usize::from(is_whole), "{point}");
        // The remains of the killed process in the TPM do no harm, and a whole key signs.
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        let key = server.create(ACCOUNT, CLIENT);
        server.prove(&key);
        for id in ready {
            let existing = server.existing(ACCOUNT, CLIENT, &id);
            server.prove(&existing);
        }
        server.finish_well();
    }
    assert_eq!(reached, around(&STEPS), "these are the steps of a creation");
}

/// The moments before and after each step.
fn around(steps: &[&str]) -> BTreeSet<String> {
    let moments = |step: &&str| {
        let (part, operation) = step.split_once(':').unwrap();
        ["before", "after"].map(|moment| format!("{part}:{moment}:{operation}"))
    };
    steps.iter().flat_map(moments).collect()
}

#[test]
fn a_deletion_killed_at_any_step_leaves_a_whole_key_or_ends_at_the_next_start() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut reached = BTreeSet::new();
    for point in points() {
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        let (doomed, kept) = (server.create(ACCOUNT, CLIENT), server.create(ACCOUNT, CLIENT));
        server.finish_well();
        let mut victim = victim_on(&home.path(), &swtpm.address(), &point);
        let victim = run(victim.env(DOOMED, &doomed.id));
        match victim.status.signal() {
            Some(9) => assert!(reached.insert(point.clone())),
            signal => assert!(signal.is_none() && victim.status.success(), "{point}: {victim:?}"),
        }
        home.recover();
        let ready = home.assert_at_rest();
        // After the key is hidden it never comes back. Before that the key is whole.
        let is_whole =
            ["bindings:before:get", "bindings:after:get", "bindings:before:begin_deletion"]
                .contains(&&*point);
        assert_eq!(ready.contains(&doomed.id), is_whole, "{point}");
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        server.prove(&kept);
        if is_whole {
            server.prove(&doomed);
        } else {
            assert_eq!(server.refusal_to_sign(&doomed), "key_not_found", "{point}");
        }
        for id in ready {
            server.delete(&id);
        }
        server.finish_well();
        assert_eq!(home.assert_at_rest(), BTreeSet::new());
    }
    assert_eq!(reached, around(&STEPS_OF_DELETION), "these are the steps of a deletion");
}

#[test]
fn a_creation_of_a_live_process_is_left_alone() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut command = victim_on(&home.path(), &swtpm.address(), WAIT);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut living = Program::spawn(&mut command);
    let mut input = living.child.stdin.take().unwrap();
    let mut output = BufReader::new(living.child.stderr.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), WAIT);
    let (begun, files, leases) = (home.records("creating"), home.key_files(), home.leases());
    assert_eq!((begun.len(), &files, leases.len()), (1, &begun, 1));

    home.recover();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let other = server.create(ACCOUNT, CLIENT);
    assert_eq!(home.records("creating"), begun);
    assert!(home.key_files().is_superset(&files) && home.leases().is_superset(&leases));
    let id = begun.first().unwrap();
    let public = server.call("device/key/public", &json!({"keyId": id}));
    assert_eq!(reason(&public), "key_not_found", "it is not whole yet");

    input.write_all(b"go on\n").unwrap();
    assert!(living.wait().success());
    let existing = server.existing(ACCOUNT, CLIENT, id);
    server.prove(&existing);
    server.finish_well();
    assert_eq!(home.assert_at_rest(), BTreeSet::from([id.clone(), other.id]));
}

/// Creates or deletes a key with the parts of the program, each with a hook around its calls.
#[test]
#[ignore = "the child process of the tests above"]
fn victim() {
    let Ok(stop) = env::var(STOP) else { return };
    let home = PrivateDir::open_or_create(env::var_os(HOME).unwrap().as_ref()).unwrap();
    let keys = home.subdir(&"keys".parse().unwrap()).unwrap();
    let keys = keys.subdir(&"tpm".parse().unwrap()).unwrap();
    let address = env::var(TPM).unwrap().parse().unwrap();
    let settings = TpmSettings { allow_simulated: true, ..TpmSettings::at(address) };
    let state: Arc<dyn DeviceKeyBindingStore> = Arc::new(StateRuntime::open(&home).unwrap());

    let mut provider = HookedProvider::new(TpmProvider::new(settings, keys));
    let mut bindings = HookedBindings::new(state);
    if let Some(stop) = stop.strip_prefix("provider:") {
        provider = provider.with(point::<ProviderOperation>(stop));
    } else if let Some(stop) = stop.strip_prefix("bindings:") {
        bindings = bindings.with(point::<BindingOperation>(stop));
    } else {
        assert_eq!(stop, WAIT);
        provider = provider.with(wait_when_made);
    }
    let store = DeviceKeyStore::new(Parts {
        policy: RemoteControlPolicy::default(),
        limits: StoreLimits::default(),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        bindings: Arc::new(bindings),
        providers: vec![Arc::new(provider)],
    });
    let owner = OwnerUid::new(rustix::process::geteuid().as_raw());
    let peer = LocalPeer::from_transport(owner, Transport::InProcess);
    let binding =
        Binding { account_user_id: ACCOUNT.parse().unwrap(), client_id: CLIENT.parse().unwrap() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    if let Ok(doomed) = env::var(DOOMED) {
        runtime.block_on(store.delete(&peer, &doomed.parse().unwrap())).unwrap();
        assert_eq!(runtime.block_on(store.settled()), 0);
    } else {
        let policy = ProtectionPolicy::HardwareOnly;
        runtime.block_on(store.create(&peer, binding, policy)).unwrap();
    }
}

fn point<O: Operation>(stop: &str) -> StopAt<O> {
    stop.parse().unwrap_or_else(|_| panic!("{stop} does not name a point"))
}

/// Writes the message directly to the stream, because the test harness captures what tests print.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a hook")]
fn wait_when_made(moment: Moment, operation: ProviderOperation) -> Result<(), ProviderError> {
    if (moment, operation) == (Moment::After, ProviderOperation::Create) {
        stderr().write_all(format!("{WAIT}\n").as_bytes()).unwrap();
        let mut line = String::new();
        stdin().lock().read_line(&mut line).unwrap();
    }
    Ok(())
}
