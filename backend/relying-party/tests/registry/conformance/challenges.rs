//! The contract of a store for challenges.

use std::sync::Arc;

use device_key_relying_party::{OpenEnrollment, Registry, RegistryError};
use tokio::task::JoinSet;

use super::Place;
use crate::samples::{MANY, NOW, account, attestation, connection, enrollment};

fn reason<T>(outcome: Result<T, RegistryError>) -> &'static str {
    outcome.err().map_or("none", |error| error.reason())
}

pub(crate) async fn an_enrollment_challenge_comes_back_as_it_was(place: &impl Place) {
    let registry = place.open().await;
    let challenge = enrollment("one", "a");
    registry.put_enrollment_challenge(&challenge, MANY, NOW).await.unwrap();
    let open = OpenEnrollment { challenge: challenge.clone(), attestation: None };
    let (id, account) = (&challenge.challenge_id, &challenge.account_user_id);
    for _ in 0..2 {
        let seen = registry.enrollment_challenge(id, account, NOW).await.unwrap();
        assert_eq!(seen.as_ref(), Some(&open));
    }
    let taken = registry.take_enrollment_challenge(id, account, NOW).await.unwrap();
    assert_eq!(taken, Some(open));
    assert_eq!(registry.enrollment_challenge(id, account, NOW).await.unwrap(), None);
}

pub(crate) async fn a_connection_challenge_comes_back_as_it_was(place: &impl Place) {
    let registry = place.open().await;
    let challenge = connection(1, "a");
    registry.put_connection_challenge(&challenge, MANY, NOW).await.unwrap();
    let token = &challenge.token_sha256;
    let taken = registry.take_connection_challenge(token, NOW).await.unwrap();
    assert_eq!(taken.as_ref(), Some(&challenge));
    assert_eq!(registry.take_connection_challenge(token, NOW).await.unwrap(), None);
}

pub(crate) async fn a_challenge_is_taken_once_across_processes(place: &impl Place) {
    let [first, second] = [place.open().await, place.open().await];
    let (asked, token) = (enrollment("one", "a"), connection(1, "a"));
    first.put_enrollment_challenge(&asked, MANY, NOW).await.unwrap();
    first.put_connection_challenge(&token, MANY, NOW).await.unwrap();
    let (id, account) = (&asked.challenge_id, &asked.account_user_id);
    assert!(second.take_enrollment_challenge(id, account, NOW).await.unwrap().is_some());
    assert!(second.take_connection_challenge(&token.token_sha256, NOW).await.unwrap().is_some());
    for registry in [first, second, place.open().await] {
        assert_eq!(registry.take_enrollment_challenge(id, account, NOW).await.unwrap(), None);
        let taken = registry.take_connection_challenge(&token.token_sha256, NOW).await.unwrap();
        assert_eq!(taken, None);
    }
}

/// Runs `take` a hundred times concurrently, in four processes, and returns how many calls got a
/// challenge.
async fn winners<T, F>(place: &impl Place, take: impl Fn(Arc<dyn Registry>) -> F) -> usize
where
    T: Send + 'static,
    F: Future<Output = Option<T>> + Send + 'static,
{
    let mut takers = JoinSet::new();
    for _ in 0..4 {
        let registry = place.open().await;
        for _ in 0..25 {
            takers.spawn(take(registry.clone()));
        }
    }
    takers.join_all().await.into_iter().flatten().count()
}

pub(crate) async fn of_a_hundred_concurrent_callers_one_takes_an_enrollment(place: &impl Place) {
    let registry = place.open().await;
    registry.put_enrollment_challenge(&enrollment("one", "a"), MANY, NOW).await.unwrap();
    let winners = winners(place, |registry| async move {
        let id = "one".parse().unwrap();
        registry.take_enrollment_challenge(&id, &account("a"), NOW).await.unwrap()
    });
    assert_eq!(winners.await, 1);
}

