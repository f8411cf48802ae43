//! Installs, upgrades, removes and purges the package. systemd does not run in this system, so
//! nothing is started.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use anyhow::{Context as _, ensure};
use device_key_process as process;

use crate::debian::{Debian, PACKAGE};
use crate::expected::{self, CONFIGURATION, ENABLED, HOME, PROGRAM};
use crate::snapshot::Snapshot;

const CONFIG: &str = "/etc/device-key/config.toml";
const HOME_FOLDER: &str = "/var/lib/device-key";
const STATE: &str = "/var/lib/device-key/state.sqlite";
const STATE_EXPECTED: &str = "/var/lib/device-key/state.sqlite f 600 device-key device-key";

/// The programs that the package's scripts look for before they call them. The package works
/// without them.
const OPTIONAL: [&str; 5] = [
    "/usr/bin/deb-systemd-helper",
    "/usr/bin/deb-systemd-invoke",
    "/usr/bin/systemctl",
    "/usr/bin/systemd-sysusers",
    "/usr/bin/systemd-tmpfiles",
];

/// Runs the trial on a system that has systemd's programs.
pub(crate) fn with_systemd(debian: &Debian) -> anyhow::Result<()> {
    let bare = Snapshot::of(debian)?;
    let expect = |what: &str, expected: &[&[&str]]| {
        Snapshot::of(debian)?.expect(&bare, &expected.concat()).with_context(|| what.to_owned())
    };
    install(debian)?;
    expect("after the first installation", &[CONFIGURATION, ENABLED, HOME, PROGRAM])?;
    expected::version(&debian.output("/usr/bin/device-key", &["--version"])?)?;
    let altered = debian.output("dpkg", &["--verify", "device-key"])?;
    ensure!(altered.is_empty(), "dpkg finds other files than it installed: {altered}");
    service_user(debian)?;
    make_state(debian)?;
    upgrade(debian)?;

    let state: &[&str] = &[STATE_EXPECTED];
    debian.run("dpkg", &["--remove", "device-key"])?;
    expect("after the removal", &[CONFIGURATION, ENABLED, HOME, state])?;
    install(debian)?;
    expect("after coming back", &[CONFIGURATION, ENABLED, HOME, PROGRAM, state])?;
    debian.run("dpkg", &["--purge", "device-key"])?;
    expect("after a purge where there are keys", &[HOME, state])?;
    fs::remove_file(debian.path(STATE))?;
    install(debian)?;
    debian.run("dpkg", &["--purge", "device-key"])?;
    expect("after a purge where there are none", &[])?;

    process::quiet(debian.command_without_proc("dpkg").args(["--install", PACKAGE]))?;
    expect("without /proc; the folder is for the next boot", &[CONFIGURATION, ENABLED, PROGRAM])
}

/// Runs the trial on a system without the programs that the maintainer scripts look for.
pub(crate) fn without_systemd(debian: &Debian) -> anyhow::Result<()> {
    for program in OPTIONAL {
        fs::remove_file(debian.path(program)).with_context(|| program.to_owned())?;
    }
    let bare = Snapshot::of(debian)?;
    install(debian)?;
    Snapshot::of(debian)?
        .expect(&bare, &[CONFIGURATION, PROGRAM].concat())
        .context("after the installation")?;
    expected::version(&debian.output("/usr/bin/device-key", &["--version"])?)?;
    debian.run("dpkg", &["--purge", "device-key"])?;
    Snapshot::of(debian)?.expect(&bare, &[]).context("after the purge")
}

fn install(debian: &Debian) -> anyhow::Result<()> {
    debian.run("dpkg", &["--install", PACKAGE])
}

/// Checks that the user has an id of the system's range (Debian Policy, 9.2.2), and that nobody can
/// log in as this user.
fn service_user(debian: &Debian) -> anyhow::Result<()> {
    let entry = debian.output("getent", &["passwd", "device-key"])?;
    let fields: Vec<_> = entry.trim().split(':').collect();
    let [_, _, uid, _, _, home, shell] = *fields else { anyhow::bail!("{entry:?}") };
    let uid: u32 = uid.parse()?;
    ensure!((100..1000).contains(&uid), "the service's user has the id {uid}");
    ensure!(home == HOME_FOLDER && shell == "/usr/sbin/nologin", "{entry:?}");
    let shadow = debian.output("getent", &["shadow", "device-key"])?;
    ensure!(shadow.starts_with("device-key:!"), "the service's user has a password");
    // The unit names this group. Without the group the service would not start.
    debian.run("getent", &["group", "tss"])
}

/// Makes a file as the service writes it.
fn make_state(debian: &Debian) -> anyhow::Result<()> {
    let home = fs::metadata(debian.path(HOME_FOLDER))?;
    let state = debian.path(STATE);
    fs::write(&state, "state")?;
    fs::set_permissions(&state, fs::Permissions::from_mode(0o600))?;
    Ok(chown(state, Some(home.uid()), Some(home.gid()))?)
}

/// Upgrades the package to its own version. dpkg runs the scripts as for any other upgrade.
fn upgrade(debian: &Debian) -> anyhow::Result<()> {
    let installed = Snapshot::of(debian)?;
    let changed = format!("{}\nproviders = [\"os\"]\n", debian.read(CONFIG)?);
    fs::write(debian.path(CONFIG), &changed)?;
    install(debian)?;
    Snapshot::of(debian)?.expect(&installed, &[]).context("after the upgrade")?;
    ensure!(debian.read(CONFIG)? == changed, "the upgrade changed the configuration");
    ensure!(debian.read(STATE)? == "state", "the upgrade changed the state");

    debian.run("systemctl", &["disable", "device-key.socket"])?;
    let disabled = Snapshot::of(debian)?;
    install(debian)?;
    Snapshot::of(debian)?.expect(&disabled, &[]).context("after the upgrade, disabled")?;
    debian.run("systemctl", &["enable", "device-key.socket"])?;
    Snapshot::of(debian)?.expect(&installed, &[]).context("enabled again")
}
