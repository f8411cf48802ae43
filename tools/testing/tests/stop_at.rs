//! Tests that [`StopAt`](device_key_testing::StopAt) ends a process as suddenly as a power cut.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use device_key::DeviceKeyProvider as _;
use device_key_testing::{
    BindingOperation, HookedProvider, MemoryProvider, ProviderOperation, SequenceRandom, StopAt,
    UnknownStop,
};

const STOP: &str = "DEVICE_KEY_TESTING_STOP";

#[test]
fn points_are_told_as_text() {
    for stop in StopAt::<ProviderOperation>::all() {
        assert_eq!(stop.to_string().parse(), Ok(stop));
    }
    for stop in StopAt::<BindingOperation>::all() {
        assert_eq!(stop.to_string().parse(), Ok(stop));
    }
    assert_eq!("before:lunch".parse::<StopAt<ProviderOperation>>(), Err(UnknownStop));
}

#[test]
fn the_process_is_killed_at_the_point_and_at_no_other() {
    for (stop, signal) in
        [("before:create", Some(9)), ("after:create", Some(9)), ("before:delete", None)]
    {
        let victim = Command::new(env::current_exe().unwrap())
            .args(["--exact", "victim", "--ignored"])
            .env(STOP, stop)
            .output()
            .unwrap();
        assert_eq!(victim.status.signal(), signal, "{stop}");
        assert_eq!(victim.status.success(), signal.is_none(), "{stop}");
    }
}

#[test]
#[ignore = "the child process of the test above"]
fn victim() {
    let stop: StopAt<ProviderOperation> = env::var(STOP).unwrap().parse().unwrap();
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(stop);
    provider.create(&SequenceRandom::key_id(1)).unwrap();
}