pub(crate) async fn of_a_hundred_concurrent_callers_one_takes_a_connection(place: &impl Place) {
    let registry = place.open().await;
    let token = connection(1, "a").token_sha256;
    registry.put_connection_challenge(&connection(1, "a"), MANY, NOW).await.unwrap();
    let winners = winners(place, move |registry| async move {
        registry.take_connection_challenge(&token, NOW).await.unwrap()
    });
    assert_eq!(winners.await, 1);
}

pub(crate) async fn another_account_neither_sees_nor_takes_a_challenge(place: &impl Place) {
    let registry = place.open().await;
    let challenge = enrollment("one", "a");
    registry.put_enrollment_challenge(&challenge, MANY, NOW).await.unwrap();
    let id = &challenge.challenge_id;
    for stranger in ["b", "A", "a ", "a'--"] {
        let stranger = account(stranger);
        assert_eq!(registry.enrollment_challenge(id, &stranger, NOW).await.unwrap(), None);
        assert_eq!(registry.take_enrollment_challenge(id, &stranger, NOW).await.unwrap(), None);
        let begun = registry.begin_attestation(id, &stranger, &attestation(1), NOW).await;
        assert!(!begun.unwrap());
    }
    let taken = registry.take_enrollment_challenge(id, &account("a"), NOW).await.unwrap();
    assert_eq!(taken.unwrap().attestation, None);
}

pub(crate) async fn an_expired_challenge_is_not_returned(place: &impl Place) {
    let registry = place.open().await;
    let (asked, token) = (enrollment("one", "a"), connection(1, "a"));
    registry.put_enrollment_challenge(&asked, MANY, NOW).await.unwrap();
    registry.put_connection_challenge(&token, MANY, NOW).await.unwrap();
    let (id, account, then) = (&asked.challenge_id, &asked.account_user_id, asked.expires_at);
    assert_eq!(registry.enrollment_challenge(id, account, then).await.unwrap(), None);
    assert!(!registry.begin_attestation(id, account, &attestation(1), then).await.unwrap());
    assert_eq!(registry.take_enrollment_challenge(id, account, then).await.unwrap(), None);
    let taken = registry.take_connection_challenge(&token.token_sha256, then).await.unwrap();
    assert_eq!(taken, None);

    let before = then.saturating_add(-1);
    assert!(registry.take_enrollment_challenge(id, account, before).await.unwrap().is_some());
    let taken = registry.take_connection_challenge(&token.token_sha256, before).await.unwrap();
    assert!(taken.is_some());
}

pub(crate) async fn open_challenges_are_bounded_for_each_account(place: &impl Place) {
    let registry = place.open().await;
    for n in 0..2_u8 {
        let challenge = enrollment(&format!("{n}"), "a");
        registry.put_enrollment_challenge(&challenge, 2, NOW).await.unwrap();
        registry.put_connection_challenge(&connection(n, "a"), 2, NOW).await.unwrap();
    }
    let (more, token) = (enrollment("more", "a"), connection(9, "a"));
    let refused = registry.put_enrollment_challenge(&more, 2, NOW).await;
    assert_eq!(reason(refused), "quota_exceeded");
    let refused = registry.put_connection_challenge(&token, 2, NOW).await;
    assert_eq!(reason(refused), "quota_exceeded");

    // Challenges of another account are counted separately. Taken and expired challenges do not
    // count.
    registry.put_enrollment_challenge(&enrollment("b", "b"), 2, NOW).await.unwrap();
    registry.put_connection_challenge(&connection(8, "b"), 2, NOW).await.unwrap();
    let first = "0".parse().unwrap();
    registry.take_enrollment_challenge(&first, &account("a"), NOW).await.unwrap().unwrap();
    registry.put_enrollment_challenge(&more, 2, NOW).await.unwrap();
    let then = token.expires_at;
    registry.put_connection_challenge(&token, 2, then).await.unwrap();
    registry.put_enrollment_challenge(&enrollment("late", "a"), 2, then).await.unwrap();
}

