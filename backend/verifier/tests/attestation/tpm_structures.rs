//! TPM structures (TPM 2.0 Library, Part 2) in which a test can make each part wrong.

use sha2::{Digest as _, Sha256};

pub(crate) const SIGN: u32 = 1 << 18;
pub(crate) const RESTRICTED: u32 = 1 << 16;
pub(crate) const DECRYPT: u32 = 1 << 17;
pub(crate) const NO_DA: u32 = 1 << 10;
pub(crate) const USER_WITH_AUTH: u32 = 1 << 6;
pub(crate) const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
pub(crate) const FIXED_PARENT: u32 = 1 << 4;
pub(crate) const FIXED_TPM: u32 = 1 << 1;
/// The attributes of a device key.
pub(crate) const DEVICE_KEY: u32 =
    FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | NO_DA | SIGN;

pub(crate) const ENDORSEMENT: u32 = 0x4000_000B;
pub(crate) const CERTIFY: u16 = 0x8017;
pub(crate) const CREATION: u16 = 0x801A;

/// A TPM2B.
pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// The Name of an object with name algorithm SHA-256.
pub(crate) fn name(area: &[u8]) -> Vec<u8> {
    [&[0x00, 0x0b][..], &Sha256::digest(area)].concat()
}

/// The qualified Name of a primary object.
pub(crate) fn qualified(hierarchy: u32, name: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest([&hierarchy.to_be_bytes()[..], name].concat());
    [&[0x00, 0x0b][..], &digest].concat()
}

/// `TPMT_PUBLIC` of an ECC signing key.
#[derive(Clone)]
pub(crate) struct Area {
    pub(crate) name_algorithm: u16,
    pub(crate) attributes: u32,
    pub(crate) policy: Vec<u8>,
    /// Algorithm and hash, or `TPM_ALG_NULL` alone.
    pub(crate) scheme: Vec<u8>,
    pub(crate) curve: u16,
    pub(crate) x: Vec<u8>,
    pub(crate) y: Vec<u8>,
}

impl Area {
    pub(crate) fn new(attributes: u32, [x, y]: [Vec<u8>; 2]) -> Self {
        Self {
            name_algorithm: 0x000b,
            attributes,
            policy: Vec::new(),
            scheme: vec![0x00, 0x18, 0x00, 0x0b],
            curve: 3,
            x,
            y,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [
            &0x0023_u16.to_be_bytes()[..],
            &self.name_algorithm.to_be_bytes(),
            &self.attributes.to_be_bytes(),
            &sized(&self.policy),
            // No symmetric algorithm.
            &0x0010_u16.to_be_bytes(),
            &self.scheme,
            &self.curve.to_be_bytes(),
            // No KDF.
            &0x0010_u16.to_be_bytes(),
            &sized(&self.x),
            &sized(&self.y),
        ]
        .concat()
    }
}

/// `TPMS_CREATION_DATA` of a primary object, without PCRs.
pub(crate) fn creation_data(parent_name_algorithm: u16, parent: &[u8]) -> Vec<u8> {
    [
        &0_u32.to_be_bytes()[..],
        &sized(&[]),
        &[1],
        &parent_name_algorithm.to_be_bytes(),
        &sized(parent),
        &sized(parent),
        &sized(&[]),
    ]
    .concat()
}

/// `TPMS_ATTEST`.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) magic: u32,
    pub(crate) tag: u16,
    pub(crate) signer: Vec<u8>,
    pub(crate) extra_data: Vec<u8>,
    pub(crate) firmware_version: u64,
    /// `TPMS_CERTIFY_INFO` or `TPMS_CREATION_INFO`: two TPM2Bs each.
    pub(crate) attested: [Vec<u8>; 2],
    pub(crate) behind: Vec<u8>,
}

impl Statement {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let [first, second] = &self.attested;
        [
            &self.magic.to_be_bytes()[..],
            &self.tag.to_be_bytes(),
            &sized(&self.signer),
            &sized(&self.extra_data),
            // Clock, reset count, restart count, safe.
            &[0; 16],
            &[1],
            &self.firmware_version.to_be_bytes(),
            &sized(first),
            &sized(second),
            &self.behind,
        ]
        .concat()
    }
}

/// `TPMT_SIGNATURE` with these algorithms.
pub(crate) fn signature(algorithm: u16, hash: u16, r_and_s: &[u8]) -> Vec<u8> {
    let (r, s) = r_and_s.split_at(32);
    [&algorithm.to_be_bytes()[..], &hash.to_be_bytes(), &sized(r), &sized(s)].concat()
}
