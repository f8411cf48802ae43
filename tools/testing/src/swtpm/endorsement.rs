//! A simulated TPM with endorsement keys, and certificates for them from the test's own authority.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{Swtpm, scratch};

/// What the certificates say about the TPM: the arguments that `swtpm_setup` passes to
/// `swtpm_localca`.
const ABOUT_THE_TPM: [&str; 13] = [
    "--tpm2",
    "--tpm-spec-family",
    "2.0",
    "--tpm-spec-level",
    "0",
    "--tpm-spec-revision",
    "164",
    "--tpm-manufacturer",
    "id:00001014",
    "--tpm-model",
    "swtpm",
    "--tpm-version",
    "id:20191023",
];

/// Where the certificate of a P-256 endorsement key is (TCG "EK Credential Profile", template L-2).
const P256_CERTIFICATE: &str = "0x01C0000A";

/// The files of one prepared TPM and of its certificate authority. Making them takes seconds, so
/// each test process makes them once.
#[derive(Debug)]
struct Prepared {
    state: Files,
    authority: Files,
}

/// The files of one folder, by their names.
type Files = Vec<(String, Vec<u8>)>;

impl Swtpm {
    /// Starts a TPM that a manufacturer has prepared. It has persistent endorsement keys, RSA-2048
    /// at 0x81010001 and P-384 at 0x81010016, and certificates for both at 0x01C00002 and
    /// 0x01C00016. All such TPMs of one test process share an endorsement seed; [`Swtpm::start`]
    /// makes new seeds.
    ///
    /// # Panics
    /// Panics if `swtpm_setup` or `swtpm_localca` (Debian: swtpm-tools) is missing.
    pub fn start_with_endorsement() -> Self {
        static PREPARED: OnceLock<Prepared> = OnceLock::new();
        let prepared = PREPARED.get_or_init(prepare);
        let scratch = scratch();
        write_folder(&scratch.path().join("state"), &prepared.state);
        write_folder(&scratch.path().join("ca"), &prepared.authority);
        Self::spawn(scratch)
    }

    /// Returns the issuer's certificate in PEM. The issuer issued the certificates of the
    /// endorsement keys.
    pub fn issuer_certificate(&self) -> PathBuf {
        self.authority().join("issuercert.pem")
    }

    /// Returns the self-signed certificate in PEM that issued the issuer's certificate.
    pub fn root_certificate(&self) -> PathBuf {
        self.authority().join("swtpm-localca-rootca-cert.pem")
    }

    /// Makes a credential with tpm2-tools, without a TPM, for the endorsement key with this
    /// `TPMT_PUBLIC` and an object with this Name. Returns the contents of the `TPM2B_ID_OBJECT`
    /// and of the `TPM2B_ENCRYPTED_SECRET`.
    pub fn make_credential(
        &self,
        endorsement_key: &[u8],
        name: &[u8],
        secret: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let [public, hidden, made] = ["ek.pub", "secret", "credential"].map(|name| self.path(name));
        let size = u16::try_from(endorsement_key.len()).unwrap().to_be_bytes();
        fs::write(&public, [&size, endorsement_key].concat()).unwrap();
        fs::write(&hidden, secret).unwrap();
        let name = name.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let arguments = ["-T", "none", "-u", &public, "-s", &hidden, "-n", &name, "-o", &made];
        self.run_tool("tpm2_makecredential", &arguments);
        // The tool's own header of 8 bytes, then the two structures with their sizes.
        let file = fs::read(made).unwrap();
        let (blob, rest) = sized(file.get(8..).unwrap());
        let (encrypted_secret, rest) = sized(rest);
        assert!(rest.is_empty());
        (blob.to_vec(), encrypted_secret.to_vec())
    }

    /// Returns the folder of the certificate authority. Panics if the TPM was started without one.
    fn authority(&self) -> PathBuf {
        let authority = self.scratch.path().join("ca");
        assert!(authority.is_dir(), "this TPM was not started with endorsement keys");
        authority
    }

    /// Issues a certificate for the P-256 endorsement key too, and writes it to 0x01C0000A. The TPM
    /// does not keep the key itself. It runs tpm2-tools, which open their own connections.
    pub fn certify_p256_endorsement_key(&self) {
        let context = self.path("ek-p256");
        self.run_tool("tpm2_createek", &["-G", "ecc", "-c", &context]);
        self.run_tool("tpm2_flushcontext", &["-t"]);
        let public = self.run_tool("tpm2_readpublic", &["-c", &context]);
        self.run_tool("tpm2_flushcontext", &["-t"]);
        let coordinate = |name| {
            let found = public.lines().find_map(|line: &str| line.strip_prefix(name));
            found.expect("tpm2_readpublic prints the point")
        };
        let key = format!("x={},y={},id=secp256r1", coordinate("x: "), coordinate("y: "));
        let authority = self.authority();
        let issued = scratch();
        let mut command = Command::new("swtpm_localca");
        command.args(["--type", "ek", "--vmid", "test", "--ek", &key]).args(ABOUT_THE_TPM);
        command.arg("--dir").arg(issued.path());
        run(command.args(configuration(&authority)));

        let certificate = issued.path().join("ek.cert");
        let size = fs::metadata(&certificate).unwrap().len().to_string();
        let attributes = "ownerread|ownerwrite|authread|no_da";
        let define = ["-C", "o", "-s", &size, "-a", attributes, P256_CERTIFICATE];
        self.run_tool("tpm2_nvdefine", &define);
        let certificate = certificate.to_str().unwrap();
        self.run_tool("tpm2_nvwrite", &["-C", "o", "-i", certificate, P256_CERTIFICATE]);
    }
}

