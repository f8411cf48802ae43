//! Tests that a hardened process can do the work of a service and nothing else.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, thread};

use device_key_private_fs::PrivateDir;
use device_key_provider_os::{Hardening, HardeningError, HardeningStep, Network, Outcome, harden};
use device_key_state::StateRuntime;
use device_key_testing::conformance;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::{runtime, task, time};

use crate::runner::Test;
use crate::scene::{SERVICE, Scene};
use crate::sys;

pub(crate) const TESTS: &[Test] = &[
    ("hardening::a_hardened_service_works", a_hardened_service_works),
    (
        "hardening::a_hardened_service_cannot_do_anything_else",
        a_hardened_service_cannot_do_anything_else,
    ),
    ("hardening::requested_access_is_kept", requested_access_is_kept),
];

fn a_hardened_service_works() {
    let scene = Scene::new();
    scene.output(SERVICE, &["work", scene.home(SERVICE).to_str().unwrap()]);
}

fn a_hardened_service_cannot_do_anything_else() {
    let scene = Scene::new();
    scene.output(SERVICE, &["forbidden", scene.home(SERVICE).to_str().unwrap()]);
}

/// Runs in a child: does the work of a service on several threads, with tasks, timers, sockets,
/// `SQLite` and standard streams.
pub(crate) fn work(home: &str) {
    let report = harden(&Hardening::new(Network::UnixOnly).read_write(home)).unwrap();
    let steps: Vec<_> = report.steps.iter().map(|step| step.step).collect();
    assert_eq!(
        steps,
        [
            HardeningStep::NotDumpable,
            HardeningStep::NoNewPrivileges,
            HardeningStep::NoCoreDumps,
            HardeningStep::NoWrittenCode,
            HardeningStep::FileRules,
            HardeningStep::SystemCallFilter,
        ]
    );
    // Older kernels support fewer steps, but every kernel that runs these tests has the filter.
    assert_eq!(report.steps.last().unwrap().outcome, Outcome::Done);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let home = PrivateDir::open(Path::new(home)).unwrap();
        let state = Arc::new(StateRuntime::open(&home).unwrap());
        conformance::binding_store(&*state).await;
        task::spawn_blocking(move || drop(state)).await.unwrap();

        let path = home.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.peer_cred().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        drop(client);
        assert_eq!(server.await.unwrap(), "hello");
        fs::remove_file(&path).unwrap();
        let elapsed = time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
        elapsed.unwrap_err();
    });
    thread::spawn(|| eprint!("")).join().unwrap();
    // A static program reads random bytes from these devices; this program uses a system call.
    for device in ["/dev/random", "/dev/urandom"] {
        fs::File::open(device).unwrap();
    }
    println!("worked");
}

fn requested_access_is_kept() {
    let scene = Scene::new();
    scene.output(SERVICE, &["keep"]);
}

/// Runs in a child: asks for the internet, a file and a device, and uses each of them.
pub(crate) fn keep() {
    let hardening = Hardening::new(Network::Internet).read("/etc/passwd").device("/dev/null");
    harden(&hardening).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap();
    fs::read("/etc/passwd").unwrap();
    fs::write("/dev/null", "").unwrap();
    fs::read("/etc/group").unwrap_err();
    fs::File::open("/dev/zero").unwrap_err();
}

/// Runs in a child: each of these actions works before hardening and fails after it.
pub(crate) fn try_forbidden(home: &str) {
    type Action = (&'static str, fn() -> io::Result<()>);
    let actions: &[Action] = &[
        ("run a program", || Command::new("/bin/true").status().map(drop)),
        ("make a process", sys::clone_process),
        ("read a file of another user", || fs::read("/etc/passwd").map(drop)),
        ("make a TCP socket", || TcpListener::bind("127.0.0.1:0").map(drop)),
        ("make a UDP socket", || UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("run code that it wrote", sys::make_written_code),
        ("become dumpable", || Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?)),
        ("allow core dumps", || {
            let limit = Rlimit { current: Some(1), maximum: Some(1) };
            Ok(setrlimit(Resource::Core, limit)?)
        }),
    ];
    for (name, action) in actions {
        action()
            .unwrap_or_else(|error| panic!("the process cannot {name} before hardening: {error}"));
    }
    let hardening = Hardening::new(Network::UnixOnly).read_write(home);
    let report = harden(&hardening).unwrap();
    assert!(report.steps.iter().all(|step| step.outcome == Outcome::Done), "{report:?}");
    for (name, action) in actions {
        let error = action().expect_err(name);
        let is_refused = [Errno::NOSYS, Errno::PERM, Errno::ACCESS]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        assert!(is_refused, "{name}: {error}");
    }
    // The filter forbids exec itself. It does not fail only because the process cannot make another
    // process, or cannot read the program.
    let error = Command::new("/bin/true").exec();
    assert_eq!(error.raw_os_error(), Some(Errno::NOSYS.raw_os_error()), "{error}");
    fs::write(Path::new(home).join("file"), "state").unwrap();
    let threads =
        thread::scope(|scope| scope.spawn(|| harden(&hardening).unwrap_err()).join().unwrap());
    assert!(matches!(threads, HardeningError::Threads { count: 2 }), "{threads}");
}
