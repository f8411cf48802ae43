//! AES-128-CFB encryption of the first parameter of a command or response (Part 1, sections
//! "Parameter Encryption" and "CFB Mode Parameter Encryption").

use aes::Aes128;
use cfb_mode::cipher::KeyIvInit;
use zeroize::Zeroizing;

use super::hmac_key::HmacKey;
use crate::marshal::{MarshalError, Reader};

type Encryptor = cfb_mode::Encryptor<Aes128>;
type Decryptor = cfb_mode::Decryptor<Aes128>;

/// Which first parameters are encrypted. The TPM allows encryption only for a parameter that is a
/// TPM2B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterEncryption {
    /// Neither the command's nor the response's.
    None,
    /// The command's (session attribute `decrypt`).
    Command,
    /// The command's and the response's (`decrypt` and `encrypt`).
    Both,
}

/// Key and IV for one direction. They depend on both nonces, so they are used for one message only.
struct KeyMaterial {
    key: Zeroizing<[u8; 16]>,
    iv: [u8; 16],
}

impl KeyMaterial {
    fn derive(session_value: &HmacKey, nonce_newer: &[u8], nonce_older: &[u8]) -> Self {
        let mut derived = Zeroizing::new([0; 32]);
        session_value.kdfa("CFB", nonce_newer, nonce_older, derived.as_mut_slice());
        let mut material = Self { key: Zeroizing::new([0; 16]), iv: [0; 16] };
        let (key, iv) = derived.split_at(16);
        material.key.copy_from_slice(key);
        material.iv.copy_from_slice(iv);
        material
    }
}

/// Encrypts the content of the TPM2B at the start of a command's parameters. The size field stays
/// unencrypted.
pub(super) fn encrypt_first(
    session_value: &HmacKey,
    nonce_newer: &[u8],
    nonce_older: &[u8],
    parameters: &mut [u8],
) -> Result<(), MarshalError> {
    let content = first_content(parameters)?;
    let material = KeyMaterial::derive(session_value, nonce_newer, nonce_older);
    Encryptor::new((&*material.key).into(), (&material.iv).into()).encrypt(content);
    Ok(())
}

/// Decrypts the content of the TPM2B at the start of a response's parameters.
pub(super) fn decrypt_first(
    session_value: &HmacKey,
    nonce_newer: &[u8],
    nonce_older: &[u8],
    parameters: &mut [u8],
) -> Result<(), MarshalError> {
    let content = first_content(parameters)?;
    let material = KeyMaterial::derive(session_value, nonce_newer, nonce_older);
    Decryptor::new((&*material.key).into(), (&material.iv).into()).decrypt(content);
    Ok(())
}

fn first_content(parameters: &mut [u8]) -> Result<&mut [u8], MarshalError> {
    let field = "first parameter";
    let size = usize::from(Reader::new(parameters).u16(field)?);
    parameters
        .get_mut(2..)
        .and_then(|rest| rest.get_mut(..size))
        .ok_or(MarshalError::Truncated { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_content_of_the_first_parameter_changes() {
        let key = HmacKey::join(&[3; 32], &[]);
        let plain = [0, 3, b'a', b'b', b'c', 9, 9];
        let mut bytes = plain;
        encrypt_first(&key, &[1; 32], &[2; 32], &mut bytes).unwrap();
        assert_eq!((&bytes[..2], &bytes[5..]), (&plain[..2], &plain[5..]));
        assert_ne!(bytes[2..5], plain[2..5]);
        let mut swapped = bytes;
        decrypt_first(&key, &[2; 32], &[1; 32], &mut swapped).unwrap();
        assert_ne!(swapped, plain);
        decrypt_first(&key, &[1; 32], &[2; 32], &mut bytes).unwrap();
        assert_eq!(bytes, plain);
    }

    #[test]
    fn a_size_past_the_end_is_an_error() {
        let key = HmacKey::join(&[3; 32], &[]);
        for mut bytes in [vec![], vec![0], vec![0, 2, 1]] {
            assert!(encrypt_first(&key, &[], &[], &mut bytes).is_err());
        }
    }
}
