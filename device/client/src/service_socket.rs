//! The socket that the service listens on, and the users whose processes may listen there.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::{env, fs, io};

use device_key_types::UnixSocketPath;
use tokio::net::UnixStream;

use crate::error::ClientError;

/// The socket of a service, and the user who may run the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSocket {
    path: UnixSocketPath,
    service_uid: Option<u32>,
}

impl ServiceSocket {
    /// The socket at this path.
    pub fn at(path: UnixSocketPath) -> Self {
        Self { path, service_uid: None }
    }

    /// The default socket: the system's if it exists, otherwise the user's, below
    /// `XDG_RUNTIME_DIR`. Once a socket is chosen, no other is tried.
    pub fn locate() -> Result<Self, ClientError> {
        let user = UnixSocketPath::of_user(env::var_os("XDG_RUNTIME_DIR").as_deref());
        first_existing([Some(UnixSocketPath::of_system()), user]).map(Self::at)
    }

    /// Also trusts a service that runs as the user `service_uid`. `None` adds no user.
    #[must_use]
    pub fn trusting(self, service_uid: Option<u32>) -> Self {
        Self { service_uid, ..self }
    }

    /// Connects. Nothing is sent before the kernel has told whose process listens. The process must
    /// belong to root (if systemd made the socket), to this process's own user, or to the user that
    /// [`trusting`](Self::trusting) added.
    pub async fn connect(&self) -> Result<UnixStream, ClientError> {
        let path = self.path.as_path();
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| ClientError::NoService { tried: vec![path.to_owned()], source })?;
        // These are the credentials of the process that called listen(2) (unix(7)). Tokio accepts a
        // process id of 0, which rustix's type cannot hold. The kernel gives 0 for a process of
        // another namespace, such as that of a container.
        let credentials = stream.peer_cred().map_err(local("cannot tell who listens"))?;
        let listener = credentials.uid();
        if self.trusts(listener, rustix::process::geteuid().as_raw()) {
            Ok(stream)
        } else {
            Err(ClientError::UntrustedListener { path: path.to_owned(), listener })
        }
    }

    /// Connects as [`connect`](Self::connect) does. The stream is in blocking mode. Must be called
    /// outside of a Tokio runtime.
    pub fn connect_blocking(&self) -> Result<StdUnixStream, ClientError> {
        let action = "cannot set up a connection";
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(local(action))?;
        runtime.block_on(async {
            let stream = self.connect().await?.into_std().map_err(local(action))?;
            stream.set_nonblocking(false).map_err(local(action))?;
            Ok(stream)
        })
    }

    fn trusts(&self, listener: u32, own: u32) -> bool {
        [0, own].contains(&listener) || self.service_uid == Some(listener)
    }
}

fn local(action: &'static str) -> impl Fn(io::Error) -> ClientError {
    move |source| ClientError::Local { action, source }
}

fn first_existing(candidates: [Option<UnixSocketPath>; 2]) -> Result<UnixSocketPath, ClientError> {
    let candidates = candidates.into_iter().flatten();
    candidates.clone().find(exists).ok_or_else(|| ClientError::NoService {
        tried: candidates.map(|path| path.as_path().to_owned()).collect(),
        source: io::ErrorKind::NotFound.into(),
    })
}

/// Whether the path exists. A path that cannot be inspected counts as existing, and the attempt to
/// connect then fails with the reason.
fn exists(path: &UnixSocketPath) -> bool {
    !matches!(
        fs::symlink_metadata(path.as_path()),
        Err(error) if error.kind() == io::ErrorKind::NotFound
    )
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
        let chosen = || first_existing([Some(path("system")), Some(path("user"))]).ok();
        assert_eq!(chosen(), None);
        fs::write(place("user"), "").unwrap();
        assert_eq!(chosen(), Some(path("user")));
        fs::write(place("system"), "").unwrap();
        assert_eq!(chosen(), Some(path("system")));
    }

    #[test]
    fn only_root_this_user_and_the_service_user_may_listen() {
        let (own, service, stranger) = (1000, 900, 1001);
        let socket = ServiceSocket::at(UnixSocketPath::of_system());
        let trusted =
            |socket: &ServiceSocket| [0, own, service, stranger].map(|uid| socket.trusts(uid, own));
        assert_eq!(trusted(&socket), [true, true, false, false]);
        assert_eq!(trusted(&socket.trusting(Some(service))), [true, true, true, false]);
    }
}
