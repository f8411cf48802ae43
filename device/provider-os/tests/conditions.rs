//! Each condition, broken alone: on a service that is right in everything else, exactly that one is
//! named, to the doctor, at the handshake and at a creation.

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
    ("conditions::core_dumps_could_come_back", core_dumps_could_come_back),
    ("conditions::key_folder", key_folder),
    ("conditions::key_files", key_files),
    ("conditions::ancestors", ancestors),
    ("conditions::file_system", file_system),
    ("conditions::user_namespace", user_namespace),
    ("conditions::binary", binary),
    ("conditions::libraries", libraries),
    ("conditions::configuration", configuration),
    ("conditions::configuration_that_is_not_there", configuration_that_is_not_there),
    ("conditions::imported_key", imported_key),
    ("conditions::nothing_is_created_meanwhile", nothing_is_created_meanwhile),
];

/// What a service does that a test does not want to break.
const HARDENED: &str = "dumpable,new_privileges,core_dumps";

/// A hardened service, ready for questions.
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

/// Exactly this condition fails, wherever it is looked at.
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
    // Of one caller nothing follows for another.
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

fn core_dumps_could_come_back() {
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
    // Then the service cannot look into it or above it either; what is told is this.
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
    // At a handshake, because it was the trouble before.
    assert_eq!(service.ask(&format!("presence {CLIENT} unix")), "ok");
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
    // Where the folder is now counts, not where it was opened.
    let elsewhere = scene.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    set_mode(&elsewhere, 0o1777);
    fs::rename(&home, elsewhere.join("home")).unwrap();
    assert_fails(&mut service, "ancestors");
}

/// ramfs is as good as any that is not on the list, and every kernel has it.
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
    // Under their own numbers, so that nothing else is different.
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
    // Root's again, but somebody else could put another in its place.
    chown(&program, Some(0), None).unwrap();
    let folder = scene.path().join("shared");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o1777);
    fs::rename(&program, folder.join("program")).unwrap();
    assert_fails(&mut service, "binary");
    // Upgraded in its place: what runs was root's, and so is the folder.
    fs::rename(folder.join("program"), &program).unwrap();
    let again = scene.path().join("new");
    fs::copy(&program, &again).unwrap();
    fs::rename(&again, &program).unwrap();
    assert_holds(&mut service);
}

/// Of a program that is not linked statically. Some library of this one, where others may change
/// it.
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
    // Nobody else could make one.
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

/// Whoever could make the folder could make the file.
fn configuration_that_is_not_there() {
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

/// Between the judgement and the creation of a key the verdict stands.
fn nothing_is_created_meanwhile() {
    let scene = Scene::new();
    let mut service = service(&scene, None);
    set_mode(&scene.home(SERVICE), 0o777);
    assert_eq!(service.ask(&format!("presence {CLIENT} unix")), "ancestors");
    assert_eq!(service.ask("create 1"), "ancestors");
    let keys = PrivateDir::open(&scene.home(0)).unwrap();
    let reports = evaluate(&Subject { keys: &keys, configuration: &[] });
    // The doctor of a process that is not hardened sees each condition, and says what to do.
    for report in &reports {
        assert!(!report.found.is_empty(), "{report:?}");
        assert_eq!(report.cure.as_deref().map(str::is_empty), (!report.holds()).then_some(false));
    }
    let mut names: Vec<_> = reports.iter().map(|report| report.condition.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), reports.len(), "each once");
}
