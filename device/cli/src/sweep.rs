//! Cleans up after interrupted creations and dead processes.

use device_key_host::{Host, Sweep};
use device_key_types::ErrorChain;
use tracing::{error, warn};

/// Removes the remains of interrupted creations and the leases of dead processes, and logs the
/// outcome. Requests can be served at the same time.
pub(crate) async fn sweep(host: Host) {
    let Sweep { keys, leases } = host.sweep().await;
    match keys {
        Ok(0) => {}
        Ok(left) => warn!(left, "some keys whose creation or deletion was interrupted are left"),
        Err(error) => {
            error!(cause = %ErrorChain(&error), "interrupted creations cannot be swept");
        }
    }
    if let Err(error) = leases {
        error!(cause = %ErrorChain(&error), "leases of dead processes cannot be swept");
    }
}
