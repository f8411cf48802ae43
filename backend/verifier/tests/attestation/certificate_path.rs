//! Tests of the path from an endorsement certificate to a root. In each test one link is wrong.

use device_key_testing::samples::NOW;
use device_key_types::UnixTime;
use device_key_types::attestation::Claim;
use device_key_verifier::attestation::{
    AttestationError, CertificateError, RootKind, TrustRoots, verify_identity,
};

use crate::authority::{
    Authority, BASIC_CONSTRAINTS, BOTH_SIGN, CERTIFICATE_SIGN, Certificate, EK_CERTIFICATE,
    EXTENDED_KEY_USAGE, KEY_AGREEMENT, KEY_USAGE,
};
use crate::der;
use crate::software_tpm::SoftwareTpm;

/// A path: a root, an intermediate, and the certificate of a TPM's key below the intermediate.
struct Path {
    tpm: SoftwareTpm,
    intermediate: Authority,
}

impl Path {
    fn new() -> Self {
        Self { tpm: SoftwareTpm::p256(), intermediate: Authority::new("Intermediate") }
    }

    fn intermediate(&self) -> Certificate {
        Certificate::authority("Intermediate", self.intermediate.public_key())
    }

    fn leaf(&self) -> Certificate {
        Certificate::endorsement(self.tpm.endorsement_key.spki.clone(), &KEY_AGREEMENT)
    }

    /// Verifies these certificates, the leaf first, at a time.
    fn verify(&self, certificates: &[Vec<u8>], now: UnixTime) -> Result<(), CertificateError> {
        let roots = self.tpm.roots(RootKind::Hardware);
        verify(&self.tpm, certificates, &roots, now)
    }

    /// Issues this intermediate and this leaf and verifies them as certificates from the TPM.
    fn issued(&self, intermediate: Certificate, leaf: Certificate) -> Result<(), CertificateError> {
        let certificates = [self.intermediate.issue(leaf), self.tpm.root.issue(intermediate)];
        self.verify(&certificates, NOW)
    }
}

