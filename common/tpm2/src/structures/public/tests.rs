//! Tests of the templates and public areas of P-256 keys.

use proptest::prelude::*;
use tpm2_protocol::data::{TpmtPublic, TpmuPublicId, TpmuPublicParms};
use tpm2_protocol::{TpmMarshal, TpmUnmarshal, TpmWriter};

use super::*;

fn point(number: u64) -> EccPoint {
    let mut scalar = [0; 32];
    scalar[..8].copy_from_slice(&number.to_be_bytes());
    scalar[31] = 1;
    p256::SecretKey::from_slice(&scalar).unwrap().public_key().into()
}

fn without(attributes: ObjectAttributes, removed: ObjectAttributes) -> ObjectAttributes {
    ObjectAttributes::try_from(attributes.bits() & !removed.bits()).unwrap()
}

/// Decodes the area with the independent crate and encodes it again with that crate.
fn reencoded(area: &[u8]) -> (TpmtPublic, Vec<u8>) {
    let (public, rest) = TpmtPublic::unmarshal(area).unwrap();
    assert!(rest.is_empty());
    let mut buffer = [0; MAX_PUBLIC];
    let mut writer = TpmWriter::new(&mut buffer);
    public.marshal(&mut writer).unwrap();
    (public, writer.as_bytes().to_vec())
}

#[test]
fn the_independent_crate_reads_our_templates() {
    for (template, x) in [
        (EccP256Template::storage_root_key(), &[][..]),
        (EccP256Template::device_key(), &[]),
        (EccP256Template::attestation_key(), &[7; 32]),
    ] {
        let mut writer = Writer::new();
        template.build_tpm2b(x, &mut writer).unwrap();
        let (size, area) = writer.as_bytes().split_at(2);
        assert_eq!(usize::from(size[0]) << 8 | usize::from(size[1]), area.len());
        let (public, bytes) = reencoded(area);
        assert_eq!(bytes, area);
        assert_eq!(
            public.object_attributes.bits(),
            template.attributes.bits(),
            "{:?}",
            public.object_attributes
        );
        let TpmuPublicId::Ecc(unique) = public.unique else {
            panic!("not an ECC area");
        };
        assert_eq!((&*unique.x, &*unique.y), (x, &[][..]));
        assert!(matches!(public.parameters, TpmuPublicParms::Ecc(_)));
    }
}

#[test]
fn attributes_of_the_templates_are_the_intended_bits() {
    // The TPMA_OBJECT (Part 2, 8.3) added up by hand: bits 1, 4, 5, 6 and 10, and bits 16, 17 or
    // 18.
    assert_eq!(EccP256Template::storage_root_key().attributes.bits(), 0x0003_0472);
    assert_eq!(EccP256Template::device_key().attributes.bits(), 0x0004_0472);
    assert_eq!(EccP256Template::attestation_key().attributes.bits(), 0x0005_0472);
}

#[test]
fn a_storage_root_key_may_lack_no_da_and_nothing_else() {
    let key = EccP256Template::storage_root_key();
    assert!(key.is_storage_root_key());
    let change = |change: fn(&mut EccP256Template)| {
        let mut changed = key.clone();
        change(&mut changed);
        changed.is_storage_root_key()
    };
    assert!(change(|key| key.attributes = without(key.attributes, ObjectAttributes::NO_DA)));
    assert!(!change(|key| key.attributes = without(key.attributes, ObjectAttributes::FIXED_TPM)));
    assert!(!change(|key| key.attributes = without(key.attributes, ObjectAttributes::RESTRICTED)));
    assert!(!change(|key| key.attributes = key.attributes | ObjectAttributes::SIGN));
    assert!(!change(|key| key.symmetric = Symmetric::Null));
    assert!(!change(|key| key.scheme = Scheme::EcdsaSha256));
    assert!(!change(|key| key.policy = vec![0; 32]));
    assert!(!EccP256Template::device_key().is_storage_root_key());
}

#[test]
fn other_keys_are_distinguished_from_malformed_ones() {
    let known = EccP256Public::new(EccP256Template::device_key(), point(1)).unwrap();
    let with = |offset: usize, bytes: [u8; 2]| {
        let mut area = known.as_bytes().to_vec();
        area[offset..offset + 2].copy_from_slice(&bytes);
        PublicArea::parse(&area)
    };
    // The offsets are type 0, nameAlg 2, attributes 4, policy 8, symmetric 10, scheme 12, hash 14,
    // curve 16, kdf 18.
    assert!(matches!(with(0, [0, 1]), Ok(PublicArea::Other(_))), "RSA");
    assert!(matches!(with(2, [0, 0x0c]), Ok(PublicArea::Other(_))), "SHA-384 name");
    assert!(matches!(with(4, [0x80, 4]), Ok(PublicArea::Other(_))), "reserved bit");
    assert!(matches!(with(12, [0, 0x1a]), Ok(PublicArea::Other(_))), "ECDAA");
    assert!(matches!(with(14, [0, 0x0c]), Ok(PublicArea::Other(_))), "SHA-384 scheme");
    assert!(matches!(with(16, [0, 4]), Ok(PublicArea::Other(_))), "P-384");
    assert!(matches!(with(18, [0, 0x20]), Ok(PublicArea::Other(_))), "KDF");
    assert_eq!(with(22, [0xff, 0xff]), Err(MarshalError::NotOnCurve));
    let mut longer = known.as_bytes().to_vec();
    longer.push(0);
    assert_eq!(PublicArea::parse(&longer), Err(MarshalError::Trailing { count: 1 }));
    assert!(PublicArea::parse(&longer[..40]).is_err());
}

proptest! {
    #[test]
    fn built_areas_parse_back(number in any::<u64>(), bits in any::<u32>(), parent in any::<bool>(),
                                 signs in any::<bool>(), policy in any::<bool>()) {
        let attributes = ObjectAttributes::try_from(bits & 0x000f_0cf6).unwrap();
        let template = EccP256Template {
            attributes,
            policy: if policy { vec![7; 32] } else { Vec::new() },
            symmetric: if parent { Symmetric::Aes128Cfb } else { Symmetric::Null },
            scheme: if signs { Scheme::EcdsaSha256 } else { Scheme::Null },
        };
        let public = EccP256Public::new(template, point(number)).unwrap();
        prop_assert_eq!(&EccP256Public::from_tpm2b(&public.to_tpm2b()).unwrap(), &public);
        prop_assert_eq!(reencoded(public.as_bytes()).1, public.as_bytes());
    }

    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = PublicArea::parse(&bytes);
        let mut ecc = vec![0x00, 0x23, 0x00, 0x0b];
        ecc.extend_from_slice(&bytes);
        let _ = PublicArea::parse(&ecc);
        let _ = EccP256Public::from_tpm2b(&bytes);
    }

    #[test]
    fn a_damaged_area_parses_to_itself_or_not_at_all(at in 0usize..86, byte in any::<u8>()) {
        let mut area = EccP256Public::new(EccP256Template::device_key(), point(9)).unwrap().area;
        if let Some(place) = area.get_mut(at) {
            *place = byte;
        }
        match PublicArea::parse(&area) {
            Ok(PublicArea::EccP256(public)) => {
                let rebuilt = EccP256Public::new(public.template.clone(), public.point.clone()).unwrap();
                prop_assert_eq!(rebuilt.as_bytes(), &area[..]);
            }
            Ok(PublicArea::Other(other)) => prop_assert_eq!(other.area, area),
            Err(_) => {}
        }
    }
}
