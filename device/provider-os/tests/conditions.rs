//! Breaks each condition on a service that meets all other conditions. The doctor, the handshake
//! and the creation of a key must all name exactly the broken condition.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

use device_key_private_fs::PrivateDir;
use device_key_provider_os::{Subject, evaluate};
use device_key_testing::SequenceRandom;

use crate::roles::MARK;
use crate::runner::Test;
use crate::scene::{CLIENT, SERVICE, Scene, Talk, set_mode};

pub(crate) const TESTS: &[Test] = &[
    ("conditions::all_hold", all_hold),
    ("conditions::callers", callers),
    ("conditions::dumpable", || unhardened("new_privileges,core_dumps", "dumpable")),
    ("conditions::new_privileges", || unhardened("dumpable,core_dumps", "new_privileges")),
    ("conditions::core_dumps", || unhardened("dumpable,new_privileges", "core_dumps")),
    ("conditions::soft_limit_on_core_dumps", soft_limit_on_core_dumps),
    ("conditions::key_folder", key_folder),
    ("conditions::key_files", key_files),
    ("conditions::ancestors", ancestors),
    ("conditions::file_system", file_system),
    ("conditions::user_namespace", user_namespace),
    ("conditions::binary", binary),
    ("conditions::libraries", libraries),
    ("conditions::configuration", configuration),
    ("conditions::missing_configuration", missing_configuration),
    ("conditions::imported_key", imported_key),
    (
        "conditions::no_key_is_created_while_a_condition_fails",
        no_key_is_created_while_a_condition_fails,
    ),
];

/// The hardening steps of a service, so that only the condition under test fails.
pub(crate) const HARDENED: &str = "dumpable,new_privileges,core_dumps";

/// Starts a hardened service and waits until it is ready for questions.
fn service(scene: &Scene, configuration: Option<&Path>) -> Talk {
    let home = scene.home(SERVICE);
    let mut role = vec!["service", home.to_str().unwrap(), "fully"];
    role.extend(configuration.map(|path| path.to_str().unwrap()));
    ready(scene.command(SERVICE, &role))
}

fn ready(command: Command) -> Talk {
    let mut service = Talk::start(command);
    assert_eq!(service.line(), "ready");
    service
}

/// Asserts that every check names exactly this condition.
#[track_caller]
fn assert_fails(service: &mut Talk, condition: &str) {
    assert_eq!(service.ask("conditions"), condition);
    for question in ["availability", "presence", "serves"] {
        assert_eq!(service.ask(&format!("{question} {CLIENT} unix")), condition, "{question}");
    }
}

#[track_caller]
fn assert_holds(service: &mut Talk) {
    assert_eq!(service.ask("conditions"), "");
    for question in ["presence", "availability", "serves"] {
        assert_eq!(service.ask(&format!("{question} {CLIENT} unix")), "ok", "{question}");
    }
}

fn all_hold() {
    let scene = Scene::new();
    let configuration = scene.path().join("config.toml");
    fs::write(&configuration, "").unwrap();
    let mut service = service(&scene, Some(&configuration));
    assert_holds(&mut service);
    assert_eq!(service.ask("create 1"), "ok");
    assert_holds(&mut service);
}

fn callers() {
    let scene = Scene::new();
    let mut service = service(&scene, None);
    for (uid, transport, condition) in [
        (CLIENT, "stdio", "transport"),
        (CLIENT, "in_process", "transport"),
        (SERVICE, "unix", "same_user"),
        (0, "unix", "root_client"),
        (65534, "unix", "unmapped_user"),
    ] {
        assert_eq!(service.ask(&format!("caller {uid} {transport}")), condition);
        for question in ["presence", "availability", "serves"] {
            assert_eq!(service.ask(&format!("{question} {uid} {transport}")), condition);
        }
    }
    assert_eq!(service.ask(&format!("caller {CLIENT} unix")), "");
    // The refusal of one caller does not affect another caller.
    assert_holds(&mut service);
}

fn unhardened(steps: &str, condition: &str) {
    let scene = Scene::new();
    let home = scene.home(SERVICE);
    let role = ["service", home.to_str().unwrap(), steps];
    let mut service = ready(scene.command(SERVICE, &role));
    assert_fails(&mut service, condition);
    assert_eq!(service.ask("create 1"), condition);
}

