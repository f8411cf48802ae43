//! Tests that a key has only one accepted file, and that every other file is refused.

use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::pem::{self, LineEnding};
use der::{Decode as _, Encode as _};
use device_key_provider_tpm::{Authorization, InvalidKeyFile, KeyFile, Parent};
use device_key_tpm2::{EccP256Public, EccP256Template, ObjectAttributes, PrivateBlob};
use proptest::prelude::*;

const LABEL: &str = "TSS2 PRIVATE KEY";

/// Makes a public area with the base point of the curve, which needs no TPM.
fn public(template: EccP256Template) -> EccP256Public {
    let key = p256::PublicKey::from_affine(p256::AffinePoint::GENERATOR).unwrap();
    EccP256Public::new(template, key.into()).unwrap()
}

fn sample() -> KeyFile {
    KeyFile {
        authorization: Authorization::Empty,
        parent: Parent::Persistent,
        public: public(EccP256Template::device_key()),
        private: PrivateBlob::try_from(&[7; 126][..]).unwrap(),
    }
}

/// The fields of `TPMKey`, each as DER, so that tests can combine them wrongly.
struct Fields {
    key_type: Vec<u8>,
    options: Vec<u8>,
    parent: Vec<u8>,
    public: Vec<u8>,
    private: Vec<u8>,
    behind: Vec<u8>,
}

impl Fields {
    fn of(file: &KeyFile) -> Self {
        let octets = |bytes: Vec<u8>| OctetString::new(bytes).unwrap().to_der().unwrap();
        Self {
            key_type: ObjectIdentifier::new_unwrap("2.23.133.10.1.3").to_der().unwrap(),
            options: vec![0xa0, 3, 1, 1, 0xff],
            parent: 0x8100_0001_u32.to_der().unwrap(),
            public: octets(file.public.to_tpm2b()),
            private: octets(file.private.to_tpm2b()),
            behind: Vec::new(),
        }
    }

    fn to_pem(&self) -> String {
        let parts = [
            &self.key_type,
            &self.options,
            &self.parent,
            &self.public,
            &self.private,
            &self.behind,
        ];
        let contents = parts.map(|part| &part[..]).concat();
        let sequence = Any::new(der::Tag::Sequence, contents).unwrap().to_der().unwrap();
        pem::encode_string(LABEL, LineEnding::LF, &sequence).unwrap()
    }

    fn changed(change: impl FnOnce(&mut Self)) -> String {
        let mut fields = Self::of(&sample());
        change(&mut fields);
        fields.to_pem()
    }
}

fn read_error(pem: impl AsRef<[u8]>) -> InvalidKeyFile {
    KeyFile::from_pem(pem.as_ref()).unwrap_err()
}

#[test]
fn a_written_file_is_read_back() {
    for parent in [Parent::Persistent, Parent::OwnerHierarchy] {
        let file = KeyFile { parent, ..sample() };
        let pem = file.to_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN TSS2 PRIVATE KEY-----\n"));
        assert_eq!(KeyFile::from_pem(pem.as_bytes()).unwrap(), file);
        let with_secret = KeyFile { authorization: Authorization::Secret, ..file };
        let pem = with_secret.to_pem().unwrap();
        assert_eq!(KeyFile::from_pem(pem.as_bytes()).unwrap(), with_secret);
    }
    let not_empty = Fields::changed(|fields| fields.options = vec![0xa0, 3, 1, 1, 0]);
    let read = KeyFile::from_pem(not_empty.as_bytes()).unwrap();
    assert_eq!(read, KeyFile { authorization: Authorization::Secret, ..sample() });
    assert_eq!(Fields::of(&sample()).to_pem(), sample().to_pem().unwrap());
}

#[test]
fn other_kinds_of_keys_are_refused() {
    let pem = sample().to_pem().unwrap();
    let importable = ObjectIdentifier::new_unwrap("2.23.133.10.1.4").to_der().unwrap();
    let raw = 0x8000_0000_u32.to_der().unwrap();
    let mut other_attributes = EccP256Template::device_key();
    other_attributes.attributes = ObjectAttributes::SIGN;
    let with_template = |template| KeyFile { public: public(template), ..sample() }.to_pem();
    let policy = EccP256Template { policy: vec![1; 32], ..EccP256Template::device_key() };
    for foreign in [
        pem.replace(LABEL, "TSS2 OTHER KEY"),
        pem.replace(LABEL, "PRIVATE KEY"),
        Fields::changed(|fields| fields.key_type = importable),
        Fields::changed(|fields| fields.parent = raw),
        Fields::changed(|fields| fields.parent = 0x8100_0002_u32.to_der().unwrap()),
        // A missing `emptyAuth` also means false.
        Fields::changed(|fields| fields.options = Vec::new()),
        with_template(other_attributes).unwrap(),
        with_template(policy).unwrap(),
        with_template(EccP256Template::storage_root_key()).unwrap(),
        pem.replace('\n', "\r\n"),
        format!("# a comment\n{pem}"),
    ] {
        let error = read_error(&foreign);
        assert!(matches!(error, InvalidKeyFile::Foreign | InvalidKeyFile::Pem(_)), "{error:?}");
    }
}

#[test]
fn options_and_trailing_bytes_are_refused() {
    let pem = sample().to_pem().unwrap();
    // These are the fields policy [1], secret [2] and authPolicy [3] of the draft.
    for tag in [0xa1, 0xa2, 0xa3] {
        let with_option = Fields::changed(|fields| fields.options.extend([tag, 2, 0x30, 0]));
        assert!(matches!(read_error(with_option), InvalidKeyFile::Asn1(_)));
    }
    let behind = Fields::changed(|fields| fields.behind = vec![5, 0]);
    assert!(matches!(read_error(behind), InvalidKeyFile::Asn1(_)));
    let (_, mut der) = pem::decode_vec(pem.as_bytes()).unwrap();
    assert!(Any::from_der(&der).is_ok());
    der.push(0);
    let trailing = pem::encode_string(LABEL, LineEnding::LF, &der).unwrap();
    assert!(matches!(read_error(trailing), InvalidKeyFile::Asn1(_)));
    for after in ["\n", "x", &pem] {
        read_error(format!("{pem}{after}"));
    }
    let longer = Fields::changed(|fields| {
        let bytes = [&sample().private.to_tpm2b()[..], &[0]].concat();
        fields.private = OctetString::new(bytes).unwrap().to_der().unwrap();
    });
    assert!(matches!(read_error(longer), InvalidKeyFile::Structure(_)));
}

#[test]
fn a_truncated_file_is_refused() {
    let pem = sample().to_pem().unwrap();
    for length in 0..pem.len() {
        read_error(&pem.as_bytes()[..length]);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_read_exactly(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(KeyFile::from_pem(&bytes).is_err());
        let pem = pem::encode_string(LABEL, LineEnding::LF, &bytes).unwrap();
        prop_assert!(KeyFile::from_pem(pem.as_bytes()).is_err());
    }

    #[test]
    fn a_file_with_a_changed_bit_is_refused_or_another_key(position in 0usize..4096, bit in 0u8..8) {
        let sample = sample();
        let mut bytes = sample.to_pem().unwrap().into_bytes();
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        if let Ok(read) = KeyFile::from_pem(&bytes) {
            prop_assert_ne!(&read, &sample);
            prop_assert_eq!(read.to_pem().unwrap().into_bytes(), bytes);
        }
    }
}
