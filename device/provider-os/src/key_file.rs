//! The format of key files. A key file holds an unencrypted PKCS#8 `PrivateKeyInfo` (RFC 5208
//! section 5) in DER with one attribute. The attribute says that this service generated the key,
//! and for which key id. Other software reads the key and ignores the attribute. A key without the
//! attribute was made elsewhere, and a key whose attribute names another id is in a renamed file.
//! The provider uses neither. The attribute does not protect against anyone who can write the file;
//! the mode of the folder keeps other users out. If there is a wrapping key, the whole file is
//! encrypted.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use device_key_private_fs::{FileName, PrivateDir};
use device_key_types::DeviceKeyId;
use device_key_wrapping::{WrappedFiles, WrappingKey, is_wrapped};
use zeroize::Zeroizing;

use crate::error::{KeyFileError, OperationError};

#[cfg(test)]
mod tests;

/// The longest file accepted, in bytes. Our files take 231 bytes, or 263 if they are encrypted.
pub(crate) const MAX_FILE_BYTES: usize = 512;

const FILE_SUFFIX: &str = ".p8";

/// The beginning of the text that binds a file to its key id.
const PURPOSE: &str = "device-key-os/v1";

/// The header before the version in the `PrivateKeyInfo` that aws-lc writes for a P-256 key.
const BARE_HEADER: [u8; 3] = [0x30, 0x81, 0x87];
/// The number of bytes after the header.
const BODY_BYTES: usize = 0x87;
/// The header of a `PrivateKeyInfo` with the attribute at its end.
const MARKED_HEADER: [u8; 3] = [0x30, 0x81, 0xE4];
/// `attributes [0] IMPLICIT SET OF`, with one attribute. Its type is the arc 2.25 with the number
/// of the UUID eeaa1f38-09ff-498a-829d-1d7d91e3ab8e (ITU-T X.667 section 7). Its values are a set
/// of one `UTF8String` of 63 bytes, whose contents follow.
const ATTRIBUTE_HEADER: [u8; 30] = [
    0xA0, 0x5B, 0x30, 0x59, // attributes, attribute
    0x06, 0x14, 0x69, 0x83, 0xDD, 0xAA, 0x8F, 0xCE, 0x81, 0x9F, 0xFA, 0xA6, 0x95, 0x82, 0xCE, 0xC7,
    0xAF, 0xD9, 0x8F, 0x8E, 0xD7, 0x0E, // type
    0x31, 0x41, 0x0C, 0x3F, // values, value
];

/// The name of a key's file.
pub(crate) fn name(key_id: &DeviceKeyId) -> Result<FileName, OperationError> {
    Ok(format!("{key_id}{FILE_SUFFIX}").parse::<FileName>()?)
}

/// The id of the key in the file of this name, or `None` if this is not the name of a key file.
pub(crate) fn key_id(name: &FileName) -> Option<DeviceKeyId> {
    name.as_str().strip_suffix(FILE_SUFFIX)?.parse().ok()
}

/// Writes the file of a new key.
pub(crate) fn write(
    key_id: &DeviceKeyId,
    pair: &EcdsaKeyPair,
    wrapping_key: Option<&WrappingKey>,
) -> Result<Zeroizing<Vec<u8>>, OperationError> {
    let context = context(key_id);
    let document = pair.to_pkcs8v1().map_err(|_| OperationError::Cryptography("encode a key"))?;
    let body = document
        .as_ref()
        .strip_prefix(&BARE_HEADER)
        .filter(|body| body.len() == BODY_BYTES)
        .ok_or(OperationError::Cryptography("encode a key in the expected form"))?;
    let parts = [&MARKED_HEADER, body, &ATTRIBUTE_HEADER, context.as_bytes()];
    let plain = Zeroizing::new(parts.concat());
    match wrapping_key {
        Some(key) => Ok(Zeroizing::new(key.wrap(context.as_bytes(), &plain)?)),
        None => Ok(plain),
    }
}

/// Reads the key from a file that [`write`] made for this key id. `wrapping_key` must be the
/// wrapping key that the file was written with, or `None` if the file is not encrypted.
pub(crate) fn read(
    key_id: &DeviceKeyId,
    file: &[u8],
    wrapping_key: Option<&WrappingKey>,
) -> Result<EcdsaKeyPair, KeyFileError> {
    let context = context(key_id);
    match wrapping_key {
        None if is_wrapped(file) => Err(KeyFileError::Wrapped),
        None => parse(&context, file),
        Some(_) if !is_wrapped(file) => {
            // An imported key is reported as imported, even if the missing encryption is wrong too.
            marked_body(&context, file)?;
            Err(KeyFileError::NotWrapped)
        }
        Some(key) => {
            let plain = key.unwrap(context.as_bytes(), file).map_err(KeyFileError::Unwrap)?;
            parse(&context, &plain)
        }
    }
}

/// Whether the file holds a key that was made elsewhere. This is cheaper than [`read`], because it
/// does not decrypt: it takes every encrypted file for a file of this service.
pub(crate) fn is_imported(key_id: &DeviceKeyId, file: &[u8]) -> bool {
    !is_wrapped(file) && matches!(marked_body(&context(key_id), file), Err(KeyFileError::Imported))
}

/// The files in the key folder, to find out which wrapping key opens them, or to change the key.
pub const fn wrapped_key_files(keys: PrivateDir) -> WrappedFiles {
    WrappedFiles::new(keys, FILE_SUFFIX, PURPOSE, MAX_FILE_BYTES)
}

/// The text that binds a file to its key id. It is the value of the attribute, and the context in
/// which the file is encrypted.
fn context(key_id: &DeviceKeyId) -> String {
    format!("{PURPOSE} {key_id}")
}

fn parse(context: &str, plain: &[u8]) -> Result<EcdsaKeyPair, KeyFileError> {
    let body = marked_body(context, plain)?;
    let bare = Zeroizing::new([&BARE_HEADER, body].concat());
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bare)
        .map_err(|_| KeyFileError::Damaged)?;
    // A key has only one accepted encoding.
    match pair.to_pkcs8v1() {
        Ok(document) if document.as_ref() == &**bare => Ok(pair),
        _ => Err(KeyFileError::Damaged),
    }
}

/// Returns the bytes between the header and the attribute.
fn marked_body<'a>(context: &str, plain: &'a [u8]) -> Result<&'a [u8], KeyFileError> {
    let marked = plain
        .strip_prefix(&MARKED_HEADER)
        .and_then(|rest| rest.split_at_checked(BODY_BYTES))
        .and_then(|(body, mark)| Some((body, mark.strip_prefix(&ATTRIBUTE_HEADER)?)));
    match marked {
        Some((body, name)) if name == context.as_bytes() => Ok(body),
        Some((_, name)) if name.len() == context.len() => Err(KeyFileError::OtherName),
        None if is_foreign_key(plain) => Err(KeyFileError::Imported),
        Some(_) | None => Err(KeyFileError::Damaged),
    }
}

/// Whether the bytes are a whole private key in another form: PKCS#8 or SEC 1 (RFC 5915) in DER, or
/// any PEM.
fn is_foreign_key(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN ")
        || EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).is_ok()
}
