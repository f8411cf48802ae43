//! Measures signing and creating with a TPM against the bare TPM commands.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use device_key_client::key::SignResult;
use device_key_tpm2::storage_key::{self, StorageKey};
use device_key_tpm2::{
    AuthValue, AuthorizedObject, EccP256Template, Object, Session, Tpm, TpmAddress,
};
use device_key_types::{OsRandom, PublicKey, Sha256Digest, Signature};

use crate::figures::{Figures, Samples};
use crate::line_server::LineServer;
use crate::statement;

const ROUNDS: usize = 12;
const SIGNS: usize = 60;
const CREATES: usize = 8;

/// The same work without device-key: one connection, one session, and a loaded key.
struct Bare {
    tpm: Tpm,
    parent: StorageKey,
    session: Session,
}

struct BareKey {
    object: Object,
    public_key: PublicKey,
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

impl Bare {
    fn open(address: &TpmAddress) -> Result<Self> {
        let mut tpm = Tpm::new(address.connect(deadline())?, Box::new(OsRandom));
        tpm.startup(deadline())?;
        let parent = storage_key::provision(&mut tpm, deadline())?;
        let session = tpm.start_session(parent.object.handle, &parent.public, deadline())?;
        Ok(Self { tpm, parent, session })
    }

    fn create_and_load(&mut self) -> Result<BareKey> {
        let empty = AuthValue::empty();
        let under = AuthorizedObject { object: &self.parent.object, auth_value: &empty };
        let template = EccP256Template::device_key();
        let key = self.tpm.create(&mut self.session, under, &template, &empty, deadline())?;
        let object =
            self.tpm.load(&mut self.session, under, &key.private, &key.public, deadline())?;
        let point = key.public.point();
        Ok(BareKey { object, public_key: PublicKey::from_coordinates(&point.x(), &point.y())? })
    }

    fn sign(&mut self, key: &BareKey, message: &[u8]) -> Result<Signature> {
        let empty = AuthValue::empty();
        let with = AuthorizedObject { object: &key.object, auth_value: &empty };
        let digest = Sha256Digest::of(message);
        let signature = self.tpm.sign(&mut self.session, with, digest.as_bytes(), deadline())?;
        Ok(Signature::from_scalars(signature.r, signature.s)?)
    }

    fn close(mut self) -> Result<()> {
        Ok(self.tpm.flush_session(self.session, deadline())?)
    }
}

/// Measures signing and creating over stdio, and the same TPM commands sent directly, in turns on
/// one simulator.
pub(crate) fn measure(
    figures: &mut Figures,
    device_key: &Path,
    socket: &Path,
    scratch: &Path,
) -> Result<()> {
    let address: TpmAddress = format!("unix:{}", socket.display()).parse()?;
    let mut server = LineServer::spawn(
        Command::new(device_key)
            .args(["app-server", "--allow-simulated-tpm", "--tpm", &address.to_string(), "--home"])
            .arg(scratch.join("tpm")),
    )?;
    let lines = &mut server.lines;
    lines.initialize()?;
    let key_id = lines.create_key(None)?;
    let line = statement::sign_line(&key_id)?;
    lines.exchange(&line)?;
    let message = lines.result::<SignResult>()?.signed_payload;

    let [mut ours, mut bare, mut verifications] = <[Samples; 3]>::default();
    let [mut our_creates, mut bare_creates] = <[Samples; 2]>::default();
    for _ in 0..ROUNDS {
        let mut tpm = Bare::open(&address)?;
        let key = tpm.create_and_load()?;
        for _ in 0..SIGNS {
            let start = Instant::now();
            let signature = tpm.sign(&key, &message)?;
            let signed = start.elapsed();
            key.public_key.verify(&message, &signature)?;
            bare.push(start.elapsed());
            verifications.push(start.elapsed().saturating_sub(signed));
        }
        tpm.tpm.flush(key.object.handle, deadline())?;
        for _ in 0..CREATES {
            let start = Instant::now();
            let key = tpm.create_and_load()?;
            tpm.sign(&key, &message)?;
            tpm.sign(&key, &message)?;
            bare_creates.push(start.elapsed());
            tpm.tpm.flush(key.object.handle, deadline())?;
        }
        tpm.close()?;

        // Now measure the app-server. Its first request opens the connection again and is not
        // counted.
        lines.exchange(&line)?;
        for _ in 0..SIGNS {
            ours.time(|| lines.exchange(&line))?;
        }
        for _ in 0..CREATES {
            our_creates.time(|| lines.create_key(None))?;
        }
    }
    server.finish()?;
    figures.add(
        "sign over stdio / bare sign and verification",
        ours.median() / bare.median(),
        1.15,
        "x",
    );
    figures.add(
        "create over stdio / bare create, load and two signs",
        our_creates.median() / bare_creates.median(),
        1.4,
        "x",
    );
    figures.detail("sign over stdio, TPM key", &ours);
    figures.detail("bare sign and verification", &bare);
    figures.detail("the verification's part of it", &verifications);
    figures.detail("create over stdio, TPM key", &our_creates);
    figures.detail("bare create, load and two signs", &bare_creates);
    Ok(())
}