fn verify(
    tpm: &SoftwareTpm,
    certificates: &[Vec<u8>],
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let mut claim: Claim = tpm.claim();
    claim.challenge.challenge_expires_at = now.saturating_add(60);
    let mut evidence = tpm.evidence(&claim);
    evidence.certificates = certificates.to_vec();
    match verify_identity(&tpm.signed(&evidence).0, claim, roots, now) {
        Ok(_) => Ok(()),
        Err(AttestationError::Certificate(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_intermediate_is_found_in_the_tpm_or_among_the_roots() {
    let path = Path::new();
    let leaf = path.intermediate.issue(path.leaf());
    let intermediate = path.tpm.root.issue(path.intermediate());
    assert_eq!(path.verify(&[leaf.clone(), intermediate.clone()], NOW), Ok(()));
    let padded = [&intermediate[..], &[0xff; 20]].concat();
    assert_eq!(path.verify(&[leaf.clone(), padded], NOW), Ok(()));

    let roots = path.tpm.roots(RootKind::Hardware);
    let roots = roots.with_intermediates([intermediate.as_slice()]).unwrap();
    assert_eq!(verify(&path.tpm, std::slice::from_ref(&leaf), &roots, NOW), Ok(()));

    assert_eq!(path.verify(&[leaf], NOW), Err(CertificateError::UnknownIssuer));
}

#[test]
fn a_trusted_root_must_have_issued_the_certificate() {
    let path = Path::new();
    let leaf = [path.tpm.certificates[0].clone()];
    let of = |roots: &TrustRoots| verify(&path.tpm, &leaf, roots, NOW);
    assert_eq!(of(&path.tpm.roots(RootKind::Hardware)), Ok(()));
    assert_eq!(of(&TrustRoots::default()), Err(CertificateError::UnknownIssuer));
    let other = Authority::new("Other root");
    let roots = TrustRoots::new([(other.self_signed().as_slice(), RootKind::Hardware)]).unwrap();
    assert_eq!(of(&roots), Err(CertificateError::UnknownIssuer));
    // A root that the TPM itself brings is not trusted.
    let own = [leaf[0].clone(), path.tpm.root.self_signed()];
    assert_eq!(verify(&path.tpm, &own, &roots, NOW), Err(CertificateError::UnknownIssuer));
    // This root has the right name and another key.
    let namesake = Authority::root().self_signed();
    let roots = TrustRoots::new([(namesake.as_slice(), RootKind::Hardware)]).unwrap();
    assert_eq!(of(&roots), Err(CertificateError::Signature));
}

#[test]
fn every_certificate_must_be_within_its_validity() {
    let path = Path::new();
    let at = |intermediate: [&str; 2], leaf: [&str; 2]| {
        let within = |certificate: Certificate, [from, to]: [&str; 2]| {
            certificate.changed(|fields| {
                (fields.not_before, fields.not_after) = (from.into(), to.into());
            })
        };
        path.issued(within(path.intermediate(), intermediate), within(path.leaf(), leaf))
    };
    let (long, past, future) = (
        ["230101000000Z", "330101000000Z"],
        ["230101000000Z", "230601000000Z"],
        ["240101000000Z", "330101000000Z"],
    );
    // `now` is a validity of one second, the second of `NOW`. Both ends are inclusive.
    let now = ["231114221320Z"; 2];
    let (before, after) = (["230101000000Z", "231114221319Z"], ["231114221321Z", "330101000000Z"]);
    assert_eq!(at(now, now), Ok(()));
    for (intermediate, leaf, error) in [
        (long, past, CertificateError::Expired),
        (past, long, CertificateError::Expired),
        (long, before, CertificateError::Expired),
        (long, future, CertificateError::NotYetValid),
        (future, long, CertificateError::NotYetValid),
        (long, after, CertificateError::NotYetValid),
    ] {
        assert_eq!(at(intermediate, leaf), Err(error), "{intermediate:?} {leaf:?}");
    }
    let before_the_epoch = UnixTime::from_seconds(-1);
    let refused = path.verify(&path.tpm.certificates, before_the_epoch);
    assert_eq!(refused, Err(CertificateError::NotYetValid));
}

#[test]
fn every_issuer_must_be_an_authority() {
    let path = Path::new();
    let with = |intermediate: Certificate| path.issued(intermediate, path.leaf());
    let refused = Err(CertificateError::IssuerNotAuthority);
    let no_authority = der::sequence(&[]);
    assert_eq!(with(path.intermediate().with(BASIC_CONSTRAINTS, true, &no_authority)), refused);
    assert_eq!(with(path.intermediate().without(BASIC_CONSTRAINTS)), refused);
    // The authority may sign revocation lists, but not certificates.
    let crl_sign = [0x03, 0x02, 0x01, 0x02];
    assert_eq!(with(path.intermediate().with(KEY_USAGE, true, &crl_sign)), refused);
    for usage in [BOTH_SIGN, CERTIFICATE_SIGN] {
        assert_eq!(with(path.intermediate().with(KEY_USAGE, true, &usage)), Ok(()));
    }
    assert_eq!(with(path.intermediate().without(KEY_USAGE)), Ok(()));
}

#[test]
fn an_issuer_with_purposes_must_have_the_purpose_of_endorsement_keys() {
    let path = Path::new();
    let with = |purpose| {
        let purposes = der::sequence(&[&der::oid(purpose)]);
        path.issued(path.intermediate().with(EXTENDED_KEY_USAGE, false, &purposes), path.leaf())
    };
    assert_eq!(with(EK_CERTIFICATE), Ok(()));
    assert_eq!(with("1.3.6.1.5.5.7.3.1"), Err(CertificateError::Purpose));
}

#[test]
fn a_path_must_not_be_longer_than_its_issuers_allow() {
    let path = Path::new();
    let upper = Authority::new("Upper");
    let verify = |length: u8| {
        let constraint = der::sequence(&[&der::TRUE, &der::integer(length)]);
        let certificate = Certificate::authority("Upper", upper.public_key()).with(
            BASIC_CONSTRAINTS,
            true,
            &constraint,
        );
        path.verify(
            &[
                path.intermediate.issue(path.leaf()),
                upper.issue(path.intermediate()),
                path.tpm.root.issue(certificate),
            ],
            NOW,
        )
    };
    assert_eq!(verify(1), Ok(()));
    assert_eq!(verify(0), Err(CertificateError::Path));
}

#[test]
fn every_signature_must_be_made_by_the_issuer() {
    let path = Path::new();
    let leaf = path.intermediate.issue(path.leaf());
    // Another key signs under the intermediate's name, then under the root's name.
    let namesake = Authority::new("Intermediate").issue(path.leaf());
    let intermediate = path.tpm.root.issue(path.intermediate());
    let refused = path.verify(&[namesake, intermediate], NOW);
    assert_eq!(refused, Err(CertificateError::Signature));
    let forged = Authority::root().issue(path.intermediate());
    assert_eq!(path.verify(&[leaf, forged], NOW), Err(CertificateError::Signature));
}

#[test]
fn every_signature_must_use_an_accepted_algorithm() {
    let path = Path::new();
    // ECDSA with SHA-1 is no longer accepted. The second algorithm does not fit the key.
    for algorithm in ["1.2.840.10045.4.1", "1.3.101.112"] {
        let leaf = path.leaf().changed(|fields| fields.signature_algorithm = algorithm.into());
        let refused = path.issued(path.intermediate(), leaf);
        assert_eq!(refused, Err(CertificateError::SignatureAlgorithm), "{algorithm}");
    }
}
