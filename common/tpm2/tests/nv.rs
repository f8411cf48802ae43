//! Reading NV indices of a real swtpm. tpm2-tools check the results.

use std::fs;

use crate::common::swtpm::{Connect as _, Swtpm, soon};
use device_key_tpm2::{EndorsementTemplate, Handle, HandleRange, ResponseClass};

/// Defines an index with these attributes in the owner hierarchy and writes `data` to it.
fn define(swtpm: &Swtpm, index: &str, attributes: &str, data: &[u8]) {
    let (file, size) = (swtpm.path("nv"), data.len().to_string());
    fs::write(&file, data).unwrap();
    swtpm.run_tool("tpm2_nvdefine", &["-C", "o", "-s", &size, "-a", attributes, index]);
    swtpm.run_tool("tpm2_nvwrite", &["-C", "o", "-i", &file, index]);
}

#[test]
fn certificates_equal_those_that_tpm2_tools_read() {
    let swtpm = Swtpm::start_with_endorsement();
    swtpm.certify_p256_endorsement_key();
    for template in EndorsementTemplate::ALL {
        let (index, file) = (template.certificate_index(), swtpm.path("certificate"));
        swtpm.run_tool("tpm2_nvread", &[&index.to_string(), "-o", &file]);
        let mut tpm = swtpm.tpm();
        let public = tpm.nv_read_public(index, soon()).unwrap();
        assert!(public.is_written() && public.auth_read());
        let certificate = tpm.nv_read(&public, soon()).unwrap();
        assert_eq!(certificate.len(), usize::from(public.data_size));
        assert_eq!(certificate, fs::read(file).unwrap());
    }
    let mut tpm = swtpm.tpm();
    let listed = tpm.handles(HandleRange::NvIndices, soon()).unwrap();
    assert!(listed.iter().all(|handle| handle.value() >> 24 == 0x01));
    let mut expected = EndorsementTemplate::ALL.map(EndorsementTemplate::certificate_index);
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn long_data_is_read_in_pieces() {
    let swtpm = Swtpm::start();
    // swtpm returns 1024 bytes at once and has indices of at most 2048 bytes.
    let data: Vec<u8> = (0..1700u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    define(&swtpm, "0x01800001", "ownerread|ownerwrite", &data);
    let mut tpm = swtpm.tpm();
    let public = tpm.nv_read_public(Handle::new(0x0180_0001), soon()).unwrap();
    assert!(public.owner_read() && !public.auth_read());
    assert_eq!(tpm.nv_read(&public, soon()).unwrap(), data);
}

#[test]
fn unreadable_indices_give_the_reason() {
    let swtpm = Swtpm::start();
    define(&swtpm, "0x01800002", "policyread|ownerwrite", &[1, 2, 3]);
    swtpm.run_tool(
        "tpm2_nvdefine",
        &["-C", "o", "-s", "8", "-p", "secret", "-a", "authread|ownerwrite|no_da", "0x01800003"],
    );
    swtpm.run_tool(
        "tpm2_nvdefine",
        &["-C", "o", "-s", "8", "-a", "ownerread|ownerwrite", "0x01800004"],
    );
    let mut tpm = swtpm.tpm();
    let missing = tpm.nv_read_public(Handle::new(0x0180_0001), soon()).unwrap_err();
    assert_eq!(missing.class(), Some(ResponseClass::HandleMissing));

    let mut read = |index| {
        let public = tpm.nv_read_public(Handle::new(index), soon()).unwrap();
        (public.is_written(), tpm.nv_read(&public, soon()).unwrap_err())
    };
    let (_, by_policy) = read(0x0180_0002);
    assert_eq!(by_policy.reason(), "tpm_nv_not_readable");
    let (_, by_secret) = read(0x0180_0003);
    assert_eq!(by_secret.class(), Some(ResponseClass::Authorization));
    let (written, unwritten) = read(0x0180_0004);
    assert!(!written);
    assert_eq!(unwritten.reason(), "tpm_refused");
}
