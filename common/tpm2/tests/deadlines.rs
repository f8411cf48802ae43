//! Transports whose other side is slow, silent, gone or wrong. Stand-ins play the other side,
//! because a real TPM cannot be made to fail in these ways.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::swtpm::{Connect as _, Swtpm, soon};
use device_key_tpm2::transport::{Device, UnixStream};
use device_key_tpm2::{Error, Tpm, TpmAddress, Transport, TransportError};
use device_key_types::OsRandom;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

const COMMAND: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8];
const RESPONSE: [u8; 10] = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1];

/// A stream whose other end behaves as `peer` says.
fn stream(peer: impl FnOnce(StdStream) + Send + 'static) -> UnixStream {
    let (ours, theirs) = StdStream::pair().unwrap();
    thread::spawn(move || peer(theirs));
    UnixStream::from_connected(OwnedFd::from(ours)).unwrap()
}

/// A connected pair that keeps message boundaries, as the driver's file does.
fn device() -> (Device, OwnedFd) {
    let kind = SocketType::SEQPACKET;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    (Device::from_descriptor(ours).unwrap(), theirs)
}

fn read_command(peer: &mut StdStream) -> [u8; 12] {
    let mut command = [0; 12];
    peer.read_exact(&mut command).unwrap();
    command
}

fn reason(result: Result<Vec<u8>, TransportError>) -> &'static str {
    result.unwrap_err().reason()
}

#[test]
fn a_response_in_pieces_is_put_together() {
    let mut stream = stream(|mut peer| {
        assert_eq!(read_command(&mut peer), COMMAND);
        for byte in RESPONSE {
            peer.write_all(&[byte]).unwrap();
        }
    });
    assert_eq!(stream.transact(&COMMAND, soon()).unwrap(), RESPONSE);
}

#[test]
fn a_silent_peer_times_out_and_poisons_the_connection() {
    let (ours, _kept_open) = StdStream::pair().unwrap();
    let mut stream = UnixStream::from_connected(OwnedFd::from(ours)).unwrap();
    let started = Instant::now();
    let deadline = started + Duration::from_millis(200);
    assert_eq!(reason(stream.transact(&COMMAND, deadline)), "tpm_timed_out");
    let took = started.elapsed();
    assert!((200..1500).contains(&took.as_millis()), "{took:?}");
    assert_eq!(reason(stream.transact(&COMMAND, soon())), "tpm_poisoned");
}

#[test]
fn the_deadline_is_for_the_whole_exchange_not_for_each_read() {
    let deadline = Instant::now() + Duration::from_millis(300);
    let mut stream = stream(move |mut peer| {
        read_command(&mut peer);
        // Send one byte at a time, just often enough that a timeout for each read would not fire.
        for byte in RESPONSE {
            if peer.write_all(&[byte]).is_err() {
                return;
            }
            thread::park_timeout(Duration::from_millis(100));
        }
    });
    let started = Instant::now();
    assert_eq!(reason(stream.transact(&COMMAND, deadline)), "tpm_timed_out");
    assert!(started.elapsed() < Duration::from_millis(900));
}

#[test]
fn sending_to_a_peer_that_does_not_read_times_out() {
    let (ours, _kept_open) = StdStream::pair().unwrap();
    rustix::net::sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
    let mut filler = ours.try_clone().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.write(&[0; 4096]).is_ok() {}
    let mut stream = UnixStream::from_connected(OwnedFd::from(ours)).unwrap();
    let deadline = Instant::now() + Duration::from_millis(100);
    assert_eq!(reason(stream.transact(&COMMAND, deadline)), "tpm_timed_out");
}

#[test]
fn a_peer_that_closes_during_a_command_is_noticed_at_once() {
    for answer in [&[][..], &RESPONSE[..4]] {
        let mut stream = stream(move |mut peer| {
            read_command(&mut peer);
            peer.write_all(answer).unwrap();
        });
        let started = Instant::now();
        assert_eq!(reason(stream.transact(&COMMAND, soon())), "tpm_disconnected");
        assert!(started.elapsed() < Duration::from_secs(2));
        assert_eq!(reason(stream.transact(&COMMAND, soon())), "tpm_poisoned");
    }
}

#[test]
fn frames_with_a_wrong_size_are_refused() {
    let with_size = |size: [u8; 4]| {
        let mut frame = RESPONSE;
        frame[2..6].copy_from_slice(&size);
        frame.to_vec()
    };
    for (answer, expected) in [
        (with_size([0, 0, 0, 9]), "tpm_malformed"),
        (with_size([0, 0, 0x10, 1]), "tpm_oversized"),
        (with_size([0xff; 4]), "tpm_oversized"),
        ([&RESPONSE[..], &[0]].concat(), "tpm_malformed"),
    ] {
        let mut stream = stream(move |mut peer| {
            read_command(&mut peer);
            peer.write_all(&answer).unwrap();
        });
        assert_eq!(reason(stream.transact(&COMMAND, soon())), expected);
    }
    let (mut device, _peer) = device();
    assert_eq!(reason(device.transact(&[0; 4097], soon())), "tpm_oversized");
}

