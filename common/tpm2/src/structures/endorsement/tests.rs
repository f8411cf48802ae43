//! Tests of the templates and public areas of endorsement keys.

use proptest::prelude::*;
use tpm2_protocol::data::{TpmtPublic, TpmuPublicId};
use tpm2_protocol::{TpmMarshal, TpmUnmarshal, TpmWriter};

use super::*;
use p384::elliptic_curve::sec1::ToSec1Point as _;

/// The public area of the template with a key in its unique field.
fn area(template: EndorsementTemplate) -> Vec<u8> {
    let mut writer = Writer::new();
    template.build_area(&mut writer).unwrap();
    match template {
        EndorsementTemplate::Rsa2048 => {
            writer.put_sized(&[0xc3; MODULUS]).unwrap();
        }
        EndorsementTemplate::EccP256 => {
            let key = p256::SecretKey::from_slice(&[5; 32]).unwrap().public_key();
            EccPoint::from(key).build(&mut writer).unwrap();
        }
        EndorsementTemplate::EccP384 => {
            let key = p384::SecretKey::from_slice(&[5; 48]).unwrap().public_key();
            let point = key.to_sec1_point(false);
            writer.put_sized(point.x().unwrap()).unwrap().put_sized(point.y().unwrap()).unwrap();
        }
    }
    writer.as_bytes().to_vec()
}

/// The offset of the unique field.
fn unique_at(template: EndorsementTemplate) -> usize {
    let mut writer = Writer::new();
    template.build_area(&mut writer).unwrap();
    writer.as_bytes().len()
}

#[test]
fn public_areas_of_the_templates_are_parsed() {
    for template in EndorsementTemplate::ALL {
        let area = area(template);
        let public = EndorsementPublic::parse(&area).unwrap();
        assert_eq!(public.template(), template);
        assert_eq!(public.as_bytes(), area);
        let algorithm = template.name_algorithm();
        assert_eq!(public.name().as_bytes()[..2], algorithm.identifier().to_be_bytes());
        assert_eq!(public.name().as_bytes()[2..], algorithm.digest(&[&area]));
        match public.key() {
            EndorsementKey::Rsa2048(modulus) => assert_eq!(modulus, &[0xc3; MODULUS]),
            EndorsementKey::EccP256(point) => assert_eq!(area[area.len() - 32..], point.y()),
            EndorsementKey::EccP384(point) => assert_eq!(&area[area.len() - 48..], point.y()),
        }
    }
}

/// The `TPMA_OBJECT` (Part 2, 8.3) added up by hand: bits 1, 4, 5, 7, 16 and 17, and also bit 6 for
/// the high range.
#[test]
fn attributes_match_the_profile() {
    let bits = EndorsementTemplate::ALL.map(|template| template.attributes().bits());
    assert_eq!(bits, [0x0003_00b2, 0x0003_00b2, 0x0003_00f2]);
}

/// `TPM2_PolicySecret` (Part 3, 23.4) extends the policy first with its command code and the Name
/// of the entity, and then with an empty `policyRef`.
#[test]
fn the_low_range_policy_is_a_single_policy_secret() {
    let hash = HashAlgorithm::Sha256;
    let named = hash.digest(&[&[0; 32], &[0, 0, 1, 0x51], &[0x40, 0, 0, 0x0B]]);
    assert_eq!(hash.digest(&[&named]), POLICY_A_SHA256);
}

#[test]
fn the_independent_crate_reads_our_templates() {
    for template in EndorsementTemplate::ALL {
        let mut writer = Writer::new();
        template.build_tpm2b(&mut writer).unwrap();
        let (size, area) = writer.as_bytes().split_at(2);
        assert_eq!(usize::from(size[0]) << 8 | usize::from(size[1]), area.len());
        let (theirs, rest) = TpmtPublic::unmarshal(area).unwrap();
        assert!(rest.is_empty());
        let mut buffer = [0; 512];
        let mut again = TpmWriter::new(&mut buffer);
        theirs.marshal(&mut again).unwrap();
        assert_eq!(again.as_bytes(), area);
        let unique = match &theirs.unique {
            TpmuPublicId::Rsa(modulus) => (modulus.len(), 0),
            TpmuPublicId::Ecc(point) => (point.x.len(), point.y.len()),
            other => panic!("{other:?}"),
        };
        let expected = match template {
            EndorsementTemplate::Rsa2048 => (256, 0),
            EndorsementTemplate::EccP256 => (32, 32),
            EndorsementTemplate::EccP384 => (0, 0),
        };
        assert_eq!(unique, expected);
    }
}

#[test]
fn a_changed_bit_before_the_key_makes_it_another_kind_of_object() {
    for template in EndorsementTemplate::ALL {
        let area = area(template);
        for bit in 0..unique_at(template) * 8 {
            let mut changed = area.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let parsed = EndorsementPublic::parse(&changed);
            assert_eq!(parsed, Err(MarshalError::NotEndorsementKey), "{template:?} bit {bit}");
        }
    }
}

#[test]
fn keys_of_another_size_or_off_their_curve_are_refused() {
    for template in EndorsementTemplate::ALL {
        let area = area(template);
        for length in 0..area.len() {
            assert!(EndorsementPublic::parse(&area[..length]).is_err(), "{template:?} {length}");
        }
        let longer = [&area[..], &[0]].concat();
        let parsed = EndorsementPublic::parse(&longer);
        assert_eq!(parsed, Err(MarshalError::Trailing { count: 1 }));
        let mut changed = area.clone();
        // The first byte of the modulus or of x.
        changed[unique_at(template) + 2] = 0x01;
        let expected = match template {
            EndorsementTemplate::Rsa2048 => MarshalError::Value { field: "modulus", value: 1 },
            _ => MarshalError::NotOnCurve,
        };
        assert_eq!(EndorsementPublic::parse(&changed), Err(expected));
    }
    // A shorter modulus with a correct size field.
    let template = EndorsementTemplate::Rsa2048;
    let mut short = Writer::new();
    template.build_area(&mut short).unwrap();
    short.put_sized(&[0xc3; 128]).unwrap();
    assert!(EndorsementPublic::parse(short.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0usize..3) {
        let _ = EndorsementPublic::parse(&bytes);
        let mut writer = Writer::new();
        EndorsementTemplate::ALL[which].build_area(&mut writer).unwrap();
        writer.put(&bytes).unwrap();
        if let Ok(public) = EndorsementPublic::parse(writer.as_bytes()) {
            prop_assert_eq!(public.as_bytes(), writer.as_bytes());
        }
    }
}
