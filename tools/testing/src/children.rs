//! Child processes of tests.

use std::process::{Child, ExitStatus};
use std::time::Duration;

use device_key_process::wait;

/// How long a child may take to end. A busy machine needs far less.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until a child has ended. If it does not end within a minute, kills it and fails the test.
#[track_caller]
pub fn ended(child: &mut Child) -> ExitStatus {
    if let Some(status) = wait::within(child, PATIENCE).unwrap() {
        return status;
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("the process {} does not end", child.id());
}
