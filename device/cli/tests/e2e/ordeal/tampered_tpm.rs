//! Changes, cuts and withholds what a TPM answers.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use device_key_testing::Swtpm;
use tempfile::TempDir;

use super::{Luck, any_class, endure};
use crate::home::Home;
use crate::proof::Key;
use crate::server::{Server, reason};

/// One of this many answers of the TPM is tampered with.
const RARITY: usize = 6;
const OPERATIONS: usize = 40;

/// Passes commands on to a TPM.
struct Proxy {
    folder: TempDir,
    tampered: Arc<AtomicU64>,
}

impl Proxy {
    fn start(tpm: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tampered = Arc::new(AtomicU64::new(0));
        let listener = UnixListener::bind(socket(&folder)).unwrap();
        let (tpm, count) = (tpm.to_owned(), Arc::clone(&tampered));
        // The thread ends with the program of the tests.
        thread::spawn(move || {
            let mut luck = Luck(7);
            for stream in listener.incoming() {
                // A connection that was cut ends in an error, which is intended.
                let _ = pass_on(stream.unwrap(), &tpm, &mut luck, &count);
            }
        });
        Self { folder, tampered }
    }

    fn address(&self) -> String {
        format!("unix:{}", socket(&self.folder).display())
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("sock")
}

fn pass_on(
    mut client: UnixStream,
    tpm: &Path,
    luck: &mut Luck,
    tampered: &AtomicU64,
) -> io::Result<()> {
    let mut tpm = UnixStream::connect(tpm)?;
    loop {
        let command = message(&mut client)?;
        tpm.write_all(&command)?;
        let mut response = message(&mut tpm)?;
        if luck.below(RARITY) == 0 {
            tampered.fetch_add(1, Ordering::Relaxed);
            let place = luck.below(response.len());
            match luck.below(4) {
                // A bit of the response code, or a bit after the size. With another size the
                // service would wait until its deadline.
                0 => response[6 + luck.below(4)] ^= 1 << luck.below(8),
                1 => response[place.max(6)] ^= 1 << luck.below(8),
                // The answer ends early, or nothing of it arrives.
                2 => return client.write_all(&response[..place]),
                _ => return Ok(()),
            }
        }
        client.write_all(&response)?;
    }
}

/// Reads one command or response, whose size is in its header (TPM 2.0 Library, Part 1, 18).
fn message(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut header = [0; 10];
    stream.read_exact(&mut header)?;
    let [_, _, a, b, c, d, ..] = header;
    let mut whole = header.to_vec();
    whole.resize(usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap().max(10), 0);
    stream.read_exact(&mut whole[10..])?;
    Ok(whole)
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn answers() {
    let swtpm = Swtpm::start();
    let proxy = Proxy::start(&swtpm.socket());
    let home = Home::new();
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let outcome = "no wrong signature, and every key signs once the answers arrive unchanged";
    endure("a TPM whose answers are changed, cut or withheld", outcome, |luck, tally| {
        let mut server = Server::start(&mut home.app_server(&proxy.address()));
        for _ in 0..OPERATIONS {
            let key = keys.values().nth(luck.below(keys.len().max(1)));
            if luck.below(4) > 0
                && let Some(key) = key
            {
                let answer = server.call("device/key/sign", &key.sign_params());
                if answer.get("error").is_none() {
                    key.verify(&answer);
                    tally.add("signatures", 1);
                } else {
                    tally.add("refused signatures", 1);
                    assert_ne!(reason(&answer), "key_not_found", "{answer}");
                }
                continue;
            }
            let answer = server.call("device/key/create", &any_class());
            if answer.get("error").is_none() {
                let key = Key::new("account", "client", &answer);
                keys.insert(key.id.clone(), key);
            }
        }
        server.finish_well();
        let tampered = proxy.tampered.swap(0, Ordering::Relaxed);
        tally.add("tampered answers", usize::try_from(tampered).unwrap());

        home.recover();
        assert!(home.assert_at_rest().iter().eq(keys.keys()), "keys and answers differ");
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        for key in keys.values() {
            server.prove(key);
        }
        while keys.len() > 4
            && let Some((id, _)) = keys.pop_first()
        {
            server.delete(&id);
        }
        server.finish_well();
    });
}
