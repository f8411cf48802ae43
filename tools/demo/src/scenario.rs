//! The steps of the demo, each with its expected outcome.

use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use device_key_client::key::KeyResult;
use device_key_demo::flow::{connection_statement, enrollment_statement, text};
use device_key_demo::{
    Account, Backend, Connection, Controller, Device, Proof, Refused, Settings, write_accounts,
};
use device_key_testing::{Postgres, Swtpm};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::table::Table;

const CLIENT: &str = "demo-client";

/// Longer than a challenge with the short lifetime is valid.
const PAST_SHORT_LIFETIME: Duration = Duration::from_millis(2100);

/// How long an open connection may outlive its device's revocation.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);

/// The database of the relying party.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Registry {
    Sqlite,
    Postgres,
}

/// Plays all steps. Returns the table of their outcomes.
pub(crate) async fn play(
    device_key: &Path,
    relying_party: &Path,
    registry: Registry,
) -> Result<Table> {
    let mut scenario = Scenario::begin(device_key, relying_party, registry).await?;
    let key = scenario.device.create_key(&scenario.account.id, CLIENT).await?;
    let connection = scenario.enrolls_and_connects(&key).await?;
    scenario.proofs_are_refused(&key).await?;
    scenario.attestations_are_refused(&key).await?;
    scenario.is_revoked(&key, connection).await?;
    Ok(scenario.table)
}

struct Scenario {
    table: Table,
    account: Account,
    other: Account,
    /// A device on a simulated TPM with an endorsement certificate.
    device: Device,
    /// A device on a TPM without an endorsement certificate.
    foreign: Device,
    backend: Backend,
    /// A second process of the relying party on the registry of the first. Its challenges are valid
    /// for one second.
    short_lived: Backend,
    _tpms: [Swtpm; 2],
    _scratch: TempDir,
}

impl Scenario {
    async fn begin(device_key: &Path, relying_party: &Path, registry: Registry) -> Result<Self> {
        // Everybody can write to /tmp, so the device refuses a configuration there.
        let home = env::home_dir().context("a home folder")?;
        let scratch = tempfile::Builder::new().prefix(".device-key-demo-").tempdir_in(home)?;
        let at = |name: &str| scratch.path().join(name);
        let (certified, uncertified) = (Swtpm::start_with_endorsement(), Swtpm::start());
        let accounts = [Account::new("demo-account")?, Account::new("somebody-else")?];
        write_accounts(&at("accounts"), &accounts)?;
        let registry = match registry {
            Registry::Sqlite => {
                ["--sqlite".to_owned(), at("registry.sqlite").display().to_string()]
            }
            Registry::Postgres => ["--postgres".to_owned(), Postgres::shared().database()],
        };
        let (root, intermediate) = (certified.root_certificate(), certified.issuer_certificate());
        let mut settings = Settings {
            registry: registry.each_ref().map(String::as_str),
            simulated_root: &root,
            intermediate: &intermediate,
            more: &["--attestation", "required", "--accept", "simulated_tpm"],
        };
        let backend = Backend::spawn(relying_party, &at("accounts"), &settings)?;
        let more = [settings.more, &["--challenge-seconds", "1"]].concat();
        settings.more = &more;
        let short_lived = Backend::spawn(relying_party, &at("accounts"), &settings)?;
        let [account, other] = accounts;
        let attested = [&backend, &short_lived].map(Backend::origin);
        let spawn = async |name, tpm: &Swtpm| {
            Device::spawn(device_key, &at(name), &tpm.address(), &attested).await
        };
        Ok(Self {
            table: Table::default(),
            account,
            other,
            device: spawn("device", &certified).await?,
            foreign: spawn("foreign", &uncertified).await?,
            backend,
            short_lived,
            _tpms: [certified, uncertified],
            _scratch: scratch,
        })
    }

    fn controller(&self) -> Controller {
        self.backend.controller(&self.account)
    }

