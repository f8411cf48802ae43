//! The relay between pipes and a socket whose other end is the test itself: every byte, in order, and
//! how it ends.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{ExitStatus, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::program::{Program, collect, device_key};

/// Many times what pipes and sockets hold.
const MUCH: usize = 8 << 20;
const TRANSPORT_FAILED: Option<i32> = Some(4);

/// Serves one connection by this function, and relays this input to it. The input stays open until
/// the function is done, unless it `ends`.
fn relay<T: Send + 'static>(
    input: Vec<u8>,
    ends: bool,
    serve: impl FnOnce(UnixStream) -> T + Send + 'static,
) -> (ExitStatus, Vec<u8>, T) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = thread::spawn(move || serve(listener.accept().unwrap().0));
    let mut command = device_key("app-server");
    command.arg("--connect").arg(&path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program::spawn(&mut command);
    let mut stdin = program.child.stdin.take().unwrap();
    let output = collect(program.child.stdout.take().unwrap());
    let sending = thread::spawn(move || {
        // Fails if the relay has ended, which is for its status to tell.
        let _ = stdin.write_all(&input);
        (!ends).then_some(stdin)
    });
    let served = serving.join().unwrap();
    let status = program.wait();
    drop(sending.join().unwrap());
    (status, output.join().unwrap(), served)
}

/// Any bytes: line feeds at odd places, zeros, no text.
fn noise() -> Vec<u8> {
    let mut noise = vec![0; MUCH];
    File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    noise
}

#[test]
fn every_byte_comes_through_while_both_sides_talk() {
    let noise = noise();
    let (status, output, ()) = relay(noise.clone(), true, |stream| {
        // Sends back what it has got, with more to come.
        io::copy(&mut &stream, &mut &stream).unwrap();
    });
    assert!(status.success());
    assert!(output == noise, "{} bytes of {MUCH}", output.len());
}

#[test]
fn the_end_of_the_input_lets_the_answers_come() {
    let (requests, answers) = (noise(), noise());
    let expected = answers.clone();
    let (status, output, heard) = relay(requests.clone(), true, move |mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        stream.write_all(&answers).unwrap();
        heard
    });
    assert!(status.success());
    assert!(heard == requests, "{} bytes of {MUCH}", heard.len());
    assert!(output == expected, "{} bytes of {MUCH}", output.len());
}

#[test]
fn a_service_that_goes_is_told_from_one_that_is_done() {
    let (status, output, ()) = relay(b"request".to_vec(), false, |mut stream| {
        stream.read_exact(&mut [0; 7]).unwrap();
        stream.write_all(b"half an ans").unwrap();
    });
    assert_eq!((status.code(), &*output), (TRANSPORT_FAILED, &b"half an ans"[..]));
}

#[test]
fn a_service_that_ends_only_its_answers_is_gone_too() {
    let (status, _, ()) = relay(noise(), true, |stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        // It reads no more either, so that the input cannot come to its end.
        let mut byte = [0];
        while (&stream).read(&mut byte).is_ok_and(|length| length > 0) {}
    });
    assert_eq!(status.code(), TRANSPORT_FAILED);
}
