//! Tests that other TPM software can read our key files and verify our signatures.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Output};

use device_key_provider_tpm::KeyFile;
use device_key_testing::Swtpm;
use device_key_types::Signature;

use crate::common::{Key, Keystore, SRK, put_storage_key};

fn run_openssl(swtpm: &Swtpm, arguments: &[impl AsRef<OsStr>]) -> Output {
    let mut command = Command::new("openssl");
    command.args(arguments).env("TPM2OPENSSL_TCTI", swtpm.tcti());
    command.output().expect("openssl is installed")
}

fn openssl(swtpm: &Swtpm, arguments: &[&str]) -> Vec<u8> {
    let output = run_openssl(swtpm, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?} failed: {errors}");
    output.stdout
}

const PROVIDERS: [&str; 4] = ["-provider", "tpm2", "-provider", "default"];

/// Asserts that OpenSSL's tpm2 provider reads our key from the file, and signs with it.
fn assert_openssl_loads(swtpm: &Swtpm, keystore: &Keystore, key: &Key) {
    let file = keystore.file(key);
    let file = file.to_str().unwrap();
    let public = [&["pkey"], &PROVIDERS[..], &["-in", file, "-pubout", "-outform", "DER"]].concat();
    assert_eq!(openssl(swtpm, &public), key.created.public_key.spki_der());

    let message = swtpm.path("message");
    fs::write(&message, b"message").unwrap();
    // Without the property query OpenSSL would move the public part to its own provider, and would
    // not find the private part.
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
fn tpm2_tools_load_our_keys() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    load_with_tools(&swtpm, &keystore.read(&key));
    let at = |name: &str| swtpm.path(name);
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

/// Writes the two parts of the key as tpm2-tools expect them, loads the key with tpm2-tools, and
/// flushes the TPM.
fn load_with_tools(swtpm: &Swtpm, file: &KeyFile) {
    let at = |name: &str| swtpm.path(name);
    fs::write(at("pub"), file.public.to_tpm2b()).unwrap();
    fs::write(at("priv"), file.private.to_tpm2b()).unwrap();
    let parts = ["-C", SRK, "-u", &at("pub"), "-r", &at("priv"), "-c", &at("key")];
    swtpm.run_tool("tpm2_load", &parts);
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
}

#[test]
fn tpm2_tools_sign_only_with_the_secret() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let key = keystore.create(1);
    load_with_tools(&swtpm, &keystore.read(&key));
    let at = |name: &str| swtpm.path(name);
    fs::write(at("message"), b"message").unwrap();
    let sign = |authorization: &[&str]| {
        let (message, signature) = (at("message"), at("signature"));
        let what = ["-c", &at("key"), "-g", "sha256", "-f", "plain", "-o", &signature, &message];
        let mut command = swtpm.tools("tpm2_sign");
        let output = command.args(authorization).args(what).output().unwrap();
        swtpm.run_tool("tpm2_flushcontext", &["-t"]);
        output
    };
    let secret = fs::read(keystore.secret_file(&key)).unwrap();
    let hex = secret.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    for refused in [&[][..], &["-p", "hex:00"], &["-p", &format!("hex:{}", &hex[2..])]] {
        let output = sign(refused);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(errors.contains("0x9A2"), "BAD_AUTH of session 1, not {errors}");
    }
    assert!(sign(&["-p", &format!("hex:{hex}")]).status.success());
    let signature = Signature::from_der(&fs::read(at("signature")).unwrap()).unwrap();
    key.created.public_key.verify(b"message", &signature).unwrap();
}

/// OpenSSL reads the file, asks for the secret, and signs only with the right secret.
#[test]
fn openssl_signs_only_with_the_secret() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    // A pass phrase of OpenSSL ends with the line and cannot contain zero bytes. One secret in
    // eight has a zero byte.
    let (key, secret) = (1..=100)
        .map(|number| keystore.create(number))
        .map(|key| (fs::read(keystore.secret_file(&key)).unwrap(), key))
        .find(|(secret, _)| !secret.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')))
        .map(|(secret, key)| (key, secret))
        .unwrap();
    let file = keystore.file(&key);
    let message = swtpm.path("message");
    fs::write(&message, b"message").unwrap();
    let sign = |pass_phrase: &[u8]| {
        let mut arguments: Vec<OsString> =
            ["pkeyutl"].iter().chain(&PROVIDERS).map(Into::into).collect();
        arguments.extend(["-propquery", "?provider=tpm2", "-sign", "-rawin"].map(Into::into));
        arguments.extend(["-digest", "sha256", "-in", &message, "-passin"].map(Into::into));
        arguments.push(OsString::from_vec([b"pass:", pass_phrase].concat()));
        arguments.extend(["-inkey".into(), file.clone().into()]);
        run_openssl(&swtpm, &arguments)
    };
    let refused = sign(b"wrong");
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let signed = sign(&secret);
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let signature = Signature::from_der(&signed.stdout).unwrap();
    key.created.public_key.verify(b"message", &signature).unwrap();
}
