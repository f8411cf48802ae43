//! Opens what the app-server serves: its sockets, or standard input and output.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::{env, fmt, io, process};

use device_key_config::{ListenAddress, ServiceMode};
use device_key_server::{
    AppServer, CapabilityToken, SocketMode, Stdio, StdioError, UnixSocket, UnixSocketError,
    WebSocketAccess, WebSocketError, WebSocketLimits, WebSocketListening, WebSocketSettings,
};
use device_key_types::{ErrorChain, UnixSocketPath};
use listenfd::ListenFd;
use rustix::fs::fstat;
use tracing::{error, info};

use crate::exit::{Exit, Failure};
use crate::settings::Settings;

/// What the app-server serves.
pub(super) enum Transport {
    Listeners(Listeners),
    Stdio(Stdio),
}

impl Transport {
    /// Opens the sockets. If there are none, opens standard input and output. Must be called within
    /// a Tokio runtime.
    pub(super) fn open(settings: &Settings) -> Result<Self, Failure> {
        let listeners = Listeners::open(settings)?;
        if !listeners.is_empty() {
            return Ok(Self::Listeners(listeners));
        }
        Stdio::open(socket_mode(settings)).map(Self::Stdio).map_err(|error| Failure {
            fix: match error {
                StdioError::UnknownClient => Some("name a socket with --listen".to_owned()),
                StdioError::OtherUser { .. } => {
                    Some("run the app-server as the user of its client".to_owned())
                }
                _ => None,
            },
            ..unusable(&"there is nothing to serve", &ErrorChain(&error))
        })
    }

    /// Whether every socket is one of systemd, which then starts the service for the next client.
    pub(super) fn is_of_systemd(&self) -> bool {
        match self {
            Self::Listeners(Listeners { unix, websocket }) => {
                websocket.is_empty() && unix.iter().all(|socket| !socket.is_ours())
            }
            Self::Stdio(_) => false,
        }
    }

    /// The rules of the WebSocket listeners.
    pub(super) fn websockets(&self) -> Vec<WebSocketAccess> {
        match self {
            Self::Listeners(listeners) => {
                listeners.websocket.iter().map(WebSocketListening::access).collect()
            }
            Self::Stdio(_) => Vec::new(),
        }
    }

    /// The folders of the sockets that this process created and will remove.
    pub(super) fn folders(&self) -> Vec<&Path> {
        match self {
            Self::Listeners(listeners) => listeners.folders().collect(),
            Self::Stdio(_) => Vec::new(),
        }
    }
}

/// The sockets of the service: those that systemd passed to it, and those that it created.
pub(super) struct Listeners {
    unix: Vec<UnixSocket>,
    websocket: Vec<WebSocketListening>,
}

impl Listeners {
    /// Adopts the sockets of systemd and creates the sockets that the settings name. If one of the
    /// sockets fails, none is kept. Must be called within a Tokio runtime.
    fn open(settings: &Settings) -> Result<Self, Failure> {
        let mut listeners = Self { unix: inherited()?, websocket: Vec::new() };
        for address in &settings.listen {
            match address {
                ListenAddress::DefaultUnix => {
                    let path = default_path(settings.service)?;
                    listeners.unix.push(bound(&path, settings)?);
                }
                ListenAddress::Unix(path) => listeners.unix.push(bound(path, settings)?),
                ListenAddress::WebSocket(address) => {
                    listeners.websocket.push(websocket(*address, settings)?);
                }
            }
        }
        Ok(listeners)
    }

    fn folders(&self) -> impl Iterator<Item = &Path> {
        self.unix
            .iter()
            .filter(|socket| socket.is_ours())
            .filter_map(|socket| socket.path()?.parent())
    }

    fn is_empty(&self) -> bool {
        self.unix.is_empty() && self.websocket.is_empty()
    }

    /// Serves each socket on a task of its own until the server stops.
    pub(super) fn serve(self, server: &AppServer) {
        for socket in self.unix {
            tokio::spawn(socket.serve(server.clone()));
        }
        for listening in self.websocket {
            info!(address = %listening.address(), "listening");
            let serving = listening.serve(server.clone());
            tokio::spawn(async move {
                if let Err(error) = serving.await {
                    error!(%error, "a WebSocket listener failed");
                }
            });
        }
    }
}

