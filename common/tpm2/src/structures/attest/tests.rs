//! Tests of the parsing of attestations.

use proptest::prelude::*;
use tpm2_protocol::data::{TpmsAttest, TpmuAttest};
use tpm2_protocol::{TpmMarshal, TpmUnmarshal, TpmWriter};

use super::*;
use crate::marshal::Writer;

fn name(byte: u8) -> Name {
    Name::sha256(&[byte])
}

/// A `TPMS_ATTEST` with every field set. `kind` is its type, `first` is the first Name of the
/// attested facts, and `last` is the field after it.
fn attest(kind: u16, first: &[u8], last: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .put_u32(GENERATED_VALUE)
        .and_then(|writer| writer.put_u16(kind))
        .and_then(|writer| writer.put_sized(name(1).as_bytes()))
        .and_then(|writer| writer.put_sized(&[9; 32]))
        .and_then(|writer| writer.put(&[0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 1]))
        .and_then(|writer| writer.put(&[0x20, 0x24, 1, 2, 3, 4, 5, 6]))
        .and_then(|writer| writer.put_sized(first))
        .and_then(|writer| writer.put_sized(last))
        .unwrap();
    writer.as_bytes().to_vec()
}

fn certify() -> Vec<u8> {
    attest(0x8017, name(2).as_bytes(), name(3).as_bytes())
}

fn creation() -> Vec<u8> {
    attest(0x801A, name(2).as_bytes(), &[5; 32])
}

#[test]
fn every_field_is_read() {
    let parsed = Attest::parse(&certify()).unwrap();
    assert_eq!(parsed.qualified_signer, name(1));
    assert_eq!(parsed.extra_data, [9; 32]);
    let clock = ClockInfo { clock: 0x0102, reset_count: 3, restart_count: 4, safe: true };
    assert_eq!(parsed.clock, clock);
    assert_eq!(parsed.firmware_version, 0x2024_0102_0304_0506);
    let expected = Attested::Certify { name: name(2), qualified_name: name(3) };
    assert_eq!(parsed.attested, expected);
    assert_eq!(parsed.as_bytes(), certify());

    let parsed = Attest::parse(&creation()).unwrap();
    let expected = Attested::Creation { object_name: name(2), creation_hash: vec![5; 32] };
    assert_eq!(parsed.attested, expected);
}

#[test]
fn the_independent_crate_reads_the_same_fields() {
    for bytes in [certify(), creation()] {
        let (theirs, rest) = TpmsAttest::unmarshal(&bytes).unwrap();
        assert!(rest.is_empty());
        let ours = Attest::parse(&bytes).unwrap();
        assert_eq!(&*theirs.extra_data, ours.extra_data);
        assert_eq!(theirs.clock_info.reset_count.value(), ours.clock.reset_count);
        let (name, other) = match (&theirs.attested, &ours.attested) {
            (TpmuAttest::Certify(theirs), Attested::Certify { name, qualified_name }) => {
                assert_eq!(&*theirs.qualified_name, qualified_name.as_bytes());
                (name, &theirs.name)
            }
            (TpmuAttest::Creation(theirs), Attested::Creation { object_name, creation_hash }) => {
                assert_eq!(&*theirs.creation_hash, creation_hash);
                (object_name, &theirs.object_name)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(name.as_bytes(), &**other);
        let mut buffer = [0; 512];
        let mut writer = TpmWriter::new(&mut buffer);
        theirs.marshal(&mut writer).unwrap();
        assert_eq!(writer.as_bytes(), ours.as_bytes());
    }
}

#[test]
fn malformed_statements_are_refused() {
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = certify();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        Attest::parse(&changed)
    };
    let value = |field, value| Err(MarshalError::Value { field, value });
    assert_eq!(with(0, &[0xfe]), value("magic", 0xfe54_4347));
    // TPM_ST_ATTEST_QUOTE has another union member.
    assert_eq!(with(4, &[0x80, 0x18]), value("type", 0x8018));
    // The offset is magic 4, type 2, signer 2 + 34, extraData 2 + 32, then 16 bytes of the clock.
    assert_eq!(with(92, &[2]), value("safe", 2));
    // A signer that is a handle: a TPM gives a handle if no key signs.
    assert_eq!(
        with(6, &[0, 4]),
        Err(MarshalError::Value { field: "name algorithm", value: 0x000b })
    );

    let mut longer = certify();
    longer.push(0);
    assert_eq!(Attest::parse(&longer), Err(MarshalError::Trailing { count: 1 }));
    for length in 0..longer.len() - 1 {
        assert!(Attest::parse(&longer[..length]).is_err(), "{length}");
    }
    assert!(Attest::parse(&attest(0x801A, name(2).as_bytes(), &[5; 65])).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), creation in any::<bool>()) {
        let _ = Attest::parse(&bytes);
        let mut tagged = vec![0xff, 0x54, 0x43, 0x47, 0x80, if creation { 0x1A } else { 0x17 }];
        tagged.extend_from_slice(&bytes);
        let _ = Attest::parse(&tagged);
    }

    #[test]
    fn a_changed_byte_never_panics(at in 0usize..180, byte in any::<u8>(), creating in any::<bool>()) {
        let mut bytes = if creating { creation() } else { certify() };
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Ok(attest) = Attest::parse(&bytes) {
            prop_assert_eq!(attest.as_bytes(), &bytes[..]);
        }
    }
}
