//! Child processes for tests: a child is the test binary, which runs one of its ignored tests.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use device_key_private_fs::PrivateDir;

const HOME: &str = "STATE_TEST_HOME";
const SAID: &str = "child: ";

/// Returns a command that runs an ignored test of this binary with this home and this umask.
fn command(test: &str, home: &Path, umask: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"umask "$1"; shift; exec "$@""#, "sh", umask]);
    this_binary(command, test, home)
}

fn this_binary(mut command: Command, test: &str, home: &Path) -> Command {
    command.arg(env::current_exe().unwrap()).args([test, "--exact", "--ignored", "--nocapture"]);
    command.env(HOME, home).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Starts a child and waits until it calls [`ready`]. Returns the child and the text that it said.
pub(crate) fn start(test: &str, home: &PrivateDir, umask: &str) -> (Child, String) {
    let mut child = command(test, home.path(), umask).spawn().unwrap();
    let said = BufReader::new(child.stdout.as_mut().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(SAID)?.1.to_owned()))
        .expect("the child failed before it was ready");
    (child, said)
}

/// Runs an ignored test to its end, with its home on a disk of its own that has 4 MiB.
pub(crate) fn run_on_small_disk(test: &str, home: &PrivateDir) {
    let mount = r#"mount -t tmpfs -o size=4m,mode=0700 none "$1"; shift; exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", mount, "sh"]);
    command.arg(home.path());
    let output = this_binary(command, test, home.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Kills the child with `SIGKILL`.
pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Called in the child: returns the home. Returns `None` if somebody runs the ignored tests by
/// hand.
pub(crate) fn home() -> Option<PrivateDir> {
    Some(PrivateDir::open_or_create(Path::new(&env::var_os(HOME)?)).unwrap())
}

/// Called in the child: says this text, then waits until the parent drops or kills the child.
pub(crate) fn ready(said: &str) {
    println!("\n{SAID}{said}");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
