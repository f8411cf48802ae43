//! Other TPM software reads what we store, and verifies what we sign.

use std::{fs, process::Command};

use device_key_testing::Swtpm;
use device_key_types::Signature;

use crate::common::{Key, Keystore, SRK, put_storage_key};

fn openssl(swtpm: &Swtpm, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments).env("TPM2OPENSSL_TCTI", swtpm.tcti());
    let output = command.output().expect("openssl is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?} failed: {errors}");
    output.stdout
}

const PROVIDERS: [&str; 4] = ["-provider", "tpm2", "-provider", "default"];

/// OpenSSL's tpm2 provider takes the file for the key that we say it is, and signs with it.
fn assert_openssl_loads(swtpm: &Swtpm, keystore: &Keystore, key: &Key) {
    let file = keystore.file(key);
    let file = file.to_str().unwrap();
    let public = [&["pkey"], &PROVIDERS[..], &["-in", file, "-pubout", "-outform", "DER"]].concat();
    assert_eq!(openssl(swtpm, &public), key.created.public_key.spki_der());

    let message = swtpm.path("message");
    fs::write(&message, b"message").unwrap();
    // Without the query OpenSSL would move the public part to its own provider and miss the private.
    let query = ["-propquery", "?provider=tpm2"];
    let sign = ["-sign", "-inkey", file, "-rawin", "-digest", "sha256", "-in", &message];
    let sign = [&["pkeyutl"], &PROVIDERS[..], &query, &sign].concat();
    let signature = Signature::from_der(&openssl(swtpm, &sign)).unwrap();
    key.created.public_key.verify(b"message", &signature).unwrap();
}

#[test]
fn openssl_loads_our_key_files() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    assert_openssl_loads(&swtpm, &keystore, &key);
    keystore.assert_signs(&key);
}

#[test]
fn openssl_loads_our_key_files_under_a_derived_parent() {
    let swtpm = Swtpm::start();
    put_storage_key(&swtpm, "rsa2048");
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    assert_openssl_loads(&swtpm, &keystore, &key);
}

#[test]
fn tpm2_tools_load_the_two_parts() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    let file = keystore.read(&key);
    let at = |name: &str| swtpm.path(name);
    fs::write(at("pub"), file.public.to_tpm2b()).unwrap();
    fs::write(at("priv"), file.private.to_tpm2b()).unwrap();
    let parts = ["-C", SRK, "-u", &at("pub"), "-r", &at("priv"), "-c", &at("key")];
    swtpm.run_tool("tpm2_load", &parts);
    swtpm.run_tool("tpm2_readpublic", &["-c", &at("key"), "-f", "der", "-o", &at("spki")]);
    assert_eq!(fs::read(at("spki")).unwrap(), key.created.public_key.spki_der());
}

#[test]
fn openssl_verifies_our_signatures() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    let at = |name: &str| swtpm.path(name);
    fs::write(at("spki"), key.created.public_key.spki_der()).unwrap();
    fs::write(at("message"), key.input().message()).unwrap();
    fs::write(at("signature"), keystore.sign(&key).unwrap().to_der()).unwrap();
    let verify = ["-verify", &at("spki"), "-keyform", "DER", "-signature", &at("signature")];
    openssl(&swtpm, &[&["dgst", "-sha256"], &verify[..], &[&at("message")]].concat());
}
