//! The files that must be on the system, written down apart from the list that the package is built
//! from.

use anyhow::ensure;

/// The files that stay when the package is removed, and go with a purge.
pub(crate) const CONFIGURATION: &[&str] =
    &["/etc/device-key d 755 root root", "/etc/device-key/config.toml f 644 root root"];

/// The links that enable the socket, and the notes of deb-systemd-helper about them. They stay and
/// go with the configuration.
pub(crate) const ENABLED: &[&str] = &[
    "/etc/systemd/system/sockets.target.wants d 755 root root",
    "/etc/systemd/system/sockets.target.wants/device-key.socket l 777 root root \
     -> /lib/systemd/system/device-key.socket",
    "/var/lib/systemd/deb-systemd-helper-enabled/device-key.socket.dsh-also f 644 root root",
    "/var/lib/systemd/deb-systemd-helper-enabled/sockets.target.wants d 755 root root",
    "/var/lib/systemd/deb-systemd-helper-enabled/sockets.target.wants/device-key.socket \
     f 644 root root",
];

/// The folder that stays even when the package is purged.
pub(crate) const HOME: &[&str] = &["/var/lib/device-key d 700 device-key device-key"];

/// The files that go when the package is removed.
pub(crate) const PROGRAM: &[&str] = &[
    "/usr/bin/device-key f 755 root root",
    "/usr/lib/systemd/system/device-key.service f 644 root root",
    "/usr/lib/systemd/system/device-key.socket f 644 root root",
    "/usr/lib/systemd/user/device-key.service f 644 root root",
    "/usr/lib/systemd/user/device-key.socket f 644 root root",
    "/usr/lib/sysusers.d/device-key.conf f 644 root root",
    "/usr/lib/tmpfiles.d/device-key.conf f 644 root root",
    "/usr/share/doc/device-key d 755 root root",
    "/usr/share/doc/device-key/CHANGELOG.md f 644 root root",
    "/usr/share/doc/device-key/README.Debian f 644 root root",
    "/usr/share/doc/device-key/SECURITY.md f 644 root root",
    "/usr/share/doc/device-key/copyright f 644 root root",
    "/usr/share/doc/device-key/examples d 755 root root",
    "/usr/share/doc/device-key/examples/network.conf f 644 root root",
    "/usr/share/doc/device-key/examples/wrapping-key.conf f 644 root root",
];

/// Fails unless `answer` is what `device-key --version` prints for this version.
pub(crate) fn version(answer: &str) -> anyhow::Result<()> {
    let expected = concat!("device-key ", env!("CARGO_PKG_VERSION"));
    ensure!(answer.trim() == expected, "{answer:?} instead of {expected:?}");
    Ok(())
}
