//! The relay between pipes and a socket that the test serves: every byte arrives in order, and the
//! relay ends as documented.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{ExitStatus, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::program::{Program, collect, device_key};

/// Many times the capacity of pipes and sockets, in bytes.
const MUCH: usize = 8 << 20;
const TRANSPORT_FAILED: Option<i32> = Some(4);

/// Serves one connection with this function and relays this input to it. The input stays open until
/// the function returns, unless `ends` is set.
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
        // This fails if the relay has already ended. The caller sees that in the exit status.
        let _ = stdin.write_all(&input);
        (!ends).then_some(stdin)
    });
    let served = serving.join().unwrap();
    let status = program.wait();
    drop(sending.join().unwrap());
    (status, output.join().unwrap(), served)
}

/// Arbitrary bytes with line feeds and zeros, which are not text. The last line is whole.
fn noise() -> Vec<u8> {
    let mut noise = vec![0; MUCH];
    File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    *noise.last_mut().unwrap() = b'\n';
    noise
}

#[test]
fn every_byte_comes_through_while_both_sides_talk() {
    let noise = noise();
    let (status, output, ()) = relay(noise.clone(), true, |stream| {
        // Sends back what has arrived, while more arrives.
        io::copy(&mut &stream, &mut &stream).unwrap();
    });
    assert!(status.success());
    assert!(output == noise, "{} bytes of {MUCH}", output.len());
}

#[test]
fn answers_arrive_after_the_end_of_the_input() {
    let (mut requests, answers) = (noise(), noise());
    // One request, because there is one answer for each.
    requests.retain(|byte| *byte != b'\n');
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
fn a_lost_service_is_distinguished_from_a_finished_one() {
    let (status, output, ()) = relay(b"request".to_vec(), false, |mut stream| {
        stream.read_exact(&mut [0; 7]).unwrap();
        stream.write_all(b"half an ans").unwrap();
    });
    assert_eq!((status.code(), &*output), (TRANSPORT_FAILED, &b"half an ans"[..]));
}

#[test]
fn a_missing_answer_is_a_failure() {
    const REQUESTS: &[u8] = b"{\"id\":1,\"method\":\"m\"}\n\n{\"method\":\"m\"}\n{\"id\":2}";
    for (answers, code) in [(&b"{}\n{}\n"[..], Some(0)), (b"{}\n{", TRANSPORT_FAILED)] {
        let (status, output, ()) = relay(REQUESTS.to_vec(), true, move |mut stream| {
            stream.read_to_end(&mut Vec::new()).unwrap();
            stream.write_all(answers).unwrap();
        });
        assert_eq!((status.code(), &*output), (code, answers));
    }
}

#[test]
fn a_service_that_closes_only_its_answers_is_lost_too() {
    let (status, _, ()) = relay(noise(), true, |stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        // The service also stops reading, so the relay cannot deliver the rest of the input.
        let mut byte = [0];
        while (&stream).read(&mut byte).is_ok_and(|length| length > 0) {}
    });
    assert_eq!(status.code(), TRANSPORT_FAILED);
}