fn soft_limit_on_core_dumps() {
    unhardened("dumpable,new_privileges,soft_core_dumps", "core_dumps");
}

fn key_folder() {
    let scene = Scene::new();
    let mut service = service(&scene, None);
    let folder = scene.home(SERVICE).join("keys/os");
    for mode in [0o750, 0o710, 0o701] {
        set_mode(&folder, mode);
        assert_fails(&mut service, "key_folder");
    }
    set_mode(&folder, 0o700);
    assert_holds(&mut service);
    chown(&folder, Some(0), None).unwrap();
    // The service cannot read the folder or the folders above it either, but it names this
    // condition first.
    for question in ["availability", "presence", "serves"] {
        assert_eq!(service.ask(&format!("{question} {CLIENT} unix")), "key_folder");
    }
    chown(&folder, Some(SERVICE), None).unwrap();
    assert_holds(&mut service);
}

fn key_files() {
    let scene = Scene::new();
    let mut service = service(&scene, None);
    assert_eq!(service.ask("create 1"), "ok");
    let folder = scene.home(SERVICE).join("keys/os");
    let file = folder.join(format!("{}.p8", SequenceRandom::key_id(1)));
    set_mode(&file, 0o604);
    assert_fails(&mut service, "key_folder");
    set_mode(&file, 0o600);
    assert_holds(&mut service);
    chown(&file, Some(0), None).unwrap();
    assert_fails(&mut service, "key_folder");
    chown(&file, Some(SERVICE), None).unwrap();
    assert_holds(&mut service);
    fs::hard_link(&file, folder.join("again")).unwrap();
    assert_fails(&mut service, "key_folder");
    fs::remove_file(folder.join("again")).unwrap();
    symlink(&file, folder.join("again")).unwrap();
    assert_fails(&mut service, "key_folder");
    fs::remove_file(folder.join("again")).unwrap();
    assert_holds(&mut service);
}

fn ancestors() {
    let scene = Scene::new();
    let mut service = service(&scene, None);
    let home = scene.home(SERVICE);
    for mode in [0o720, 0o702, 0o1777] {
        set_mode(&home, mode);
        assert_fails(&mut service, "ancestors");
    }
    set_mode(&home, 0o700);
    assert_holds(&mut service);
    chown(&home, Some(CLIENT), None).unwrap();
    set_mode(&home, 0o755);
    assert_fails(&mut service, "ancestors");
    chown(&home, Some(SERVICE), None).unwrap();
    assert_holds(&mut service);
    // The current place of the folder counts, not the path under which it was opened.
    let elsewhere = scene.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    set_mode(&elsewhere, 0o1777);
    fs::rename(&home, elsewhere.join("home")).unwrap();
    assert_fails(&mut service, "ancestors");
}

/// Uses ramfs, because it is not an accepted file system and every kernel has it.
fn file_system() {
    let scene = Scene::new();
    let home = scene.home(SERVICE);
    let id = SERVICE.to_string();
    let script = r#"
        mount -t ramfs none "$1" && chown "$2:$2" "$1" && chmod 700 "$1" &&
        exec setpriv --reuid "$2" --regid "$2" --clear-groups "$3" "$4" service "$1" "$5""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(&home).arg(&id);
    command.arg(scene.program()).args([MARK, HARDENED]);
    assert_fails(&mut ready(command), "file_system");
}

fn user_namespace() {
    let scene = Scene::new();
    let home = scene.home(SERVICE);
    let uid = SERVICE.to_string();
    let role = ["service-in-user-namespace", home.to_str().unwrap(), HARDENED, &uid];
    let mut service = Talk::start(scene.command(0, &role));
    assert_eq!(service.line(), "unshared");
    // The ids are mapped to themselves, so that only the namespace differs.
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", service.pid()), "0 0 65536\n").unwrap();
    }
    assert_eq!(service.ask("mapped"), "ready");
    assert_fails(&mut service, "user_namespace");
}