#[test]
fn addresses_without_a_tpm_are_absent_or_disconnected() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> TpmAddress {
        format!("unix:{}", folder.path().join(name).display()).parse().unwrap()
    };
    let connect = |address: TpmAddress| address.connect(soon()).unwrap_err().reason();
    assert_eq!(connect(at("none")), "tpm_absent");
    // A socket that is bound but not listening refuses like a socket whose owner has exited.
    // Closing a listener here would not be reliable: a child process that another test is starting
    // may keep it open for a moment.
    let left = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let path = rustix::net::SocketAddrUnix::new(folder.path().join("left")).unwrap();
    rustix::net::bind(&left, &path).unwrap();
    assert_eq!(connect(at("left")), "tpm_disconnected");
    assert_eq!(connect("/dev/tpm-that-is-not-there".parse().unwrap()), "tpm_absent");
    std::fs::write(folder.path().join("file"), b"").unwrap();
    assert_eq!(Device::open(&folder.path().join("file")).unwrap_err().reason(), "tpm_absent");
}

#[test]
fn connecting_to_a_full_queue_times_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let address = rustix::net::SocketAddrUnix::new(&path).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let started = Instant::now();
    let deadline = started + Duration::from_millis(200);
    let mut waiting = Vec::new();
    let error = loop {
        match UnixStream::connect(&path, deadline) {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10);
    };
    assert_eq!(error.reason(), "tpm_timed_out");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_device_takes_a_command_in_one_write_and_returns_a_response_in_one_read() {
    let (mut device, peer) = device();
    let driver = thread::spawn(move || {
        let mut buffer = [0; 4096];
        for _ in 0..2 {
            let length = rustix::io::read(&peer, &mut buffer).unwrap();
            assert_eq!(buffer[..length], COMMAND);
            rustix::io::write(&peer, &RESPONSE).unwrap();
        }
    });
    for _ in 0..2 {
        assert_eq!(device.transact(&COMMAND, soon()).unwrap(), RESPONSE);
    }
    driver.join().unwrap();
    assert_eq!(reason(device.transact(&COMMAND, soon())), "tpm_disconnected");
}

#[test]
fn a_late_response_of_a_device_is_not_taken_for_the_next_response() {
    let (mut device, peer) = device();
    let deadline = Instant::now() + Duration::from_millis(100);
    assert_eq!(reason(device.transact(&COMMAND, deadline)), "tpm_timed_out");
    rustix::io::write(&peer, &RESPONSE).unwrap();
    assert_eq!(reason(device.transact(&COMMAND, soon())), "tpm_poisoned");
}

#[test]
fn a_response_of_a_device_in_two_reads_is_malformed() {
    let (mut device, peer) = device();
    rustix::io::write(&peer, &RESPONSE[..9]).unwrap();
    rustix::io::write(&peer, &RESPONSE[9..]).unwrap();
    assert_eq!(reason(device.transact(&COMMAND, soon())), "tpm_malformed");
}

#[test]
fn a_deadline_that_has_passed_sends_nothing() {
    let (mut device, peer) = device();
    assert_eq!(reason(device.transact(&COMMAND, Instant::now())), "tpm_timed_out");
    rustix::io::ioctl_fionbio(&peer, true).unwrap();
    let unread = rustix::io::read(&peer, &mut [0; 16]);
    assert_eq!(unread, Err(rustix::io::Errno::AGAIN));
}

#[test]
fn driver_errors_get_their_own_reasons() {
    use rustix::io::Errno;
    for (errno, expected) in [
        (Errno::BUSY, "tpm_busy"),
        (Errno::NOENT, "tpm_absent"),
        (Errno::NODEV, "tpm_absent"),
        (Errno::PIPE, "tpm_disconnected"),
        (Errno::CONNRESET, "tpm_disconnected"),
        (Errno::TIMEDOUT, "tpm_timed_out"),
        (Errno::ACCESS, "tpm_io"),
    ] {
        assert_eq!(TransportError::from(errno).reason(), expected);
    }
}

#[test]
fn a_stopped_swtpm_times_out_and_a_killed_one_disconnects() {
    let mut swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    tpm.get_random(8, soon()).unwrap();
    swtpm.pause();
    let deadline = Instant::now() + Duration::from_millis(200);
    let error = tpm.get_random(8, deadline).unwrap_err();
    assert_eq!(error.reason(), "tpm_timed_out");

    let mut second = swtpm.tpm();
    let waiting = thread::spawn(move || {
        let started = Instant::now();
        (second.get_random(8, soon()), started.elapsed())
    });
    swtpm.stop();
    let (result, took) = waiting.join().unwrap();
    let Err(Error::Transport(TransportError::Disconnected)) = result else {
        panic!("{result:?}");
    };
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_second_client_waits_for_the_first() {
    let swtpm = Swtpm::start();
    let mut first = swtpm.tpm();
    first.get_random(8, soon()).unwrap();
    let mut second = swtpm.tpm();
    let deadline = Instant::now() + Duration::from_millis(200);
    assert_eq!(second.get_random(8, deadline).unwrap_err().reason(), "tpm_timed_out");
    drop((first, second));
    let mut third = Tpm::new(swtpm.connect(), Box::new(OsRandom));
    third.get_random(8, soon()).unwrap();
}
