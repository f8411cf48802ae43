//! A service whose database another process locks or cuts short.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use device_key_testing::Swtpm;
use serde_json::json;

use crate::home::Home;
use crate::program::Program;
use crate::server::Server;

/// Locks what every reader of a write-ahead log needs: bytes 123 to 127 of the wal-index
/// (sqlite.org, "WAL-mode File Format", section 2.3).
const LOCK: &str = "import fcntl, sys\n\
    index = open(sys.argv[1], 'r+b')\n\
    fcntl.lockf(index, fcntl.LOCK_EX, 5, 123)\n\
    print('locked', flush=True)\n\
    sys.stdin.read()\n";

/// Far less than the ten seconds for which `SQLite` tries to get such a lock.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Holds the locks of all readers until the returned program is dropped.
fn lock_out_readers(home: &Home) -> Program {
    let index = home.path().join("state.sqlite-shm");
    let mut command = Command::new("python3");
    command.args(["-c", LOCK]).arg(index).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = Program::spawn(&mut command);
    let mut said = String::new();
    BufReader::new(holder.child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "locked\n");
    holder
}

#[test]
fn a_locked_database_delays_only_the_requests_that_read_it() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    server.prove(&key);

    let holder = lock_out_readers(&home);
    let signing = server.request("device/key/sign", &key.sign_params());
    let asking = server.request("device/key/providers", &json!({}));
    let answer = server.receive_within(AT_ONCE).expect("an answer while the other request waits");
    assert_eq!(answer["id"], asking, "{answer}");
    drop(holder);
    let answer = server.receive();
    assert_eq!(answer["id"], signing, "{answer}");
    key.verify(&answer);
    server.finish_well();
}

/// `SQLite` maps the index of its log into memory, so the kernel may end a process under which the
/// index is cut short (SIGBUS, mmap(2)). Only the service's user can do that.
#[test]
fn nothing_is_lost_when_the_index_of_the_log_is_cut_short() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let keys = [server.create("account", "one"), server.create("account", "two")];
    File::options()
        .write(true)
        .open(home.path().join("state.sqlite-shm"))
        .and_then(|index| index.set_len(0))
        .unwrap();
    server.request("device/key/sign", &keys[0].sign_params());
    // The service may have answered or ended.
    let _ = server.finish();

    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    for key in &keys {
        server.prove(key);
    }
    let new = server.create("account", "three");
    server.finish_well();
    assert_eq!(home.assert_at_rest(), keys.into_iter().chain([new]).map(|key| key.id).collect());
}
