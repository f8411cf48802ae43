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