fn binary() {
    let scene = Scene::new();
    let program = scene.program();
    let mut service = service(&scene, None);
    set_mode(&program, 0o775);
    assert_fails(&mut service, "binary");
    set_mode(&program, 0o755);
    chown(&program, Some(CLIENT), None).unwrap();
    assert_fails(&mut service, "binary");
    chown(&program, Some(SERVICE), None).unwrap();
    assert_holds(&mut service);
    // The program belongs to root again, but in this folder other users could replace it.
    chown(&program, Some(0), None).unwrap();
    let folder = scene.path().join("shared");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o1777);
    fs::rename(&program, folder.join("program")).unwrap();
    assert_fails(&mut service, "binary");
    // The program was replaced by an upgrade: the running file and the folder belong to root.
    fs::rename(folder.join("program"), &program).unwrap();
    let again = scene.path().join("new");
    fs::copy(&program, &again).unwrap();
    fs::rename(&again, &program).unwrap();
    assert_holds(&mut service);
}

/// Preloads a copy of a library that other users can change. The program must be linked
/// dynamically.
fn libraries() {
    let scene = Scene::new();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let library = maps
        .lines()
        .filter_map(|line| Some(&line[line.find('/')?..]))
        .find(|path| path.contains("/libgcc_s.so"))
        .expect("tests are not linked statically");
    let copy = scene.path().join("library.so");
    fs::copy(library, &copy).unwrap();
    set_mode(&copy, 0o757);
    let home = scene.home(SERVICE);
    let mut command = scene.command(SERVICE, &["service", home.to_str().unwrap(), "fully"]);
    command.env("LD_PRELOAD", &copy);
    let mut service = ready(command);
    assert_fails(&mut service, "binary");
    set_mode(&copy, 0o755);
    assert_holds(&mut service);
}

fn configuration() {
    let scene = Scene::new();
    let folder = scene.path().join("etc");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o755);
    let file = folder.join("config.toml");
    let mut service = service(&scene, Some(&file));
    // The file does not exist, and no other user could create it.
    assert_holds(&mut service);
    set_mode(&folder, 0o777);
    assert_fails(&mut service, "configuration");
    set_mode(&folder, 0o755);
    fs::write(&file, "").unwrap();
    set_mode(&file, 0o644);
    assert_holds(&mut service);
    set_mode(&file, 0o646);
    assert_fails(&mut service, "configuration");
    set_mode(&file, 0o644);
    chown(&file, Some(CLIENT), None).unwrap();
    assert_fails(&mut service, "configuration");
    fs::remove_file(&file).unwrap();
    fs::write(scene.path().join("config.toml"), "").unwrap();
    symlink(scene.path().join("config.toml"), &file).unwrap();
    assert_fails(&mut service, "configuration");
}

/// Whoever could create the folder could create the file in it.
fn missing_configuration() {
    let scene = Scene::new();
    let folder = scene.path().join("etc");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o755);
    let mut service = service(&scene, Some(&folder.join("missing/too/config.toml")));
    assert_holds(&mut service);
    chown(&folder, Some(CLIENT), None).unwrap();
    assert_fails(&mut service, "configuration");
}

fn imported_key() {
    let scene = Scene::new();
    let mut service = service(&scene, None);
    assert_eq!(service.ask("create 1"), "ok");
    let folder = scene.home(SERVICE).join("keys/os");
    let file = folder.join(format!("{}.p8", SequenceRandom::key_id(2)));
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-outform", "DER", "-out"])
        .arg(&file)
        .status();
    assert!(made.unwrap().success());
    chown(&file, Some(SERVICE), Some(SERVICE)).unwrap();
    set_mode(&file, 0o600);
    assert_fails(&mut service, "imported_key");
    fs::remove_file(&file).unwrap();
    assert_holds(&mut service);
}

/// A creation uses the result of the last check.
fn no_key_is_created_while_a_condition_fails() {
    let scene = Scene::new();
    let mut service = service(&scene, None);
    set_mode(&scene.home(SERVICE), 0o777);
    assert_eq!(service.ask(&format!("availability {CLIENT} unix")), "ancestors");
    assert_eq!(service.ask("create 1"), "ancestors");
    let keys = PrivateDir::open(&scene.home(0)).unwrap();
    let reports = evaluate(&Subject { keys: &keys, configuration: &[] });
    // The doctor runs in a process that is not hardened. It reports each condition, and says how to
    // fix those that do not hold.
    for report in &reports {
        assert!(!report.found.is_empty(), "{report:?}");
        assert_eq!(report.fix.as_deref().map(str::is_empty), (!report.holds()).then_some(false));
    }
    let mut names: Vec<_> = reports.iter().map(|report| report.condition.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), reports.len(), "each condition is reported once");
}