pub(crate) async fn concurrent_callers_open_no_more_challenges_than_allowed(place: &impl Place) {
    let registries = [place.open().await, place.open().await];
    let mut opening = JoinSet::new();
    for n in 0..40_u8 {
        let registry = registries[usize::from(n) % 2].clone();
        opening.spawn(async move {
            let asked = enrollment(&format!("{n}"), "a");
            let token = connection(n, "a");
            let (asked, token) = tokio::join!(
                registry.put_enrollment_challenge(&asked, 5, NOW),
                registry.put_connection_challenge(&token, 7, NOW),
            );
            (reason(asked), reason(token))
        });
    }
    let outcomes = opening.join_all().await;
    assert_eq!(outcomes.iter().filter(|(asked, _)| *asked == "none").count(), 5);
    assert_eq!(outcomes.iter().filter(|(_, token)| *token == "none").count(), 7);
    let known = |outcome: &str| matches!(outcome, "none" | "quota_exceeded");
    assert!(outcomes.iter().all(|(asked, token)| known(asked) && known(token)));
}

pub(crate) async fn an_attestation_is_begun_once_while_the_challenge_is_open(place: &impl Place) {
    let registry = place.open().await;
    let challenge = enrollment("one", "a");
    let (id, account) = (&challenge.challenge_id, &challenge.account_user_id);
    assert!(!registry.begin_attestation(id, account, &attestation(1), NOW).await.unwrap());
    registry.put_enrollment_challenge(&challenge, MANY, NOW).await.unwrap();
    assert!(registry.begin_attestation(id, account, &attestation(1), NOW).await.unwrap());
    assert!(!registry.begin_attestation(id, account, &attestation(2), NOW).await.unwrap());

    let open = OpenEnrollment { challenge: challenge.clone(), attestation: Some(attestation(1)) };
    let seen = registry.enrollment_challenge(id, account, NOW).await.unwrap();
    assert_eq!(seen.as_ref(), Some(&open));
    let taken = registry.take_enrollment_challenge(id, account, NOW).await.unwrap();
    assert_eq!(taken, Some(open));
    assert!(!registry.begin_attestation(id, account, &attestation(1), NOW).await.unwrap());
}

pub(crate) async fn the_largest_identity_fits(place: &impl Place) {
    let registry = place.open().await;
    let challenge = enrollment("one", "a");
    let mut begun = attestation(1);
    let certificate = begun.identity.key_public.clone();
    begun.identity.endorsement_key_certificates = vec![certificate; 5];
    registry.put_enrollment_challenge(&challenge, MANY, NOW).await.unwrap();
    let (id, account) = (&challenge.challenge_id, &challenge.account_user_id);
    assert!(registry.begin_attestation(id, account, &begun, NOW).await.unwrap());
    let taken = registry.take_enrollment_challenge(id, account, NOW).await.unwrap();
    assert_eq!(taken.unwrap().attestation, Some(begun));
}

pub(crate) async fn only_expired_challenges_are_deleted(place: &impl Place) {
    let registry = place.open().await;
    let lasting = |seconds| NOW.saturating_add(seconds);
    for (n, seconds) in [(1_u8, 10), (2, 20), (3, 30)] {
        let mut asked = enrollment(&format!("{n}"), "a");
        asked.expires_at = lasting(seconds);
        registry.put_enrollment_challenge(&asked, MANY, NOW).await.unwrap();
        let mut token = connection(n, "a");
        token.expires_at = lasting(seconds);
        registry.put_connection_challenge(&token, MANY, NOW).await.unwrap();
    }
    assert_eq!(registry.delete_expired(lasting(20)).await.unwrap(), 4);
    assert_eq!(registry.delete_expired(lasting(20)).await.unwrap(), 0);
    let taken = registry.take_connection_challenge(&connection(3, "a").token_sha256, NOW).await;
    assert!(taken.unwrap().is_some());
    let third = "3".parse().unwrap();
    let taken = registry.take_enrollment_challenge(&third, &account("a"), NOW).await;
    assert!(taken.unwrap().is_some());
}
