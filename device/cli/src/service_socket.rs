//! The way from a client to a running service.

use std::{env, fmt, fs, io};

use device_key_types::UnixSocketPath;
use tokio::net::UnixStream;

use crate::{
    args::SocketArguments,
    exit::{Exit, Failure},
};

/// Where a service should listen, and who may be the one that does.
pub(crate) struct ServiceSocket {
    path: UnixSocketPath,
    service_uid: Option<u32>,
}

impl ServiceSocket {
    /// The socket that was named, or else the system's if there is one, or else the user's.
    ///
    /// It is chosen once: whatever comes of it, no other is tried.
    pub(crate) fn locate(arguments: &SocketArguments) -> Result<Self, Failure> {
        let path = match &arguments.socket {
            Some(path) => path.clone(),
            None => default_path(
                UnixSocketPath::of_system(),
                UnixSocketPath::of_user(env::var_os("XDG_RUNTIME_DIR").as_deref()),
            )?,
        };
        Ok(Self { path, service_uid: arguments.service_uid })
    }

    /// Connects, and sends nothing before the kernel has said whose socket it is: root's, as when
    /// systemd makes it, this user's own, or that of the service's user.
    pub(crate) async fn connect(&self) -> Result<UnixStream, Failure> {
        let path = &self.path;
        let stream = UnixStream::connect(path.as_path()).await.map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => no_service(&format!("{path} does not exist")),
                io::ErrorKind::ConnectionRefused => {
                    no_service(&format!("nobody listens at {path}"))
                }
                // Its queue of connections is full.
                io::ErrorKind::WouldBlock => no_service(&format!("{path} takes no connection")),
                _ => no_service(&format!("{path}: {error}")),
            }
        })?;
        // Of the one who called listen(2) (unix(7)).
        let listener = stream
            .peer_cred()
            .map_err(|error| Failure::system("cannot tell who listens", &error))?
            .uid();
        if self.trusts(listener) { Ok(stream) } else { Err(self.untrusted(listener)) }
    }

    fn trusts(&self, listener: u32) -> bool {
        let own = rustix::process::geteuid().as_raw();
        [0, own].contains(&listener) || self.service_uid == Some(listener)
    }

    fn untrusted(&self, listener: u32) -> Failure {
        Failure {
            exit: Exit::UntrustedService,
            what: "the service is not trusted, and was told nothing".to_owned(),
            cause: format!("{} belongs to user {listener}, not to root or this user", self.path),
            cure: Some(cure_of_mistrust(listener)),
        }
    }
}

/// What to do when somebody else than the service listens.
pub(crate) fn cure_of_mistrust(listener: u32) -> String {
    format!(
        "see who user {listener} is; if that is the service's user, give --service-uid {listener} \
         or set DEVICE_KEY_SERVICE_UID"
    )
}

/// The system's socket if there is one, or else the user's if there is one.
fn default_path(
    system: UnixSocketPath,
    user: Option<UnixSocketPath>,
) -> Result<UnixSocketPath, Failure> {
    let absent = match &user {
        Some(user) => format!("neither {system} nor {user} exists"),
        None => format!("{system} does not exist"),
    };
    let mut candidates = [Some(system), user].into_iter().flatten();
    candidates.find(is_there).ok_or_else(|| no_service(&absent))
}

/// What cannot be looked at may be there; connecting will tell.
fn is_there(path: &UnixSocketPath) -> bool {
    !matches!(
        fs::symlink_metadata(path.as_path()),
        Err(error) if error.kind() == io::ErrorKind::NotFound
    )
}

fn no_service(cause: &dyn fmt::Display) -> Failure {
    Failure {
        exit: Exit::NoService,
        what: "no service answers".to_owned(),
        cause: cause.to_string(),
        cure: Some(
            "start the service, name its socket with --socket, or give --in-process to do it here"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_socket_goes_before_the_users() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let path =
            |name: &str| -> UnixSocketPath { place(name).to_str().unwrap().parse().unwrap() };
        let chosen = || default_path(path("system"), Some(path("user"))).map_err(|no| no.exit);
        assert_eq!(chosen(), Err(Exit::NoService));
        fs::write(place("user"), "").unwrap();
        assert_eq!(chosen(), Ok(path("user")));
        fs::write(place("system"), "").unwrap();
        assert_eq!(chosen(), Ok(path("system")));
    }
}