/// The sockets that systemd's socket activation passed to this process (`sd_listen_fds(3)`).
fn inherited() -> Result<Vec<UnixSocket>, Failure> {
    // `listenfd` removes the variable. Without the variable, it would also take descriptors that
    // are not meant for this process.
    let Ok(listen_pid) = env::var("LISTEN_PID") else { return Ok(Vec::new()) };
    let mut sockets = ListenFd::from_env();
    if sockets.len() == 0 && listen_pid == process::id().to_string() {
        let cause = "LISTEN_PID names this process, but LISTEN_FDS names no socket";
        return Err(unusable(&"there is nothing to serve", &cause));
    }
    let mut adopted = Vec::new();
    for index in 0..sockets.len() {
        let listener = sockets
            .take_unix_listener(index)
            .map_err(|error| unusable(&"an inherited descriptor is not a Unix socket", &error))?;
        // With `Accept=yes`, systemd passes the connection here and as standard input.
        if let Some(listener) = listener.filter(|listener| !is_standard_input(listener)) {
            adopted.push(UnixSocket::adopt(listener).map_err(|error| {
                unusable(&"an inherited socket cannot be used", &ErrorChain(&error))
            })?);
        }
    }
    Ok(adopted)
}

fn is_standard_input(descriptor: impl AsFd) -> bool {
    let file = |descriptor| fstat(descriptor).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    file(descriptor.as_fd()) == file(io::stdin().as_fd())
}

/// Who may be served: every user by a service of the machine, otherwise the user of this process.
fn socket_mode(settings: &Settings) -> SocketMode {
    match settings.service {
        Some(ServiceMode::System) => SocketMode::Everybody,
        Some(ServiceMode::User) | None => SocketMode::OwnUser,
    }
}

fn bound(path: &UnixSocketPath, settings: &Settings) -> Result<UnixSocket, Failure> {
    UnixSocket::bind(path.as_path(), socket_mode(settings)).map_err(|error| Failure {
        fix: fix(&error),
        ..unusable(&format_args!("cannot listen at {path}"), &ErrorChain(&error))
    })
}

/// Reads the token that WebSocket clients must present, if the settings name one.
pub(super) fn token(settings: &Settings) -> Result<Option<CapabilityToken>, Failure> {
    let Some(file) = &settings.websocket.token_file else { return Ok(None) };
    CapabilityToken::read(file.as_path()).map(Some).map_err(|error| Failure {
        fix: Some(
            "write 32 to 512 characters into the file, and make it private with chmod 600".into(),
        ),
        ..unusable(&"the token cannot be used", &ErrorChain(&error))
    })
}

fn websocket(address: SocketAddr, settings: &Settings) -> Result<WebSocketListening, Failure> {
    let token = token(settings)?;
    let origins = settings.websocket.allowed_origins.clone();
    let limits =
        WebSocketLimits { stall_deadline: settings.limits.stall(), ..WebSocketLimits::default() };
    let settings = WebSocketSettings { token, origins, limits, ..WebSocketSettings::default() };
    WebSocketListening::bind(address, settings).map_err(|error| Failure {
        fix: match &error {
            WebSocketError::TokenRequired { .. } => {
                Some("set token_file under [websocket], or listen on 127.0.0.1".to_owned())
            }
            _ => None,
        },
        ..unusable(&format_args!("cannot listen at ws://{address}"), &ErrorChain(&error))
    })
}

fn default_path(service: Option<ServiceMode>) -> Result<UnixSocketPath, Failure> {
    if service == Some(ServiceMode::System) {
        return Ok(UnixSocketPath::of_system());
    }
    let runtime_dir = env::var_os("XDG_RUNTIME_DIR");
    UnixSocketPath::of_user(runtime_dir.as_deref()).ok_or_else(|| Failure {
        fix: Some("give the path of the socket: --listen unix:///PATH".to_owned()),
        ..unusable(&"there is no default socket", &"XDG_RUNTIME_DIR does not name a folder")
    })
}

fn unusable(what: &dyn fmt::Display, cause: &dyn fmt::Display) -> Failure {
    Failure {
        exit: Exit::TransportFailed,
        what: what.to_string(),
        cause: cause.to_string(),
        fix: None,
    }
}

fn fix(error: &UnixSocketError) -> Option<String> {
    Some(match error {
        UnixSocketError::InUse { .. } => {
            "stop the other service, or listen on another path".to_owned()
        }
        UnixSocketError::NotSocket { path } => {
            format!(
                "check what '{}' is and move it away, or listen on another path",
                path.display()
            )
        }
        UnixSocketError::UnsafeFolder { path, .. } => {
            format!(
                "chown root '{0}' and chmod go-w '{0}', or listen on another path",
                path.display()
            )
        }
        _ => return None,
    })
}
