//! Tests of the decoding and the classes of response codes.

use proptest::prelude::*;
use tpm2_protocol::data::{TpmRc, TpmRcIndex};

use super::*;

fn class(value: u32) -> ResponseClass {
    ResponseCode::from_header(value).unwrap().class()
}

#[test]
fn codes_have_the_expected_classes() {
    for (value, expected) in [
        (0x908, ResponseClass::Retry),
        (0x90a, ResponseClass::Retry),
        (0x922, ResponseClass::Retry),
        (0x921, ResponseClass::Lockout),
        (0x98e, ResponseClass::Authorization),
        (0x9a2, ResponseClass::Authorization),
        (0x1df, ResponseClass::Integrity),
        (0x2a5, ResponseClass::Integrity),
        (0x18b, ResponseClass::HandleMissing),
        (0x28b, ResponseClass::HandleMissing),
        (0x000b_018b, ResponseClass::HandleMissing),
        (0x910, ResponseClass::HandleMissing),
        (0x918, ResponseClass::SessionMissing),
        (0x902, ResponseClass::ObjectMemory),
        (0x903, ResponseClass::SessionMemory),
        (0x905, ResponseClass::SessionMemory),
        (0x906, ResponseClass::ObjectHandles),
        (0x100, ResponseClass::Initialize),
        (0x101, ResponseClass::Failure),
        (0x14b, ResponseClass::NvSpace),
        (0x14c, ResponseClass::NvDefined),
        (0x920, ResponseClass::NvUnavailable),
        (0x185, ResponseClass::Hierarchy),
        (0x01e, ResponseClass::Other),
        (0x000a_018b, ResponseClass::Other),
        (0x0001_0922, ResponseClass::Other),
    ] {
        assert_eq!(class(value), expected, "{value:#x}");
    }
}

#[test]
fn a_bad_parameter_is_not_a_missing_handle() {
    // This is TPM_RC_HANDLE about parameter 1: a wrong value in the command, not an empty handle.
    assert_eq!(class(0x1cb), ResponseClass::Other);
}

#[test]
fn subjects_are_counted_from_one() {
    let subject = |value| match ResponseCode(value).decode() {
        Decoded::FormatOne { code, subject } => (code, subject),
        other => panic!("{other:?}"),
    };
    assert_eq!(subject(0x1df), (0x09f, Subject::Parameter(1)));
    assert_eq!(subject(0x98e), (0x08e, Subject::Session(1)));
    assert_eq!(subject(0x18b), (0x08b, Subject::Handle(1)));
    assert_eq!(ResponseCode(0x1df).to_string(), "0x1df (parameter 1)");
    assert_eq!(ResponseCode::from_header(0), None);
}

proptest! {
    #[test]
    fn decoding_never_panics(value in 1u32..) {
        let code = ResponseCode::from_header(value).unwrap();
        let _ = (code.class().reason(), code.to_string());
    }

    #[test]
    fn the_independent_crate_finds_the_same_subject(value in 1u32..0x1000) {
        if let (Ok(theirs), Decoded::FormatOne { code, subject }) =
            (TpmRc::try_from(value), ResponseCode(value).decode())
        {
            let index = match theirs {
                TpmRc::Fmt1(fmt1) => fmt1.index,
                _ => None,
            };
            if let Some(index) = index {
                let expected = match index {
                    TpmRcIndex::Parameter(number) => Subject::Parameter(number),
                    TpmRcIndex::Handle(number) => Subject::Handle(number),
                    TpmRcIndex::Session(number) => Subject::Session(number),
                };
                prop_assert_eq!(subject, expected);
            }
            prop_assert_eq!(theirs.base().value(), u32::from(code));
        }
    }
}
