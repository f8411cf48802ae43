//! `device-key demo`: spawns an app-server as a client would, and shows what it signs and refuses.

mod openssl;
mod statements;

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use base64ct::{Base64, Encoding as _};
use device_key_client::key::{self, KeyResult, PublicParams, SignResult};
use device_key_client::{Client as AsyncClient, ClientError, Received};
use device_key_types::payload;
use serde_json::{Value, json};

use crate::args::{DemoArguments, PlatformArguments};
use crate::client::{Client, failure_of};
use crate::exit::{Exit, Failure};
use crate::report::{Verdict, heading, row};

const WIDTH: usize = 44;

/// Runs the demo. Returns [`Exit::NotAsExpected`] if any outcome differs from the expected one.
pub(crate) fn run(arguments: &DemoArguments) -> Result<Exit, Failure> {
    let scratch = tempfile::Builder::new()
        .prefix("device-key-demo-")
        .tempdir()
        .map_err(|error| Failure::system("cannot make a temporary folder", &error))?;
    let log = scratch.path().join("log");
    let played = play(&arguments.platform, scratch.path(), &log);
    if !matches!(played, Ok(Exit::Success))
        && let Ok(log) = fs::read_to_string(&log)
    {
        // If standard error cannot be written either, the exit code still tells the outcome.
        let _ = anstream::stderr().write_all(log.as_bytes());
    }
    played
}

fn play(platform: &PlatformArguments, scratch: &Path, log: &Path) -> Result<Exit, Failure> {
    let client = Client::spawn(app_server(platform, scratch, log)?)?;
    let mut demo = Demo { client, scratch, all_as_expected: true };
    demo.show()?;
    let status = demo.client.ask(AsyncClient::close)?;
    let ended_well = status.is_some_and(|status| status.success());
    Ok(if demo.all_as_expected && ended_well { Exit::Success } else { Exit::NotAsExpected })
}

/// The command that starts this program as an app-server. The home folder is temporary unless the
/// user named a folder. The log goes to a file, so that no log line appears between the demo's
/// lines. If `RUST_LOG` is set, the log goes to standard error.
fn app_server(
    platform: &PlatformArguments,
    scratch: &Path,
    log: &Path,
) -> Result<Command, Failure> {
    let program = env::current_exe()
        .map_err(|error| Failure::system("cannot find the path of this program", &error))?;
    let home = platform.home.clone().unwrap_or_else(|| scratch.join("home"));
    let mut command = Command::new(program);
    command.args(["app-server", "--home"]).arg(home);
    if let Some(tpm) = &platform.tpm {
        command.args(["--tpm", &tpm.to_string()]);
    }
    if platform.allow_simulated_tpm {
        command.arg("--allow-simulated-tpm");
    }
    if env::var_os("RUST_LOG").is_none() {
        let log = File::create(log);
        command.stderr(log.map_err(|error| Failure::system("cannot create a log file", &error))?);
    }
    Ok(command)
}

struct Demo<'a> {
    client: Client,
    scratch: &'a Path,
    all_as_expected: bool,
}

impl Demo<'_> {
    fn show(&mut self) -> Result<(), Failure> {
        heading("A device key, from creation to proof")?;
        let Some(key) = self.create()? else { return Ok(()) };
        self.read_public_key(&key)?;
        self.prove("connection proof signed", &key, &statements::connection())?;
        let enrollment = statements::enrollment(&device_identity(&key));
        self.prove("enrollment proof signed", &key, &enrollment)?;
        heading("What is refused")?;
        for refusal in statements::refusals(&key.key_id.to_string()) {
            let answer = self
                .client
                .try_ask(async |client| client.request(refusal.method, &refusal.params).await);
            let reason = match answer {
                Ok(_) => "nothing".to_owned(),
                Err(error) => reason(error)?,
            };
            self.expect(reason == refusal.reason, refusal.what, &reason)?;
        }
        Ok(())
    }

    fn create(&mut self) -> Result<Option<Received<KeyResult>>, Failure> {
        let params = json!({"accountUserId": statements::ACCOUNT, "clientId": statements::CLIENT});
        let created =
            self.succeed(key::CREATE, async |client| client.call(key::CREATE, &params).await)?;
        let Some(key) = created.map(|key: Received<KeyResult>| key) else {
            return Ok(None);
        };
        let kind = key.tpm_kind.as_ref().map_or_else(|| "no TPM".to_owned(), ToString::to_string);
        let shown = format!("{} ({}, {kind})", key.key_id, key.protection_class);
        self.expect(true, "key created and bound", &shown)?;
        Ok(Some(key))
    }

    fn read_public_key(&mut self, key: &KeyResult) -> Result<(), Failure> {
        let params = PublicParams::new(&key.key_id);
        let public = self.succeed(key::PUBLIC, async |client| client.public(&params).await)?;
        let shown =
            public.as_ref().map(|public| Base64::encode_string(public.public_key.spki_der()));
        let is_same = public.is_some_and(|public| public.public_key == key.public_key);
        self.expect(is_same, "public key read back", &shown.unwrap_or_default())
    }

    fn prove(&mut self, what: &str, key: &KeyResult, payload: &Value) -> Result<(), Failure> {
        let params = json!({"keyId": key.key_id, "payload": payload});
        let signed = self.succeed(what, async |client| client.call(key::SIGN, &params).await)?;
        let Some(signed) = signed.map(Received::<SignResult>::into_value) else { return Ok(()) };
        let signature = signed.signature.to_der();
        let verify = |message: &[u8]| {
            openssl::verifies(self.scratch, key.public_key.spki_der(), message, &signature)
        };
        let mut message = signed.signed_payload;
        let verifies = verify(&message)?;
        message.push(b' ');
        let tampered_verifies = verify(&message)?;
        self.expect(verifies, what, "openssl: verified")?;
        self.expect(!tampered_verifies, "this proof with one more byte", "openssl: refused")
    }

    /// Makes a request that must succeed. A refusal is shown as an unexpected outcome.
    fn succeed<T>(
        &mut self,
        what: &str,
        request: impl AsyncFnOnce(&mut AsyncClient) -> Result<T, ClientError>,
    ) -> Result<Option<T>, Failure> {
        match self.client.try_ask(request) {
            Ok(result) => Ok(Some(result)),
            Err(error) => {
                self.expect(false, what, &reason(error)?)?;
                Ok(None)
            }
        }
    }

    fn expect(&mut self, is_as_expected: bool, what: &str, shown: &str) -> Result<(), Failure> {
        self.all_as_expected &= is_as_expected;
        row(if is_as_expected { Verdict::Pass } else { Verdict::Fail }, what, WIDTH, shown)
    }
}

/// The reason of a refusal. Any other error ends the demo.
fn reason(error: ClientError) -> Result<String, Failure> {
    match error {
        ClientError::Refused { error, .. } => {
            Ok(error.data.reason.map_or(error.message.into_owned(), |reason| reason.to_string()))
        }
        error => Err(failure_of(error)),
    }
}

/// The device identity digest for an enrollment. The service would sign any digest of the right
/// shape, but only this digest matches the key.
fn device_identity(key: &KeyResult) -> String {
    key.protection_class
        .known()
        .and_then(|class| payload::device_identity_digest(&key.key_id, class, &key.public_key).ok())
        .map_or_else(|| statements::DIGEST.to_owned(), |digest| digest.to_string())
}
