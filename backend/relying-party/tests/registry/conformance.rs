//! The contract of a store, as tests. A store runs all of them with [`suite`].

use std::sync::Arc;

use async_trait::async_trait;
use device_key_relying_party::Registry;

mod challenges;
mod devices;

pub(crate) use challenges::*;
pub(crate) use devices::*;

/// A place in which a registry stores its records.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens the registry as another process would.
    async fn open(&self) -> Arc<dyn Registry>;
}

/// Turns each part of the contract into a test on a new place of this kind.
macro_rules! suite {
    ($place:path: $($part:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $part() {
                $crate::conformance::$part(&$place().await).await;
            }
        )*
    };
    ($place:path) => {
        suite! { $place:
            an_enrollment_challenge_comes_back_as_it_was
            a_connection_challenge_comes_back_as_it_was
            a_challenge_is_taken_once_across_processes
            of_a_hundred_concurrent_callers_one_takes_an_enrollment
            of_a_hundred_concurrent_callers_one_takes_a_connection
            another_account_neither_sees_nor_takes_a_challenge
            an_expired_challenge_is_not_returned
            open_challenges_are_bounded_for_each_account
            concurrent_callers_open_no_more_challenges_than_allowed
            an_attestation_is_begun_once_while_the_challenge_is_open
            the_largest_identity_fits
            only_expired_challenges_are_deleted
            a_device_comes_back_as_it_was
            a_key_is_enrolled_once_by_its_id_and_by_its_public_key
            of_many_concurrent_callers_one_enrolls_a_key
            a_revoked_key_stays_revoked
            only_its_own_account_can_revoke_a_device
            revoking_deletes_unused_tokens
            devices_are_bounded_for_each_account
            a_list_has_the_devices_of_one_account_in_order
            still_enrolled_returns_only_enrolled_devices
            every_text_of_the_types_can_be_stored
        }
    };
}
pub(crate) use suite;
