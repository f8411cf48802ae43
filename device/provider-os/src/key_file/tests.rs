//! Tests of the key file format, some of them against OpenSSL.

use std::io::Write as _;
use std::process::{Command, Stdio};

use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::KeyPair as _;

use super::*;

fn key_id(number: u8) -> DeviceKeyId {
    DeviceKeyId::from_random_bytes([number; 32])
}

fn generate() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn wrapping_key(number: u8) -> WrappingKey {
    WrappingKey::from_bytes([number; 32])
}

/// Reads the file, which must fail, and returns the error.
fn read_error(number: u8, file: &[u8], wrapping_key: Option<&WrappingKey>) -> KeyFileError {
    read(&key_id(number), file, wrapping_key).unwrap_err()
}

#[test]
fn a_written_file_is_read_back() {
    let pair = generate();
    for wrapping_key in [None, Some(wrapping_key(1))] {
        let file = write(&key_id(1), &pair, wrapping_key.as_ref()).unwrap();
        assert!(file.len() <= MAX_FILE_BYTES);
        let again = read(&key_id(1), &file, wrapping_key.as_ref()).unwrap();
        assert_eq!(again.public_key().as_ref(), pair.public_key().as_ref());
        assert!(!is_imported(&key_id(1), &file));
    }
}

/// OpenSSL reads the file and finds our public key and our attribute in it.
#[test]
fn openssl_reads_the_key() {
    let pair = generate();
    let file = write(&key_id(1), &pair, None).unwrap();
    let arguments = ["pkey", "-inform", "DER", "-pubout", "-outform", "DER"];
    let public = openssl(&arguments, &file);
    assert!(public.ends_with(pair.public_key().as_ref()));
    let structure = openssl(&["asn1parse", "-inform", "DER"], &file);
    let structure = String::from_utf8(structure).unwrap();
    let expected = format!("device-key-os/v1 {}", key_id(1));
    assert!(structure.contains(&expected), "{structure}");
}

#[test]
fn foreign_keys_are_reported_as_imported() {
    let pair = generate();
    let bare = pair.to_pkcs8v1().unwrap();
    let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
    let generated = openssl(
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER"],
        b"",
    );
    let pem = openssl(&["pkey", "-inform", "DER"], &generated);
    for foreign in [bare.as_ref(), sec1.as_ref(), &generated, &pem] {
        assert!(is_imported(&key_id(1), foreign));
        for wrapping_key in [None, Some(&wrapping_key(1))] {
            assert!(matches!(read_error(1, foreign, wrapping_key), KeyFileError::Imported));
        }
    }
}

#[test]
fn a_file_of_another_key_id_is_refused() {
    let file = write(&key_id(1), &generate(), None).unwrap();
    assert!(matches!(read_error(2, &file, None), KeyFileError::OtherName));
    assert!(!is_imported(&key_id(2), &file));
}

#[test]
fn an_encrypted_file_opens_only_with_its_wrapping_key_and_key_id() {
    let (right, wrong) = (wrapping_key(1), wrapping_key(2));
    let file = write(&key_id(1), &generate(), Some(&right)).unwrap();
    assert!(matches!(read_error(1, &file, None), KeyFileError::Wrapped));
    assert!(matches!(read_error(1, &file, Some(&wrong)), KeyFileError::Unwrap(_)));
    assert!(matches!(read_error(2, &file, Some(&right)), KeyFileError::Unwrap(_)));
    let plain = write(&key_id(1), &generate(), None).unwrap();
    assert!(matches!(read_error(1, &plain, Some(&right)), KeyFileError::NotWrapped));
}

#[test]
fn a_file_with_any_changed_byte_is_refused() {
    let file = write(&key_id(1), &generate(), None).unwrap();
    for place in 0..file.len() {
        let mut changed = file.to_vec();
        changed[place] ^= 1;
        let error = read_error(1, &changed, None);
        // If the attribute is changed, the file may be taken for a foreign key.
        let may_be_imported = (MARKED_HEADER.len() + BODY_BYTES..).contains(&place);
        let is_right = match error {
            KeyFileError::Damaged | KeyFileError::OtherName => true,
            KeyFileError::Imported => may_be_imported,
            _ => false,
        };
        assert!(is_right, "byte {place}: {error:?}");
    }
    for length in 0..file.len() {
        assert!(matches!(read_error(1, &file[..length], None), KeyFileError::Damaged), "{length}");
    }
    let longer = [&file[..], b"\0"].concat();
    assert!(matches!(read_error(1, &longer, None), KeyFileError::Damaged));
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}
