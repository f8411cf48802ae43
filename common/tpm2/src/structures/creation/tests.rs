//! Tests of the parsing of creation data and tickets.

use proptest::prelude::*;
use tpm2_protocol::data::TpmsCreationData;
use tpm2_protocol::{TpmMarshal, TpmUnmarshal, TpmWriter};

use super::*;

const ENDORSEMENT: [u8; 4] = [0x40, 0, 0, 0x0B];

/// Creation data with these fields about the parent. One bank is selected so that the list is not
/// empty.
fn creation_data(algorithm: u16, parent: &[u8], qualified: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .put(&[0, 0, 0, 1, 0, 0x0b, 3, 0x80, 0, 1])
        .and_then(|writer| writer.put_sized(&[6; 32]))
        .and_then(|writer| writer.put(&[1]))
        .and_then(|writer| writer.put_u16(algorithm))
        .and_then(|writer| writer.put_sized(parent))
        .and_then(|writer| writer.put_sized(qualified))
        .and_then(|writer| writer.put_sized(b"outside"))
        .unwrap();
    writer.as_bytes().to_vec()
}

fn primary() -> Vec<u8> {
    creation_data(ALG_NULL, &ENDORSEMENT, &ENDORSEMENT)
}

#[test]
fn every_field_is_read() {
    let data = CreationData::parse(&primary()).unwrap();
    let bank = PcrSelection { hash_algorithm: 0x000b, bitmap: vec![0x80, 0, 1] };
    assert_eq!(data.pcr_select, [bank]);
    assert_eq!(data.pcr_digest, [6; 32]);
    assert_eq!(data.locality, 1);
    assert_eq!(data.outside_info, b"outside");
    assert_eq!(data.hierarchy(), Some(Handle::ENDORSEMENT));
    assert_eq!(data.as_bytes(), primary());
    let hash = HashAlgorithm::Sha256.digest(&[&primary()]);
    assert_eq!(data.hash(HashAlgorithm::Sha256), hash);
}

#[test]
fn the_parent_is_a_hierarchy_only_if_all_fields_agree() {
    let hierarchy = |algorithm, parent: &[u8], qualified: &[u8]| {
        CreationData::parse(&creation_data(algorithm, parent, qualified)).unwrap().hierarchy()
    };
    assert_eq!(hierarchy(ALG_NULL, &[0x40, 0, 0, 1], &[0x40, 0, 0, 1]), Some(Handle::OWNER));
    assert_eq!(hierarchy(ALG_NULL, &ENDORSEMENT, &[0x40, 0, 0, 1]), None);
    assert_eq!(hierarchy(0x000b, &ENDORSEMENT, &ENDORSEMENT), None);
    assert_eq!(hierarchy(ALG_NULL, &[1; 34], &[1; 34]), None);
    assert_eq!(hierarchy(0x000b, &[1; 34], &[2; 34]), None);
}

#[test]
fn the_independent_crate_reads_the_same_fields() {
    let bytes = primary();
    let (theirs, rest) = TpmsCreationData::unmarshal(&bytes).unwrap();
    assert!(rest.is_empty());
    assert_eq!(&*theirs.outside_info, b"outside");
    assert_eq!(&*theirs.parent_name, &ENDORSEMENT);
    let mut buffer = [0; 512];
    let mut writer = TpmWriter::new(&mut buffer);
    theirs.marshal(&mut writer).unwrap();
    assert_eq!(writer.as_bytes(), CreationData::parse(&bytes).unwrap().as_bytes());
}

#[test]
fn a_parse_covers_the_whole_input_and_trusts_no_count() {
    let mut longer = primary();
    longer.push(0);
    assert_eq!(CreationData::parse(&longer), Err(MarshalError::Trailing { count: 1 }));
    for length in 0..longer.len() - 1 {
        assert!(CreationData::parse(&longer[..length]).is_err(), "{length}");
    }
    for many in [17, u32::MAX] {
        let parsed = CreationData::parse(&many.to_be_bytes());
        assert_eq!(parsed, Err(MarshalError::Value { field: "pcrSelect", value: many.into() }));
    }
    let wide = CreationData::parse(&[0, 0, 0, 1, 0, 0x0b, 5, 0, 0, 0, 0, 0]);
    assert!(matches!(wide, Err(MarshalError::TooLong { field: "sizeofSelect", .. })));
}

#[test]
fn a_ticket_builds_the_same_bytes_and_debug_hides_its_digest() {
    let bytes = [&[0x80, 0x21, 0x40, 0, 0, 0x0B, 0, 2][..], b"ab"].concat();
    let ticket = CreationTicket::parse(&mut Reader::new(&bytes)).unwrap();
    let mut writer = Writer::new();
    ticket.build(&mut writer).unwrap();
    assert_eq!(writer.as_bytes(), bytes);
    assert_eq!(format!("{ticket:?}"), "CreationTicket(0x4000000b)");
    // The tag TPM_ST_HASHCHECK.
    assert!(CreationTicket::parse(&mut Reader::new(&[0x80, 0x24, 0, 0, 0, 0, 0, 0])).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..160), banks in 0u8..4) {
        let mut counted = vec![0, 0, 0, banks];
        counted.extend_from_slice(&bytes);
        for input in [&bytes, &counted] {
            if let Ok(data) = CreationData::parse(input) {
                prop_assert_eq!(data.as_bytes(), &input[..]);
                let _ = data.hierarchy();
            }
            let _ = CreationEvidence::parse(&mut Reader::new(input));
        }
    }

    #[test]
    fn a_changed_byte_never_panics(at in 0usize..90, byte in any::<u8>()) {
        let mut bytes = primary();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = CreationData::parse(&bytes);
    }
}
