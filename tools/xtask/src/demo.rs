//! Runs the doctor and the demo of the release binary, on this machine's TPM or on a simulated one,
//! and then the whole flow with a relying party. That flow runs on simulated TPMs, because it needs
//! TPMs whose certificates were issued by an authority of the demo's own.

mod transcript;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use device_key_process as process;

use self::transcript::Transcript;
use crate::swtpm::Swtpm;
use crate::workspace::Workspace;
use crate::{release, setup};

/// The kernel's resource manager, which programs may share (Linux 4.12 and later).
const TPM_DEVICE: &str = "/dev/tpmrm0";

/// Runs every part, and fails if an outcome is unexpected. With a `document`, everything
/// runs on simulated TPMs, and the document must show what is printed.
pub(crate) fn run(
    workspace: &Workspace,
    with_postgres: bool,
    document: Option<&Path>,
) -> anyhow::Result<()> {
    if with_postgres {
        setup::install(workspace)?;
    } else {
        setup::install_for_demo()?;
    }
    let binary = release::binary(workspace)?;
    let folder = tempfile::Builder::new().prefix("device-key-demo-").tempdir()?;
    let home = folder.path().join("home");
    let tpm = if document.is_some() {
        Tpm::Simulated(Swtpm::start()?)
    } else {
        Tpm::choose(Path::new(TPM_DEVICE))?
    };
    let mut transcript = document.map(|_| Transcript::new());
    if let Some(transcript) = &mut transcript {
        transcript.mask(&binary, "device-key");
        transcript.mask(folder.path(), "/tmp/device-key-demo-…");
        if let Tpm::Simulated(tpm) = &tpm {
            transcript.mask(&tpm.socket(), "/tmp/device-key-swtpm-…/sock");
        }
    }
    for subcommand in ["doctor", "demo"] {
        let mut command = Command::new(&binary);
        command.arg(subcommand).arg("--home").arg(&home).args(tpm.arguments());
        // The demo's settings are arguments; a variable of the caller must not change what it
        // shows.
        for variable in ["DEVICE_KEY_HOME", "DEVICE_KEY_TPM", "DEVICE_KEY_ALLOW_SIMULATED_TPM"] {
            command.env_remove(variable);
        }
        show(&mut command, transcript.as_mut())?;
    }
    whole_flow(workspace, &binary, with_postgres, transcript.as_mut())?;
    if let (Some(transcript), Some(document)) = (&transcript, document) {
        transcript.hold_against(document)?;
    }
    eprintln!("\ndemo: everything was as expected, on {}", tpm.name());
    Ok(())
}

/// Plays the flow with a relying party. Users install neither the relying party nor the controller,
/// so a quick build will do.
fn whole_flow(
    workspace: &Workspace,
    binary: &Path,
    with_postgres: bool,
    mut transcript: Option<&mut Transcript>,
) -> anyhow::Result<()> {
    const PACKAGES: [&str; 2] = ["device-key-relying-party", "device-key-demo"];
    let mut build = workspace.cargo();
    build.args(["build", "--locked", "--target-dir"]).arg(workspace.target());
    process::shown(build.args(PACKAGES.map(|package| format!("--package={package}"))))?;
    let [relying_party, demo] = PACKAGES.map(|program| {
        let path = workspace.target().join("debug").join(program);
        if let Some(transcript) = &mut transcript {
            transcript.mask(&path, program);
        }
        path
    });
    let mut command = Command::new(&demo);
    command.arg("--device-key").arg(binary).arg("--relying-party").arg(&relying_party);
    show(&mut command, transcript)?;
    if with_postgres { show(command.arg("--postgres"), None) } else { Ok(()) }
}

fn show(command: &mut Command, transcript: Option<&mut Transcript>) -> anyhow::Result<()> {
    match transcript {
        Some(transcript) => transcript.record(command),
        None => process::shown(command),
    }
    .context("not everything was as expected")
}

enum Tpm {
    Device(PathBuf),
    Simulated(Swtpm),
}

impl Tpm {
    fn choose(device: &Path) -> anyhow::Result<Self> {
        let Err(error) = OpenOptions::new().read(true).write(true).open(device) else {
            return Ok(Self::Device(device.to_path_buf()));
        };
        eprintln!("\n{}", why_simulated(device, &error));
        Ok(Self::Simulated(Swtpm::start()?))
    }

    fn arguments(&self) -> Vec<OsString> {
        match self {
            Self::Device(device) => vec!["--tpm".into(), device.into()],
            Self::Simulated(tpm) => {
                let mut address = OsString::from("unix:");
                address.push(tpm.socket());
                vec!["--tpm".into(), address, "--allow-simulated-tpm".into()]
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Device(device) => device.display().to_string(),
            Self::Simulated(_) => "a simulated TPM".to_owned(),
        }
    }
}

fn why_simulated(device: &Path, error: &io::Error) -> String {
    let device = device.display();
    let reason = if error.kind() == io::ErrorKind::NotFound {
        format!("This machine has no {device}")
    } else {
        format!("{device} cannot be opened ({error})")
    };
    format!("{reason}, so the demo uses a simulated TPM (swtpm), which protects nothing.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_opens_is_used_without_allowing_simulation() {
        let device = tempfile::NamedTempFile::new().unwrap();
        let tpm = Tpm::choose(device.path()).unwrap();
        assert_eq!(tpm.arguments(), [OsString::from("--tpm"), device.path().into()]);
    }

    #[test]
    fn without_a_device_a_simulated_tpm_is_allowed_and_used() {
        let folder = tempfile::tempdir().unwrap();
        let tpm = Tpm::choose(&folder.path().join("tpmrm0")).unwrap();
        let arguments = tpm.arguments();
        assert_eq!(arguments[0], "--tpm");
        let address = arguments[1].to_str().unwrap();
        let socket = address.strip_prefix("unix:").unwrap();
        assert!(Path::new(socket).exists(), "{address}");
        assert_eq!(arguments[2], "--allow-simulated-tpm");
    }

    #[test]
    fn the_reason_for_simulating_is_told() {
        let tell = |kind: io::ErrorKind| why_simulated(Path::new("/dev/tpmrm0"), &kind.into());
        assert!(tell(io::ErrorKind::NotFound).starts_with("This machine has no /dev/tpmrm0,"));
        let denied = tell(io::ErrorKind::PermissionDenied);
        assert!(
            denied.starts_with("/dev/tpmrm0 cannot be opened (permission denied),"),
            "{denied}"
        );
    }
}
