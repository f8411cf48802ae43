//! The service under a user of its own, as an operator runs it, and its clients under theirs.
//!
//! The tests run as root. They start the service as one user without an account and connect as
//! another. The service and the program are in a folder that no other user can write to.

mod activation;
mod backup;
mod class;
mod listen;
mod load;
mod matrix;
mod operation;
mod reload;
mod shortage;
mod systemd;
mod unread_log;
mod wrapping;

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use device_key_testing::Swtpm;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Gid, Pid, PidfdFlags, Signal, Uid, kill_process, pidfd_open};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{PATIENCE, Program, collect};

/// User ids without accounts.
pub(crate) const SERVICE: u32 = 61_001;
pub(crate) const CLIENT: u32 = 61_002;

/// Where a service is installed: its program, its home, its socket and its configuration.
pub(crate) struct Installation {
    folder: TempDir,
}

impl Installation {
    pub(crate) fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests start programs of several users: run them as root"
        );
        // Not below /tmp, where other users can write.
        let folder =
            tempfile::Builder::new().prefix("device-key-e2e-").tempdir_in("/var/lib").unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let installation = Self { folder };
        install(Path::new(env!("CARGO_BIN_EXE_device-key")), &installation.program());
        for (name, mode) in [("home", 0o700), ("run", 0o755)] {
            let own = installation.folder.path().join(name);
            fs::create_dir(&own).unwrap();
            chown(&own, Some(SERVICE), Some(SERVICE)).unwrap();
            fs::set_permissions(&own, Permissions::from_mode(mode)).unwrap();
        }
        installation
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("device-key")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("run/device-key.sock")
    }

    pub(crate) fn listen(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Writes config.toml as root would. Returns its path.
    pub(crate) fn configure(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// The installed program as this user, without any setting of the user who runs the tests.
    pub(crate) fn as_user(&self, uid: u32) -> Command {
        let mut command = Command::new(self.program());
        command.env_clear().uid(uid).gid(uid).current_dir("/");
        command
    }

    /// The app-server as the service.
    pub(crate) fn service(&self) -> Command {
        self.app_server(SERVICE)
    }

    /// The app-server as the service, but under this user, which need not be the service's user.
    pub(crate) fn app_server(&self, uid: u32) -> Command {
        let mut command = self.as_user(uid);
        command.args(["app-server", "--service", "--home"]).arg(self.home());
        command
    }

    /// The relay to the service, as a client of this user spawns it.
    pub(crate) fn relay(&self, uid: u32) -> Command {
        let mut command = self.as_user(uid);
        command.args(["app-server", "--connect"]).arg(self.socket());
        command.args(["--service-uid", &SERVICE.to_string()]);
        command
    }

    /// Starts the service on its socket with OS-protected keys and more arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Service {
        let mut command = self.service();
        command.args(["--provider", "os", "--listen", &self.listen()]).args(arguments);
        Service::start(&mut command)
    }
}

/// Copies a program in a child process. If the tests had the copy open for writing while another
/// test starts a program, that program would inherit the open file for a moment, and running the
/// copy would fail (`ETXTBSY`).
pub(crate) fn install(program: &Path, to: &Path) {
    let mut copy = Command::new("install");
    assert!(copy.args(["-m", "755"]).arg(program).arg(to).status().unwrap().success());
}

/// A service that is ready.
pub(crate) struct Service {
    program: Program,
    log: Option<JoinHandle<Vec<u8>>>,
}

impl Service {
    /// The log of a service that was started with [`start_unread`](Self::start_unread). Nobody
    /// reads it but the caller.
    pub(crate) fn unread_log(&mut self) -> ChildStderr {
        self.program.child.stderr.take().unwrap()
    }

