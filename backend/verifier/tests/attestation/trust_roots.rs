//! Tests of the certificates and lists that a backend can trust.

use device_key_verifier::attestation::{InvalidTrustRoots, RevocationPolicy, RootKind, TrustRoots};

use crate::authority::{Authority, Certificate};

#[test]
fn an_unusable_certificate_is_named_by_its_position() {
    let root = Authority::root();
    let certificate = root.self_signed();
    let certificate = certificate.as_slice();
    let of = |roots: &[(&[u8], RootKind)]| TrustRoots::new(roots.iter().copied()).err();
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[(certificate, RootKind::Hardware), (certificate, RootKind::Hardware)]), None);
    assert_eq!(
        of(&[(certificate, RootKind::Hardware), (certificate, RootKind::Virtual)]),
        Some(InvalidTrustRoots::Contradiction(1))
    );
    assert_eq!(
        of(&[(certificate, RootKind::Hardware), (b"", RootKind::Hardware)]),
        Some(InvalidTrustRoots::Root(1))
    );
    let longer = [certificate, &[0]].concat();
    assert_eq!(of(&[(&longer, RootKind::Hardware)]), Some(InvalidTrustRoots::Root(0)));

    let roots = || TrustRoots::new([(certificate, RootKind::Simulated)]).unwrap();
    let refused = roots().with_intermediates([certificate, &longer]).unwrap_err();
    assert_eq!(refused, InvalidTrustRoots::Intermediate(1));
    let list = root.revoke(&[], "330101000000Z");
    let refused = roots()
        .with_revocation_lists([list.as_slice(), certificate], RevocationPolicy::Everywhere)
        .unwrap_err();
    assert_eq!(refused, InvalidTrustRoots::RevocationList(1));
}

#[test]
fn roots_that_differ_in_name_or_key_are_different() {
    let (root, namesake) = (Authority::root(), Authority::root());
    let of = |first: &[u8], second: &[u8]| {
        TrustRoots::new([(first, RootKind::Hardware), (second, RootKind::Virtual)]).err()
    };
    assert_eq!(of(&root.self_signed(), &namesake.self_signed()), None);
    let renamed = root.issue(Certificate::authority("Other name", root.public_key()));
    assert_eq!(of(&root.self_signed(), &renamed), None);
}

#[test]
fn debug_shows_only_counts() {
    let root = Authority::root().self_signed();
    let roots = TrustRoots::new([(root.as_slice(), RootKind::Virtual)]).unwrap();
    let shown = format!("{:?}", roots.with_intermediates([root.as_slice()]).unwrap());
    assert!(shown.contains("[Virtual]") && shown.contains("intermediates: 1"), "{shown}");
}
