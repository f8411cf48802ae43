//! The main job on real parts: an app-server is spawned as a client would spawn it.

mod child;
mod openssl;
mod statements;

use std::{ffi::OsString, path::Path};

use base64ct::{Base64, Encoding as _};
use device_key_types::{DeviceKeyId, ProtectionClass, PublicKey, payload};
use serde_json::{Value, json};

use crate::{
    args::{DemoArguments, PlatformArguments},
    exit::{Exit, Failure},
    report::{Verdict, heading, row},
};
use child::AppServerChild;

const WIDTH: usize = 44;

/// Runs the demo; any outcome but the expected one is [`Exit::NotAsExpected`].
pub(crate) fn run(arguments: &DemoArguments) -> Result<Exit, Failure> {
    let scratch = tempfile::Builder::new()
        .prefix("device-key-demo-")
        .tempdir()
        .map_err(|error| Failure::system("cannot make a temporary folder", &error))?;
    let arguments = app_server_arguments(&arguments.platform, scratch.path());
    let mut demo = Demo {
        server: AppServerChild::spawn(&arguments)?,
        scratch: scratch.path(),
        all_as_expected: true,
    };
    demo.show()?;
    let Demo { server, mut all_as_expected, .. } = demo;
    all_as_expected &= server.finish()?;
    Ok(if all_as_expected { Exit::Success } else { Exit::NotAsExpected })
}

/// The same platform for the child; without a home of the user's own, a temporary one.
fn app_server_arguments(platform: &PlatformArguments, scratch: &Path) -> Vec<OsString> {
    let home = platform.home.clone().unwrap_or_else(|| scratch.join("home"));
    let mut arguments = vec![OsString::from("--home"), home.into()];
    if let Some(tpm) = &platform.tpm {
        arguments.extend(["--tpm".into(), tpm.to_string().into()]);
    }
    if platform.allow_simulated_tpm {
        arguments.push("--allow-simulated-tpm".into());
    }
    arguments
}

struct Demo<'a> {
    server: AppServerChild,
    scratch: &'a Path,
    all_as_expected: bool,
}

struct Key {
    id: String,
    public_key: PublicKey,
}

impl Demo<'_> {
    fn show(&mut self) -> Result<(), Failure> {
        heading("A device key, from creation to proof");
        let client_info = json!({"name": "device-key-demo", "version": env!("CARGO_PKG_VERSION")});
        self.call("initialize", &json!({"clientInfo": client_info}))?;
        let Some(key) = self.create()? else { return Ok(()) };
        self.read_public_key(&key)?;
        self.prove("connection proof signed", &key, &statements::connection())?;
        let enrollment = statements::enrollment(&device_identity(&key));
        self.prove("enrollment proof signed", &key, &enrollment)?;
        heading("What is refused");
        for refusal in statements::refusals(&key.id) {
            let answer = self.server.call(refusal.method, &refusal.params)?;
            let reason = reason(&answer);
            self.expect(reason == refusal.reason, refusal.what, reason);
        }
        Ok(())
    }

    fn create(&mut self) -> Result<Option<Key>, Failure> {
        let binding = json!({"accountUserId": statements::ACCOUNT, "clientId": statements::CLIENT});
        let created = self.call("device/key/create", &binding)?;
        let key = member(&created, "keyId")
            .as_str()
            .zip(public_key(&created))
            .map(|(id, public_key)| Key { id: id.to_owned(), public_key });
        let shown = format!(
            "{} ({}, {})",
            text(member(&created, "keyId")),
            text(member(&created, "protectionClass")),
            text(member(&created, "tpmKind"))
        );
        self.expect(key.is_some(), "key created and bound", &shown);
        Ok(key)
    }

    fn read_public_key(&mut self, key: &Key) -> Result<(), Failure> {
        let public = self.call("device/key/public", &json!({"keyId": key.id}))?;
        let is_same = public_key(&public).as_ref() == Some(&key.public_key);
        self.expect(
            is_same,
            "public key read back",
            text(member(&public, "publicKeySpkiDerBase64")),
        );
        Ok(())
    }

    fn prove(&mut self, what: &str, key: &Key, payload: &Value) -> Result<(), Failure> {
        let params = json!({"keyId": key.id, "payload": payload});
        let signed = self.call("device/key/sign", &params)?;
        let (Some(message), Some(signature)) = (
            bytes(member(&signed, "signedPayloadBase64")),
            bytes(member(&signed, "signatureDerBase64")),
        ) else {
            self.expect(false, what, &signed.to_string());
            return Ok(());
        };
        let verify = |message: &[u8]| {
            openssl::verifies(self.scratch, key.public_key.spki_der(), message, &signature)
        };
        let verifies = verify(&message)?;
        let mut tampered = message;
        tampered.push(b' ');
        let tampered_verifies = verify(&tampered)?;
        self.expect(verifies, what, "openssl: verified");
        self.expect(!tampered_verifies, "the same proof with one byte more", "openssl: refused");
        Ok(())
    }

    /// Calls a method that must succeed; its result, or an error shown as one.
    fn call(&mut self, method: &str, params: &Value) -> Result<Value, Failure> {
        let mut answer = self.server.call(method, params)?;
        let result = answer.get_mut("result").map(Value::take);
        if result.is_none() {
            self.expect(false, method, reason(&answer));
        }
        Ok(result.unwrap_or_default())
    }

    fn expect(&mut self, is_as_expected: bool, what: &str, shown: &str) {
        self.all_as_expected &= is_as_expected;
        row(if is_as_expected { Verdict::Pass } else { Verdict::Fail }, what, WIDTH, shown);
    }
}

fn reason(answer: &Value) -> &str {
    answer.pointer("/error/data/reason").map_or("nothing", text)
}

fn member<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("nothing")
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    Base64::decode_vec(value.as_str()?).ok()
}

fn public_key(result: &Value) -> Option<PublicKey> {
    PublicKey::from_spki_der(&bytes(member(result, "publicKeySpkiDerBase64"))?).ok()
}

/// What an enrollment says about the device; any digest has the right shape, only this one is true.
fn device_identity(key: &Key) -> String {
    key.id
        .parse::<DeviceKeyId>()
        .ok()
        .and_then(|id| {
            let class = ProtectionClass::HardwareTpm;
            payload::device_identity_digest(&id, class, &key.public_key).ok()
        })
        .map_or_else(|| statements::DIGEST.to_owned(), |digest| digest.to_string())
}