    /// Starts the service and waits until it is ready. The test plays the part of systemd, which
    /// the service notifies.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut service = Self::start_unread(command);
        service.log = service.program.child.stderr.take().map(collect);
        service
    }

    /// Starts the service as [`start`](Self::start) does, but nobody reads its log.
    pub(crate) fn start_unread(command: &mut Command) -> Self {
        let scratch = tempfile::tempdir_in("/run").unwrap();
        fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
        let path = scratch.path().join("notify");
        let notify = UnixDatagram::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        command.env("NOTIFY_SOCKET", &path);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = Program::spawn(command);
        let process = pidfd_open(Pid::from_child(&program.child), PidfdFlags::empty()).unwrap();
        let mut service = Self { program, log: None };
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let mut waiting =
            [PollFd::new(&notify, PollFlags::IN), PollFd::new(&process, PollFlags::IN)];
        assert!(poll(&mut waiting, Some(&patience)).unwrap() > 0, "the service does not start");
        if waiting[0].revents().is_empty() {
            let status = service.wait();
            service.log = service.program.child.stderr.take().map(collect);
            panic!("the service ended ({status}): {}", service.log());
        }
        let mut message = [0; 64];
        let length = notify.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1\n");
        service
    }

    pub(crate) fn id(&self) -> u32 {
        self.program.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program.child), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.program.wait()
    }

    /// The log of the service, after the service has ended.
    pub(crate) fn log(&mut self) -> String {
        String::from_utf8(self.log.take().unwrap().join().unwrap()).unwrap()
    }

    /// Asks the service to stop, which must succeed. Returns its log.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let status = self.wait();
        let log = self.log();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }

    /// Asks a service whose log nobody reads to stop, which must succeed.
    pub(crate) fn stop_unread(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait().code(), Some(0));
    }

    pub(crate) fn kill(mut self) {
        self.program.kill();
    }
}

/// A connection of one user to the service.
pub(crate) struct Client {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Client {
    /// Connects as this user and makes the handshake.
    pub(crate) fn connect(socket: &Path, uid: u32) -> Self {
        Self::on(connect_as(socket, uid))
    }

    /// Makes the handshake over this stream.
    pub(crate) fn on(stream: UnixStream) -> Self {
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut client = Self { stream, lines };
        let answer =
            client.call("initialize", &json!({"clientInfo": {"name": "e2e", "version": "0"}}));
        assert!(answer["result"].is_object(), "{answer}");
        client
    }

    pub(crate) fn send(&mut self, method: &str, params: &Value) {
        let request = json!({"id": method, "method": method, "params": params});
        self.stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    }

    /// The next answer, or nothing if the connection has ended.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = self.lines.read_line(&mut line).unwrap();
        (length > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.send(method, params);
        self.receive().expect("an answer")
    }

    /// Creates an OS-protected key, which must succeed. Returns its id.
    pub(crate) fn create(&mut self) -> String {
        let answer = self.call("device/key/create", &binding("allow_os_protected_nonextractable"));
        let key_id = &answer["result"]["keyId"];
        key_id.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

pub(crate) fn binding(policy: &str) -> Value {
    json!({"accountUserId": "account", "clientId": "client", "protectionPolicy": policy})
}

/// Lets the service use the simulator's socket.
pub(crate) fn give_to_service(swtpm: &Swtpm) {
    let socket = swtpm.socket();
    for path in [socket.parent().unwrap(), &socket] {
        chown(path, Some(SERVICE), Some(SERVICE)).unwrap();
    }
}

/// Connects as this user. The kernel remembers the user who connected, so any user may use the
/// stream afterwards.
pub(crate) fn connect_as(socket: &Path, uid: u32) -> UnixStream {
    let socket = socket.to_owned();
    let connecting = thread::spawn(move || {
        // Changes only this thread. The group comes first, because only root can change it.
        set_thread_res_gid(None, Gid::from_raw(uid), None).unwrap();
        set_thread_res_uid(None, Uid::from_raw(uid), None).unwrap();
        UnixStream::connect(socket).unwrap()
    });
    let stream = connecting.join().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
