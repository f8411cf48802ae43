//! Tests of an endorsement certificate's fields. In each test one field is wrong.

use device_key_types::attestation::EndorsementKeyKind;
use device_key_verifier::attestation::{AttestationError, CertificateError};

use crate::authority::{
    ATTRIBUTES, BASIC_CONSTRAINTS, CERTIFICATE_SIGN, Certificate, EK_CERTIFICATE,
    EXTENDED_KEY_USAGE, KEY_AGREEMENT, KEY_ENCIPHERMENT, KEY_USAGE, SUBJECT_ALT_NAME,
    directory_name, tpm_name,
};
use crate::der;
use crate::software_tpm::SoftwareTpm;

/// Changes a certificate of this kind of key, lets the root issue it, and verifies it.
fn verify_for(
    kind: EndorsementKeyKind,
    change: impl FnOnce(Certificate) -> Certificate,
) -> Result<(), CertificateError> {
    let tpm = SoftwareTpm::new(kind);
    let key = &tpm.endorsement_key;
    let certificate = Certificate::endorsement(key.spki.clone(), &key.usage);
    let der = tpm.root.issue(change(certificate));
    match tpm.identify(|evidence| evidence.certificates = vec![der]) {
        Ok(_) => Ok(()),
        Err(AttestationError::Certificate(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn verify(change: impl FnOnce(Certificate) -> Certificate) -> Result<(), CertificateError> {
    verify_for(EndorsementKeyKind::EccP256, change)
}

#[test]
fn padding_may_follow_a_certificate_but_malformed_der_is_refused() {
    let tpm = SoftwareTpm::p256();
    let der = &tpm.certificates[0];
    let error = |der: Vec<u8>| {
        tpm.identify(|evidence| evidence.certificates = vec![der]).map(|_| ()).map_err(|error| {
            match error {
                AttestationError::Certificate(error) => error,
                other => panic!("{other}"),
            }
        })
    };
    for padding in [&[][..], &[0; 100], &[0xff; 100], b"padding"] {
        assert_eq!(error([der, padding].concat()), Ok(()));
    }
    for malformed in [
        Vec::new(),
        vec![0x30],
        der[..der.len() - 1].to_vec(),
        [&[0, 0], &der[..]].concat(),
        vec![0x30, 0x80, 0, 0],
        vec![0xff; 100],
        b"-----BEGIN CERTIFICATE-----".to_vec(),
    ] {
        assert_eq!(error(malformed), Err(CertificateError::Malformed));
    }
}

#[test]
fn no_byte_can_be_changed() {
    let tpm = SoftwareTpm::p256();
    for index in 0..tpm.certificates[0].len() {
        let changed = tpm.identify(|evidence| evidence.certificates[0][index] ^= 1);
        let refused = changed.unwrap_err();
        assert!(matches!(refused, AttestationError::Certificate(_)), "byte {index}: {refused}");
    }
}

#[test]
fn the_version_must_be_3() {
    for version in
        [Vec::new(), der::explicit(0, &der::integer(1)), der::explicit(0, &der::integer(3))]
    {
        let refused = verify(|certificate| certificate.changed(|fields| fields.version = version));
        assert_eq!(refused, Err(CertificateError::Version));
    }
}

#[test]
fn the_certificate_must_not_belong_to_an_authority() {
    let authority = der::sequence(&[&der::TRUE]);
    let refused = verify(|certificate| certificate.with(BASIC_CONSTRAINTS, true, &authority));
    assert_eq!(refused, Err(CertificateError::IsAuthority));
    assert_eq!(verify(|certificate| certificate.without(BASIC_CONSTRAINTS)), Ok(()));
}

#[test]
fn the_certificate_must_be_for_endorsement_keys() {
    let of = |purposes: &[&str]| {
        let purposes: Vec<_> = purposes.iter().flat_map(|purpose| der::oid(purpose)).collect();
        let value = der::sequence(&[&purposes]);
        verify(|certificate| certificate.with(EXTENDED_KEY_USAGE, false, &value))
    };
    let (server, any) = ("1.3.6.1.5.5.7.3.1", "2.5.29.37.0");
    assert_eq!(of(&[server, EK_CERTIFICATE]), Ok(()));
    for purposes in [&[server][..], &[any], &["2.23.133.8.3"]] {
        assert_eq!(of(purposes), Err(CertificateError::Purpose), "{purposes:?}");
    }
    let refused = verify(|certificate| certificate.without(EXTENDED_KEY_USAGE));
    assert_eq!(refused, Err(CertificateError::Purpose));
}

#[test]
fn the_key_usage_must_fit_the_key() {
    for (kind, right, wrong) in [
        (EndorsementKeyKind::Rsa2048, KEY_ENCIPHERMENT, KEY_AGREEMENT),
        (EndorsementKeyKind::EccP256, KEY_AGREEMENT, KEY_ENCIPHERMENT),
        (EndorsementKeyKind::EccP384, KEY_AGREEMENT, KEY_ENCIPHERMENT),
    ] {
        let of = |usage: [u8; 4]| {
            verify_for(kind, |certificate| certificate.with(KEY_USAGE, true, &usage))
        };
        assert_eq!(of(right), Ok(()), "{kind}");
        assert_eq!(of(wrong), Err(CertificateError::KeyUsage), "{kind}");
        assert_eq!(of(CERTIFICATE_SIGN), Err(CertificateError::KeyUsage), "{kind}");
        let refused = verify_for(kind, |certificate| certificate.without(KEY_USAGE));
        assert_eq!(refused, Err(CertificateError::KeyUsage), "{kind}");
    }
}

#[test]
fn the_only_name_must_be_critical() {
    let name = tpm_name(&ATTRIBUTES);
    let not_critical = |certificate: Certificate| certificate.with(SUBJECT_ALT_NAME, false, &name);
    assert_eq!(verify(not_critical), Err(CertificateError::NameNotCritical));
    let with_subject = |certificate: Certificate| {
        not_critical(certificate).changed(|fields| fields.subject = der::common_name("TPM"))
    };
    assert_eq!(verify(with_subject), Ok(()));
}

#[test]
fn the_name_must_give_each_attribute_once() {
    let of = |name: Vec<u8>| verify(|certificate| certificate.with(SUBJECT_ALT_NAME, true, &name));
    let refused = Err(CertificateError::TpmAttributes);
    let [manufacturer, model, version] = ATTRIBUTES;
    // The attributes may come in any order, and among other attributes.
    let other = ("2.5.4.3", "a name");
    assert_eq!(of(tpm_name(&[version, other, model, manufacturer])), Ok(()));
    // Some manufacturers write the attributes as one relative name.
    let attributes = [manufacturer, model, version]
        .map(|(kind, text)| der::attribute(kind, &der::utf8_string(text)));
    assert_eq!(of(directory_name(&der::set(&[&attributes.concat()]))), Ok(()));

    for missing in 0..3 {
        let mut attributes = ATTRIBUTES.to_vec();
        let removed = attributes.remove(missing);
        assert_eq!(of(tpm_name(&attributes)), refused);
        assert_eq!(of(tpm_name(&[&ATTRIBUTES[..], &[removed]].concat())), refused);
    }
    // Names of other kinds are ignored, so this certificate does not describe a TPM.
    let domain = der::sequence(&[&der::tlv(0x82, b"tpm.example")]);
    assert_eq!(of(domain), refused);
    assert_eq!(verify(|certificate| certificate.without(SUBJECT_ALT_NAME)), refused);
}

#[test]
fn the_attributes_must_be_text_that_can_be_stored() {
    let of = |attributes: [(&str, &str); 3]| {
        let name = tpm_name(&attributes);
        verify(|certificate| certificate.with(SUBJECT_ALT_NAME, true, &name))
    };
    let refused = Err(CertificateError::TpmAttributes);
    let [manufacturer, model, version] = ATTRIBUTES;
    let longest = "é".repeat(32);
    assert_eq!(of([manufacturer, (model.0, &longest), (version.0, &longest)]), Ok(()));
    let too_long = "x".repeat(65);
    for text in ["", &too_long, "a\nb", "a\u{7f}"] {
        assert_eq!(of([manufacturer, (model.0, text), version]), refused, "{text:?}");
        assert_eq!(of([manufacturer, model, (version.0, text)]), refused, "{text:?}");
    }
    for text in ["", "49465800", "id:4946580", "id:494658000", "id:4946580G", "ID:49465800"] {
        assert_eq!(of([(manufacturer.0, text), model, version]), refused, "{text:?}");
    }
    // A printable string is text too. An integer and broken UTF-8 are not text.
    for (tag, content, verified) in [
        (0x13, &b"SLB 9672"[..], Ok(())),
        (0x02, b"\x01", refused),
        (0x0c, b"\xff\xfe", refused),
        (0x1e, b"\0S\0L", refused),
    ] {
        let attributes = [
            der::set(&[&der::attribute(manufacturer.0, &der::utf8_string(manufacturer.1))]),
            der::set(&[&der::attribute(model.0, &der::tlv(tag, content))]),
            der::set(&[&der::attribute(version.0, &der::utf8_string(version.1))]),
        ];
        assert_eq!(of_name(&attributes.concat()), verified, "tag {tag:#x}");
    }
}

fn of_name(relative_names: &[u8]) -> Result<(), CertificateError> {
    let name = directory_name(relative_names);
    verify(|certificate| certificate.with(SUBJECT_ALT_NAME, true, &name))
}

#[test]
fn extensions_must_be_well_formed_and_known_if_critical() {
    for kind in [KEY_USAGE, EXTENDED_KEY_USAGE, SUBJECT_ALT_NAME, BASIC_CONSTRAINTS] {
        let refused = verify(|certificate| certificate.with(kind, true, &[0x04, 0x01]));
        assert_eq!(refused, Err(CertificateError::Malformed), "{kind}");
        let twice = verify(|certificate| {
            certificate.changed(|fields| {
                let again = fields.extensions.iter().find(|(other, ..)| other == kind).cloned();
                fields.extensions.extend(again);
            })
        });
        assert_eq!(twice, Err(CertificateError::Malformed), "{kind}");
    }
    let unknown = |critical| {
        verify(|certificate| certificate.with("1.3.6.1.4.1.1", critical, &der::sequence(&[])))
    };
    assert_eq!(unknown(false), Ok(()));
    assert_eq!(unknown(true), Err(CertificateError::CriticalExtension));
}

#[test]
fn the_certified_key_must_have_the_only_encoding_of_its_kind() {
    let with_key = |kind, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        verify_for(kind, |certificate| {
            certificate.changed(|fields| fields.public_key = change(fields.public_key.clone()))
        })
    };
    let other = Err(CertificateError::OtherKey);
    let rsa = |algorithm: &str, exponent: &[u8]| {
        with_key(EndorsementKeyKind::Rsa2048, &|spki| {
            let modulus = &spki[spki.len() - 5 - 257..spki.len() - 5];
            let key = der::sequence(&[&der::tlv(2, modulus), &der::tlv(2, exponent)]);
            let algorithm = der::sequence(&[&der::oid(algorithm), &[0x05, 0x00]]);
            der::sequence(&[&algorithm, &der::bit_string(&key)])
        })
    };
    let (encryption, oaep, pss) =
        ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.7", "1.2.840.113549.1.1.10");
    assert_eq!(rsa(encryption, &[1, 0, 1]), Ok(()));
    assert_eq!(rsa(oaep, &[1, 0, 1]), Ok(()));
    assert_eq!(rsa(pss, &[1, 0, 1]), other);
    assert_eq!(rsa(encryption, &[3]), other);

    let (p256, p384) = ("1.2.840.10045.3.1.7", "1.3.132.0.34");
    for (kind, curve, other_curve, size) in [
        (EndorsementKeyKind::EccP256, p256, p384, 32),
        (EndorsementKeyKind::EccP384, p384, p256, 48),
    ] {
        let ecc = |algorithm: &str, curve: &str, compressed: bool| {
            with_key(kind, &|spki| {
                let point = &spki[spki.len() - 1 - 2 * size..];
                let half = [&[2 + (point[2 * size] & 1)], &point[1..=size]].concat();
                let point = if compressed { &half } else { point };
                let algorithm = der::sequence(&[&der::oid(algorithm), &der::oid(curve)]);
                der::sequence(&[&algorithm, &der::bit_string(point)])
            })
        };
        let (ec, ecdh) = ("1.2.840.10045.2.1", "1.3.132.1.12");
        assert_eq!(ecc(ec, curve, false), Ok(()), "{kind}");
        assert_eq!(ecc(ec, curve, true), other, "{kind}");
        assert_eq!(ecc(ec, other_curve, false), other, "{kind}");
        assert_eq!(ecc(ecdh, curve, false), other, "{kind}");
        let without_curve = with_key(kind, &|spki| {
            let point = &spki[spki.len() - 1 - 2 * size..];
            der::sequence(&[&der::sequence(&[&der::oid(ec)]), &der::bit_string(point)])
        });
        assert_eq!(without_curve, other, "{kind}");
    }
}