    async fn enrolls_and_connects(&mut self, key: &KeyResult) -> Result<Connection> {
        self.table.section("A key is attested, enrolled, and opens a connection");
        let controller = self.controller();
        let challenge = controller.enrollment_challenge(CLIENT).await?;
        let identity = self.device.identity(key, &challenge).await?;
        let endorsement_key = text(&identity, "endorsementKey")?;
        self.table.row("the device shows its endorsement key", "ecc_p384", endorsement_key);
        let credential = controller.send_identity(&challenge, key, &identity).await?;
        self.table.row("the relying party makes a credential", "ok", outcome(&credential));
        let credential = credential.unwrap_or_default();
        let activation = self.device.activate(key, &challenge, &credential).await?;
        let opened = activation.as_ref().map_or_else(String::as_str, |_| "ok");
        self.table.row("the TPM opens it and certifies the key", "ok", opened);
        let activation = activation.unwrap_or_default();
        let proof = signed(self.device.sign(key, &enrollment_statement(&challenge, key)?).await?)?;
        let enrolled = controller.enroll(&challenge, key, &proof, Some(&activation)).await?;
        let kind = enrolled.as_ref().map(|device| text(device, "verifiedKind"));
        let kind = match kind {
            Ok(kind) => kind?.to_owned(),
            Err(refused) => refused.to_string(),
        };
        self.table.row("the device is enrolled, verified as", "simulated_tpm", kind);
        let again = controller.enroll(&challenge, key, &proof, Some(&activation)).await?;

        let (token, connection_proof) = self.connection_proof(&controller, key).await?;
        let opened = controller.connect(&token, &key.key_id, &connection_proof).await?;
        self.table.row("a connection is opened", "ok", outcome(&opened));
        let mut connection = opened.map_err(|refused| anyhow::anyhow!("{refused}"))?;
        let echo = connection.exchange("hello").await?;
        self.table.row("a message goes through", "hello", echo);

        self.table.section("What is used up");
        self.table.row("the enrollment proof, replayed", "challenge_unknown", outcome(&again));
        let again = controller.connect(&token, &key.key_id, &connection_proof).await?;
        let used = "connection_token_refused";
        self.table.row("the connection proof, replayed", used, outcome(&again));
        let other_process = self.short_lived.controller(&self.account);
        let again = other_process.connect(&token, &key.key_id, &connection_proof).await?;
        self.table.row("the connection proof, replayed at another process", used, outcome(&again));
        Ok(connection)
    }

    async fn proofs_are_refused(&mut self, key: &KeyResult) -> Result<()> {
        self.table.section("Proofs that are refused");
        let controller = self.controller();

        let (token, proof) = self.connection_proof(&controller, key).await?;
        let tampered = controller.connect(&token, &key.key_id, &proof.tampered()?).await?;
        self.table.row("one bit of the statement changed", "invalid_signature", outcome(&tampered));

        let challenge = controller.enrollment_challenge(CLIENT).await?;
        let enrollment =
            signed(self.device.sign(key, &enrollment_statement(&challenge, key)?).await?)?;
        let token = self.token(&controller, key).await?;
        let crossed = controller.connect(&token, &key.key_id, &enrollment).await?;
        let what = "an enrollment proof for a connection";
        self.table.row(what, "wrong_statement", outcome(&crossed));

        let invitation = invited(controller.invite(key).await?)?;
        let mut statement = connection_statement(&invitation)?;
        set(&mut statement, "targetOrigin", "http://127.0.0.1:1");
        let proof = signed(self.device.sign(key, &statement).await?)?;
        let token = text(&invitation, "token")?;
        let foreign = controller.connect(token, &key.key_id, &proof).await?;
        let expected = "field_mismatch targetOrigin";
        self.table.row("a proof for another origin", expected, outcome(&foreign));

        let mut statement = connection_statement(&invited(controller.invite(key).await?)?)?;
        set(&mut statement, "targetOrigin", "https://evil.example");
        let refused = reason(self.device.sign(key, &statement).await?);
        let what = "a foreign origin, which no device signs for";
        self.table.row(what, "origin_not_allowed", refused);

        let stranger = self.backend.controller(&self.other);
        let refused = stranger.invite(key).await?;
        let what = "another account's token, for this device";
        self.table.row(what, "device_unknown", outcome(&refused));
        let theirs = stranger.enrollment_challenge(CLIENT).await?;
        let refused = reason(self.device.sign(key, &enrollment_statement(&theirs, key)?).await?);
        self.table.row("another account's challenge, to this key", "binding_mismatch", refused);
        let refused = stranger.enroll(&challenge, key, &enrollment, None).await?;
        let what = "this account's challenge, answered by the other";
        self.table.row(what, "challenge_unknown", outcome(&refused));

        let short_lived = self.short_lived.controller(&self.account);
        let (token, proof) = self.connection_proof(&short_lived, key).await?;
        let invitation = invited(short_lived.invite(key).await?)?;
        sleep(PAST_SHORT_LIFETIME).await;
        let late = short_lived.connect(&token, &key.key_id, &proof).await?;
        self.table.row("an expired token", "connection_token_refused", outcome(&late));
        let refused = reason(self.device.sign(key, &connection_statement(&invitation)?).await?);
        self.table.row("an expired statement, which no device signs", "expired", refused);
        Ok(())
    }

