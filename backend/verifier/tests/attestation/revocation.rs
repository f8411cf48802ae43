//! Tests of revoked certificates.

use device_key_testing::samples::NOW;
use device_key_verifier::attestation::{
    AttestationError, CertificateError, RevocationPolicy, RootKind, verify_identity,
};

use crate::authority::{Authority, CERTIFICATE_SIGN, Certificate, KEY_AGREEMENT, KEY_USAGE};
use crate::software_tpm::SoftwareTpm;

const LEAF: u8 = 7;
const INTERMEDIATE: u8 = 8;
const LATER: &str = "330101000000Z";

struct Path {
    tpm: SoftwareTpm,
    intermediate: Authority,
    intermediate_certificate: Certificate,
}

impl Path {
    fn new() -> Self {
        let intermediate = Authority::new("Intermediate");
        let certificate = Certificate::authority("Intermediate", intermediate.public_key())
            .changed(|fields| fields.serial = INTERMEDIATE);
        Self { tpm: SoftwareTpm::p256(), intermediate, intermediate_certificate: certificate }
    }

    fn verify(&self, lists: &[Vec<u8>], policy: RevocationPolicy) -> Result<(), CertificateError> {
        let leaf = Certificate::endorsement(self.tpm.endorsement_key.spki.clone(), &KEY_AGREEMENT);
        let mut evidence = self.tpm.evidence(&self.tpm.claim());
        evidence.certificates = vec![
            self.intermediate.issue(leaf),
            self.tpm.root.issue(self.intermediate_certificate.clone()),
        ];
        let roots = self.tpm.roots(RootKind::Hardware);
        let roots = roots.with_revocation_lists(lists.iter().map(Vec::as_slice), policy).unwrap();
        match verify_identity(&self.tpm.signed(&evidence).0, self.tpm.claim(), &roots, NOW) {
            Ok(_) => Ok(()),
            Err(AttestationError::Certificate(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    }
}

const BOTH: [RevocationPolicy; 2] = [RevocationPolicy::WhereListed, RevocationPolicy::Everywhere];

#[test]
fn a_listed_certificate_is_refused() {
    let path = Path::new();
    for policy in BOTH {
        let verify = |by_root: &[u8], by_intermediate: &[u8]| {
            let lists = [
                path.tpm.root.revoke(by_root, LATER),
                path.intermediate.revoke(by_intermediate, LATER),
            ];
            path.verify(&lists, policy)
        };
        assert_eq!(verify(&[], &[]), Ok(()));
        // A serial number is unique only for its issuer.
        assert_eq!(verify(&[LEAF], &[INTERMEDIATE]), Ok(()));
        assert_eq!(verify(&[], &[1, LEAF]), Err(CertificateError::Revoked));
        assert_eq!(verify(&[INTERMEDIATE], &[]), Err(CertificateError::Revoked));
    }
}

#[test]
fn the_policy_decides_about_a_missing_list() {
    let path = Path::new();
    let unknown = Err(CertificateError::RevocationUnknown);
    let by_root = path.tpm.root.revoke(&[], LATER);
    let by_intermediate = path.intermediate.revoke(&[], LATER);
    for lists in [vec![], vec![by_root], vec![by_intermediate]] {
        assert_eq!(path.verify(&lists, RevocationPolicy::WhereListed), Ok(()));
        assert_eq!(path.verify(&lists, RevocationPolicy::Everywhere), unknown);
    }
    assert_eq!(RevocationPolicy::default(), RevocationPolicy::WhereListed);
}

#[test]
fn a_list_past_its_next_update_is_refused() {
    let path = Path::new();
    let lists = [path.tpm.root.revoke(&[], "231114221319Z")];
    let refused = path.verify(&lists, RevocationPolicy::WhereListed);
    assert_eq!(refused, Err(CertificateError::RevocationListExpired));
    let lists = [path.tpm.root.revoke(&[], "231114221321Z")];
    assert_eq!(path.verify(&lists, RevocationPolicy::WhereListed), Ok(()));
}

#[test]
fn a_list_must_be_signed_by_its_issuer() {
    let mut path = Path::new();
    let forged = Authority::new("Intermediate").revoke(&[], LATER);
    let refused = path.verify(&[forged], RevocationPolicy::WhereListed);
    assert_eq!(refused, Err(CertificateError::RevocationListSignature));
    // The issuer may sign certificates, but not lists.
    path.intermediate_certificate =
        path.intermediate_certificate.clone().with(KEY_USAGE, true, &CERTIFICATE_SIGN);
    let list = path.intermediate.revoke(&[], LATER);
    let refused = path.verify(&[list], RevocationPolicy::WhereListed);
    assert_eq!(refused, Err(CertificateError::RevocationListSignature));
}
