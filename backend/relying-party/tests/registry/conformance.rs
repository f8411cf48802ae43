//! The contract, as code. A store runs all of it by [`suite`].

use std::sync::Arc;

use async_trait::async_trait;
use device_key_relying_party::Registry;

mod challenges;
mod devices;

pub(crate) use challenges::*;
pub(crate) use devices::*;

/// Where a registry keeps its records.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens it as one more process would.
    async fn open(&self) -> Arc<dyn Registry>;
}

/// Each part of the contract as a test on a new place of this kind.
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
            a_challenge_is_taken_once_by_whichever_process
            of_a_hundred_at_once_one_takes_an_enrollment
            of_a_hundred_at_once_one_takes_a_connection
            another_account_neither_sees_nor_takes_a_challenge
            an_expired_challenge_is_gone
            open_challenges_are_bounded_for_each_account
            at_once_no_more_challenges_are_opened_than_allowed
            an_attestation_is_begun_once_while_the_challenge_is_open
            the_largest_identity_fits
            expired_challenges_are_removed_and_others_stay
            a_device_comes_back_as_it_was
            a_key_is_enrolled_once_by_either_name
            of_many_at_once_one_enrolls_a_key
            a_revoked_key_stays_revoked
            a_device_is_revoked_by_its_own_account_alone
            revoking_takes_back_unused_tokens
            devices_are_bounded_for_each_account
            a_list_is_of_one_account_and_in_order
            whoever_is_still_enrolled_is_told_from_the_others
            every_text_of_the_types_can_be_stored
        }
    };
}
pub(crate) use suite;