    async fn attestations_are_refused(&mut self, key: &KeyResult) -> Result<()> {
        self.table.section("Attestations that are refused");
        let controller = self.controller();
        let unattested = self.device.create_key(&self.account.id, CLIENT).await?;
        let challenge = controller.enrollment_challenge(CLIENT).await?;
        let statement = enrollment_statement(&challenge, &unattested)?;
        let proof = signed(self.device.sign(&unattested, &statement).await?)?;
        let refused = controller.enroll(&challenge, &unattested, &proof, None).await?;
        self.table.row("a key that is not attested", "attestation_required", outcome(&refused));

        let foreign_key = self.foreign.create_key(&self.account.id, CLIENT).await?;
        let challenge = controller.enrollment_challenge(CLIENT).await?;
        let foreign = self.foreign.identity(&foreign_key, &challenge).await?;
        let refused = controller.send_identity(&challenge, &foreign_key, &foreign).await?;
        self.table.row("a TPM that nobody certified", "no_certificate", outcome(&refused));

        // The certificate is valid and public, but it belongs to another TPM than the keys.
        let mut borrowed = foreign;
        let genuine = self.device.identity(&unattested, &challenge).await?;
        for member in
            ["endorsementKey", "endorsementKeyPublicBase64", "endorsementKeyCertificatesBase64"]
        {
            let value = genuine.get(member).context("an identity")?.clone();
            if let Value::Object(members) = &mut borrowed {
                members.insert(member.to_owned(), value);
            }
        }
        let credential = controller.send_identity(&challenge, &foreign_key, &borrowed).await?;
        let credential = credential.map_err(|refused| anyhow::anyhow!("{refused}"))?;
        let refused = reason(self.foreign.activate(&foreign_key, &challenge, &credential).await?);
        let not_activated = "credential_not_activated";
        self.table.row("another TPM's certificate, at that key's TPM", not_activated, refused);
        let refused = reason(self.device.activate(&unattested, &challenge, &credential).await?);
        let what = "an attestation key of another TPM, at the certified one";
        self.table.row(what, not_activated, refused);

        let challenge = controller.enrollment_challenge(CLIENT).await?;
        let refused =
            reason(self.device.identity_for(key, &with_foreign_origin(&challenge)).await?);
        let what = "a challenge of a foreign backend, to the device";
        self.table.row(what, "origin_not_allowed", refused);
        Ok(())
    }

    async fn is_revoked(&mut self, key: &KeyResult, mut connection: Connection) -> Result<()> {
        self.table.section("A device is revoked");
        let controller = self.controller();
        let devices =
            controller.devices().await?.map_err(|refused| anyhow::anyhow!("{refused}"))?;
        let listed = devices.pointer("/devices/0/keyId").and_then(Value::as_str);
        self.table.row("it is listed", &key.key_id.to_string(), listed.unwrap_or("nothing"));
        // The other process revokes the device, so the process with the connection has to notice.
        let other_process = self.short_lived.controller(&self.account);
        let begun = Instant::now();
        let revoked = other_process.revoke(&key.key_id).await?;
        self.table.row("it is revoked, at another process", "ok", outcome(&revoked));
        let closed = connection.closed().await?;
        self.table.row("its open connection is closed", "device_revoked", closed);
        let in_time = if begun.elapsed() <= REVOKED_WITHIN { "yes" } else { "no" };
        self.table.row("within a second", "yes", in_time);
        let refused = controller.invite(key).await?;
        self.table.row("it gets no new connection", "device_revoked", outcome(&refused));
        Ok(())
    }

    /// A connection token and the proof for it.
    async fn connection_proof(
        &mut self,
        controller: &Controller,
        key: &KeyResult,
    ) -> Result<(String, Proof)> {
        let invitation = invited(controller.invite(key).await?)?;
        let proof = signed(self.device.sign(key, &connection_statement(&invitation)?).await?)?;
        Ok((text(&invitation, "token")?.to_owned(), proof))
    }

    async fn token(&self, controller: &Controller, key: &KeyResult) -> Result<String> {
        Ok(text(&invited(controller.invite(key).await?)?, "token")?.to_owned())
    }
}

/// A copy of the attestation challenge that names a backend which the device does not know.
fn with_foreign_origin(challenge: &Value) -> Value {
    let mut challenge = challenge.get("attestation").cloned().unwrap_or_default();
    set(&mut challenge, "targetOrigin", "https://evil.example");
    json!({"attestation": challenge})
}

fn set(object: &mut Value, member: &str, text: &str) {
    if let Value::Object(members) = object {
        members.insert(member.to_owned(), json!(text));
    }
}

fn outcome<T>(answer: &Result<T, Refused>) -> String {
    answer.as_ref().map_or_else(Refused::to_string, |_| "ok".to_owned())
}

fn reason<T>(answer: Result<T, String>) -> String {
    answer.map_or_else(|reason| reason, |_| "ok".to_owned())
}

fn signed(answer: Result<Proof, String>) -> Result<Proof> {
    answer.map_err(|reason| anyhow::anyhow!("the device does not sign: {reason}"))
}

fn invited(answer: Result<Value, Refused>) -> Result<Value> {
    answer.map_err(|refused| anyhow::anyhow!("no invitation: {refused}"))
}