fn sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (size, rest) = bytes.split_first_chunk::<2>().unwrap();
    rest.split_at(usize::from(u16::from_be_bytes(*size)))
}

/// Prepares a TPM as a manufacturer does, in a folder that is removed afterwards.
fn prepare() -> Prepared {
    let folder = scratch();
    let (state, authority) = (folder.path().join("state"), folder.path().join("ca"));
    fs::create_dir(&state).unwrap();
    fs::create_dir(&authority).unwrap();
    let [_, configuration, _, options] = configuration(&authority);
    let setup = folder.path().join("setup.conf");
    let lines = [
        ("create_certs_tool", program("swtpm_localca")),
        ("create_certs_tool_config", configuration),
        ("create_certs_tool_options", options),
        ("active_pcr_banks", "sha256".into()),
    ];
    fs::write(&setup, settings(&lines)).unwrap();
    let mut command = Command::new("swtpm_setup");
    command.args(["--tpm2", "--create-ek-cert", "--vmid", "test", "--tpm-state"]);
    run(command.arg(&state).arg("--config").arg(&setup));
    Prepared { state: read_folder(&state), authority: read_folder(&authority) }
}

/// Writes the configuration of `swtpm_localca` for an authority in this folder, and returns the
/// arguments that name the configuration.
fn configuration(authority: &Path) -> [PathBuf; 4] {
    let lines = [
        ("statedir", authority.to_owned()),
        ("signingkey", authority.join("signkey.pem")),
        ("issuercert", authority.join("issuercert.pem")),
        ("certserial", authority.join("certserial")),
    ];
    let (file, options) = (authority.join("localca.conf"), authority.join("localca.options"));
    fs::write(&file, settings(&lines)).unwrap();
    fs::write(&options, "").unwrap();
    ["--configfile".into(), file, "--optsfile".into(), options]
}

fn settings(lines: &[(&str, PathBuf)]) -> String {
    let line = |(name, value): &(&str, PathBuf)| format!("{name} = {}\n", value.display());
    lines.iter().map(line).collect::<Vec<_>>().concat()
}

/// Returns the whole path of a program, because a configuration needs it.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|at| at.is_file());
    found.expect("swtpm-tools is installed")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("swtpm-tools is installed");
    let (printed, errors) = (&output.stdout, &output.stderr);
    let [printed, errors] = [printed, errors].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{command:?} failed: {printed}{errors}");
}

fn read_folder(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().and_then(OsStr::to_str).unwrap().to_owned();
    entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn write_folder(folder: &Path, files: &Files) {
    fs::create_dir(folder).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether OpenSSL finds a chain from the certificate at this index to the root.
    fn certified(swtpm: &Swtpm, index: &str) -> bool {
        let (der, pem) = (swtpm.path("certificate.der"), swtpm.path("certificate.pem"));
        swtpm.run_tool("tpm2_nvread", &[index, "-o", &der]);
        run(Command::new("openssl").args(["x509", "-inform", "der", "-in", &der, "-out", &pem]));
        let verified = Command::new("openssl")
            .args(["verify", "-CAfile"])
            .arg(swtpm.root_certificate())
            .arg("-untrusted")
            .arg(swtpm.issuer_certificate())
            .arg(&pem)
            .output()
            .unwrap();
        verified.status.success()
    }

    #[test]
    fn the_endorsement_keys_have_certificates_of_the_authority() {
        let swtpm = Swtpm::start_with_endorsement();
        let persistent = swtpm.run_tool("tpm2_getcap", &["handles-persistent"]);
        for handle in ["0x81010001", "0x81010016"] {
            assert!(persistent.contains(handle), "{persistent}");
        }
        for index in ["0x01C00002", "0x01C00016"] {
            assert!(certified(&swtpm, index), "{index}");
        }
        swtpm.certify_p256_endorsement_key();
        assert!(certified(&swtpm, P256_CERTIFICATE));
        // The next TPM starts as the first one did.
        let next = Swtpm::start_with_endorsement();
        assert!(!next.run_tool("tpm2_getcap", &["handles-nv-index"]).contains("1C0000A"));
        let certificate = |swtpm: &Swtpm| fs::read(swtpm.root_certificate()).unwrap();
        assert_eq!(certificate(&swtpm), certificate(&next));
    }
}
