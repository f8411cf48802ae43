//! A PostgreSQL server for tests.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// How long a server may take to come up; 40 to 90 ms were measured on an idle machine, and 1.3 s
/// for a new cluster.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// The account of Debian's and Fedora's packages. The server refuses to run as root.
const ACCOUNT: &str = "postgres";
const SOCKET: &str = ".s.PGSQL.5432";

/// Ends the server when the other end of the guard's standard input is closed, and then removes the
/// server's folder. The kernel closes that end however a test ends.
const GUARD: &str = r#"
    folder=$1; shift
    "$@" </dev/null &
    read -r _
    kill -QUIT $! 2>/dev/null
    kill -CONT $! 2>/dev/null
    wait
    rm -rf "$folder"
"#;

/// A `PostgreSQL` server for one test binary, on a Unix socket in a temporary folder. The server
/// and its data end with the process.
#[derive(Debug)]
pub struct Postgres {
    guard: Child,
    folder: PathBuf,
    programs: PathBuf,
    databases: AtomicU32,
}

impl Postgres {
    /// The server that all tests of this process share.
    ///
    /// # Panics
    /// Panics, as every method of this type does, if `PostgreSQL`'s server (Debian: postgresql) is
    /// missing or misbehaves.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Starts a server for a test that ends or pauses it.
    pub fn start() -> Self {
        let programs = programs();
        let scratch = scratch();
        initialize(&programs, scratch.path());
        // The guard removes the folder, because a static is never dropped.
        let folder = scratch.keep();
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh"]).arg(&folder).args(as_account());
        let guard = command
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(&folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            // Nobody needs the data of a test after a power cut.
            .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
            // A signal to the test's process group, such as Ctrl-C on a terminal, must not end the
            // guard.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        let server = Self { guard, folder, programs, databases: AtomicU32::new(0) };
        server.wait_until_ready();
        server
    }

    /// Makes an empty database and returns a connection string as libpq takes it.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        run(self.program("createdb").arg(&name));
        format!("host={} user={ACCOUNT} dbname={name}", self.folder.display())
    }

    /// Pauses the server. Connections stay open, and nothing is answered.
    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets the server go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Returns a command that runs a client program on this server.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.arg("-h").arg(&self.folder).args(["-U", ACCOUNT]).stdin(Stdio::null());
        command
    }

    /// Signals the server and the process of each connection.
    fn signal_all(&self, signal: Signal) {
        let pid_file = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let server = pid_file.lines().next().unwrap();
        let children =
            fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        for pid in [server].into_iter().chain(children.split_whitespace()) {
            let pid = pid.parse().ok().and_then(Pid::from_raw).unwrap();
            // The process of a connection may just have ended.
            let _ = kill_process(pid, signal);
        }
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + START_DEADLINE;
        while UnixStream::connect(self.folder.join(SOCKET)).is_err()
            || !self.program("pg_isready").stdout(Stdio::null()).status().unwrap().success()
        {
            assert!(Instant::now() < deadline, "PostgreSQL does not come up");
            thread::yield_now();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Paused connections would not end.
        self.resume();
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Gives the folder and the data in it to the account that runs the server.
fn initialize(programs: &Path, folder: &Path) {
    if geteuid().is_root() {
        // The colon stands for the account's own group.
        run(Command::new("chown").arg(format!("{ACCOUNT}:")).arg(folder));
    }
    // `env` runs the program that its arguments name.
    let mut initdb = Command::new("env");
    initdb.args(as_account()).arg(programs.join("initdb")).arg("-D").arg(folder.join("data"));
    initdb.args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-U", ACCOUNT]);
    run(&mut initdb);
}

/// The program that runs a program of the server: none, or `setpriv` if we are root.
fn as_account() -> &'static [&'static str] {
    let setpriv = &["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"];
    if geteuid().is_root() { setpriv } else { &[] }
}

fn run(command: &mut Command) {
    // The account must be able to enter the current folder.
    let output = command.current_dir("/").output().expect("PostgreSQL is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
}

/// Debian keeps the programs of each version in a folder that is not on the search path.
fn programs() -> PathBuf {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let mut folders = versions().into_iter().chain(env::split_paths(&on_path));
    let found = folders.find(|folder| folder.join("initdb").is_file());
    found.expect("PostgreSQL's server is installed (Debian: postgresql)")
}

/// Returns the folders with the newest version first.
fn versions() -> Vec<PathBuf> {
    let names = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut versions: Vec<u32> = numbers.collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let folder = |version| format!("/usr/lib/postgresql/{version}/bin").into();
    versions.into_iter().map(folder).collect()
}

/// Makes a folder in `/tmp`, because a socket's path must be short. The folder is closed to other
/// users, because the server trusts whoever reaches its socket.
fn scratch() -> TempDir {
    let scratch = tempfile::Builder::new().prefix("postgres-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700)).unwrap();
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &Postgres, database: &str, sql: &str) -> String {
        let name = database.rsplit('=').next().unwrap();
        let mut psql = server.program("psql");
        let output = psql.args(["-d", name, "-tAc", sql]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn each_test_has_a_database_and_the_folder_goes_with_the_server() {
        let server = Postgres::start();
        let (one, two) = (server.database(), server.database());
        assert_ne!(one, two);
        ask(&server, &one, "CREATE TABLE only_here ()");
        let count = "SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'";
        assert_eq!(
            (ask(&server, &one, count), ask(&server, &two, count)),
            ("1".into(), "0".into())
        );

        server.pause();
        server.resume();
        assert_eq!(ask(&server, &one, "SELECT 7"), "7");

        server.pause();
        let folder = server.folder.clone();
        drop(server);
        assert!(!folder.exists());
    }
}
