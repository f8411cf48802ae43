//! Tries the package where systemd runs: clients reach the service, and upgrades and removals stop
//! it gracefully.

use anyhow::{Context as _, ensure};

use crate::booted::Booted;
use crate::debian::{Debian, PACKAGE};

const SOCKET_UNIT: &str = "device-key.socket";
const SERVICE_UNIT: &str = "device-key.service";
const SOCKET: &str = "/run/device-key/device-key.sock";

/// A user without an account, who is not the service's user.
const CLIENT: &str = "61002";

/// Installs the package, uses the service as another user would, upgrades and removes it.
pub(crate) fn check(debian: &Debian) -> anyhow::Result<()> {
    let system = Booted::boot(debian)?;
    let outcome = lifecycle(&system);
    // The journal must be read before the system is gone.
    outcome.with_context(|| system.journal("device-key.*"))
}

fn lifecycle(system: &Booted<'_>) -> anyhow::Result<()> {
    system.run("dpkg", &["--install", PACKAGE])?;
    expect_state(system, SOCKET_UNIT, "active")?;
    expect_state(system, SERVICE_UNIT, "inactive")?;
    let modes = system.output("stat", &["--format=%n %a %U", "/run/device-key", SOCKET])?;
    let expected = format!("/run/device-key 755 root\n{SOCKET} 666 root\n");
    ensure!(modes == expected, "the socket is not as expected: {modes}");

    // The first connection starts the service. There is no TPM, so the key is OS-protected, which
    // works only if the unit keeps every condition of that class true.
    create_key(system)?;
    expect_state(system, SERVICE_UNIT, "active")?;
    let first = service(system)?;
    system.run("dpkg", &["--install", PACKAGE])?;
    expect_state(system, SERVICE_UNIT, "active")?;
    let second = service(system)?;
    ensure!(first.process != second.process, "the upgrade did not restart the service");
    ensure!(first.starts_of_socket == second.starts_of_socket, "the upgrade restarted the socket");
    let keys = client(system, &["list", "--json"])?;
    ensure!(keys.matches("\"keyId\"").count() == 1, "the key did not outlive the upgrade: {keys}");

    system.run("systemctl", &["stop", SERVICE_UNIT])?;
    let ended = property(system, SERVICE_UNIT, "ExecMainStatus")?;
    let result = property(system, SERVICE_UNIT, "Result")?;
    ensure!((&*ended, &*result) == ("0", "success"), "stopped with {ended}: {result}");
    // A connection starts the service once more, so that the removal has something to stop.
    client(system, &["list"])?;
    system.run("dpkg", &["--remove", "device-key"])?;
    for unit in [SOCKET_UNIT, SERVICE_UNIT] {
        expect_state(system, unit, "inactive")?;
    }
    let folder = "/run/device-key";
    system.run("test", &["!", "-e", folder]).with_context(|| format!("{folder} is left"))?;
    let kept = system.output("stat", &["--format=%a %U", "/var/lib/device-key/state.sqlite"])?;
    ensure!(kept == "600 device-key\n", "the state is not as it was: {kept}");
    Ok(())
}

/// The facts that distinguish one run of the service from another.
struct Service {
    process: String,
    starts_of_socket: String,
}

fn service(system: &Booted<'_>) -> anyhow::Result<Service> {
    let process = property(system, SERVICE_UNIT, "MainPID")?;
    let owner = system.output("stat", &["--format=%U", &format!("/proc/{process}/status")])?;
    // The service holds keys, so it must not be dumpable. Root owns the files of such a process in
    // /proc (proc(5)).
    ensure!(owner == "root\n", "the service can be dumped: /proc shows it as {owner}");
    let status = system.output("cat", &[&format!("/proc/{process}/status")])?;
    let id = system.output("id", &["--user", "device-key"])?;
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap_or_default();
    ensure!(
        user.split('\t').all(|shown| shown == id.trim()),
        "the service runs as {user}, not as {id}"
    );
    let starts_of_socket = property(system, SOCKET_UNIT, "ActiveEnterTimestampMonotonic")?;
    Ok(Service { process, starts_of_socket })
}

fn create_key(system: &Booted<'_>) -> anyhow::Result<()> {
    let class = "os_protected_nonextractable";
    let policy = "allow-os-protected-nonextractable";
    let arguments = ["create", "--json", "--account", "a", "--client", "c", "--policy", policy];
    let created = client(system, &arguments)?;
    ensure!(created.contains(class), "the key is of another class: {created}");
    Ok(())
}

/// Runs the installed command as a client of the service.
fn client(system: &Booted<'_>, arguments: &[&str]) -> anyhow::Result<String> {
    let user = ["--reuid", CLIENT, "--regid", CLIENT, "--clear-groups", "device-key"];
    system.output("setpriv", &[&user, arguments].concat())
}

fn expect_state(system: &Booted<'_>, unit: &str, expected: &str) -> anyhow::Result<()> {
    let state = property(system, unit, "ActiveState")?;
    ensure!(state == expected, "{unit} is {state}, not {expected}");
    Ok(())
}

fn property(system: &Booted<'_>, unit: &str, name: &str) -> anyhow::Result<String> {
    let value = system.output("systemctl", &["show", "--value", "--property", name, unit])?;
    Ok(value.trim().to_owned())
}
