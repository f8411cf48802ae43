//! `device-key doctor`: checks what device keys need on this machine.
//!
//! The doctor takes the steps that the app-server takes at its start. On a new machine it
//! therefore creates the home folder, the database and, if the TPM allows it, the persistent
//! storage root key.

mod effective;
mod os_keystore;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use device_key::{BindingStoreError, DeviceKeyProvider, ProviderError, ProviderErrorKind};
use device_key_config::ProviderName;
use device_key_private_fs::PrivateDir;
use device_key_provider_tpm::{TpmFacts, TpmProvider};
use device_key_state::StateRuntime;
use device_key_types::{DeviceKeyId, ErrorChain, TpmKind};
use serde::Serialize;

use crate::args::DoctorArguments;
use crate::exit::{Exit, Failure};
use crate::report::{Verdict, heading, line, row};
use crate::settings::Settings;
use crate::{compose, home};

/// The outcome of one check.
#[derive(Debug, Serialize)]
struct Check {
    name: Cow<'static, str>,
    verdict: Verdict,
    found: String,
    /// How to fix what was found. Programs read it as `cure`.
    #[serde(rename = "cure", skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    fn pass(name: &'static str, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Pass, found: found.into(), fix: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Warn,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }

    fn fail(name: &'static str, failure: &Failure) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Fail,
            found: format!("{}: {}", failure.what, failure.cause),
            fix: failure.fix.clone(),
        }
    }
}

/// Runs every check and prints what was found.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<Exit, Failure> {
    let checks = examine(&Settings::resolve(&arguments.platform)?);
    if arguments.json {
        let json = serde_json::to_string_pretty(&serde_json::json!({ "checks": checks }))
            .map_err(|error| Failure::system("cannot write JSON", &error))?;
        line(format_args!("{json}"))?;
    } else {
        print(&checks)?;
    }
    let all_pass = checks.iter().all(|check| check.verdict != Verdict::Fail);
    Ok(if all_pass { Exit::Success } else { Exit::NotAsExpected })
}

fn print(checks: &[Check]) -> Result<(), Failure> {
    heading("What device keys need on this machine")?;
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    for check in checks {
        row(check.verdict, &check.name, width, &check.found)?;
        if let Some(fix) = &check.fix {
            line(format_args!("{:width$}fix: {fix}", "", width = width + 10))?;
        }
    }
    Ok(())
}

fn examine(settings: &Settings) -> Vec<Check> {
    let mut checks = effective::checks(settings);
    match home::open(settings) {
        Ok(home) => {
            checks.push(Check::pass("home folder", home.path().display().to_string()));
            checks.extend(protection(settings, &home));
        }
        Err(failure) => checks.push(Check::fail("home folder", &failure)),
    }
    checks
}

/// Checks what protects the keys, in the order of the app-server's start.
fn protection(settings: &Settings, home: &PrivateDir) -> Vec<Check> {
    let mut checks = Vec::new();
    if settings.is_system_service() {
        checks.push(os_keystore::hardened(settings, home));
    }
    let state = StateRuntime::open(home).map_err(|error| compose::state_failure(&error));
    match &state {
        Ok(state) => checks.push(database(state)),
        Err(failure) => checks.push(Check::fail("state database", failure)),
    }
    let host = compose::builder(settings);
    if let Err(error) = host.require_right_wrapping_key(home) {
        checks.push(Check::fail("wrapping key", &compose::failure(&error)));
    }
    let mut keystores: Vec<Arc<dyn DeviceKeyProvider>> = Vec::new();
    let mut provider_checks = Vec::new();
    for name in settings.providers.iter() {
        let opened = match name {
            ProviderName::Tpm => host.tpm_provider(home).map(|tpm| {
                provider_checks.extend(hardware(&host.tpm_address().to_string(), home, &tpm));
                keystores.push(Arc::new(tpm));
            }),
            ProviderName::Os => host.os_provider(home).map(|keystore| {
                provider_checks.extend(os_keystore::conditions(settings, &keystore));
                keystores.push(Arc::new(keystore));
            }),
        };
        if let Err(error) = opened {
            checks.push(Check::fail("key folder", &compose::failure(&error)));
        }
    }
    if let Ok(state) = &state {
        checks.push(key_files(state, &keystores));
    }
    checks.extend(provider_checks);
    checks
}

fn database(state: &StateRuntime) -> Check {
    match state.count_by_phase() {
        Ok(counts) if counts.creating + counts.deleting > 0 => Check::warn(
            "state database",
            format!(
                "{} keys, {} half-made, {} half-deleted",
                counts.ready, counts.creating, counts.deleting
            ),
            "wait if an app-server is working on them; otherwise start it, and it removes them",
        ),
        Ok(counts) => intact(counts.ready, state.damaged_key_ids()),
        Err(error) => unreadable(&error),
    }
}

fn intact(keys: u64, damaged: Result<Vec<DeviceKeyId>, BindingStoreError>) -> Check {
    match damaged {
        Ok(damaged) if damaged.is_empty() => Check::pass("state database", format!("{keys} keys")),
        Ok(damaged) => {
            let ids: Vec<_> = damaged.iter().map(ToString::to_string).collect();
            Check::warn(
                "state database",
                format!("{keys} keys, of which the records of {} are damaged", ids.join(", ")),
                "delete the keys with device-key delete, then create and enroll new ones",
            )
        }
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &BindingStoreError) -> Check {
    let failure = Failure::system("the database cannot be read", &ErrorChain(error));
    Check::fail("state database", &failure)
}

/// Checks that every key file has a record and every record has a key file. A key without its file
/// or its record cannot be used any more.
fn key_files(state: &StateRuntime, keystores: &[Arc<dyn DeviceKeyProvider>]) -> Check {
    let name = "key files";
    let Comparison { files, unknown, missing } = match compare(state, keystores) {
        Ok(comparison) => comparison,
        Err(failure) => return Check::fail(name, &failure),
    };
    if unknown + missing > 0 {
        return Check::warn(
            name,
            format!(
                "{files} key files, {unknown} of them without a record, and {missing} records \
                 without a file"
            ),
            "restore the state database and the folder keys from one copy; a key whose file is lost \
             has to be created and enrolled again",
        );
    }
    Check::pass(name, format!("{files} key files, each with its record"))
}

struct Comparison {
    files: usize,
    /// Files without a record.
    unknown: usize,
    /// Records without a file.
    missing: usize,
}

/// Compares the key files with the records. An app-server may create keys at the same time, and it
/// writes the record of a key before the file. So the records are read before the files, to find
/// missing files, and again after the files, to know the records of keys created in between.
fn compare(
    state: &StateRuntime,
    keystores: &[Arc<dyn DeviceKeyProvider>],
) -> Result<Comparison, Failure> {
    let unreadable = |error| Failure::system("records cannot be read", &ErrorChain(&error));
    let before = state.key_ids().map_err(unreadable)?;
    let counts = state.count_by_phase().map_err(unreadable)?;
    let half_made = counts.creating + counts.deleting;
    let mut files: BTreeSet<DeviceKeyId> = BTreeSet::new();
    for keystore in keystores {
        let listed = keystore.list();
        files.extend(
            listed.map_err(|error| {
                Failure::system("key files cannot be listed", &ErrorChain(&error))
            })?,
        );
    }
    let after: BTreeSet<DeviceKeyId> = state.key_ids().map_err(unreadable)?.into_iter().collect();
    let without_file = before.iter().filter(|key_id| !files.contains(key_id)).count();
    Ok(Comparison {
        files: files.len(),
        unknown: files.difference(&after).count(),
        missing: without_file.saturating_sub(usize::try_from(half_made).unwrap_or(usize::MAX)),
    })
}

fn hardware(address: &str, home: &PrivateDir, tpm: &TpmProvider) -> Vec<Check> {
    match tpm.facts() {
        Ok(facts) => vec![
            Check::pass("TPM 2.0", format!("{address}: {}", described(&facts))),
            kind(&facts),
            parent(&facts),
            attestation(&facts),
        ],
        Err(error) => vec![Check {
            name: "TPM 2.0".into(),
            verdict: Verdict::Fail,
            found: format!("{address}: {}", ErrorChain(&error)),
            fix: Some(fix(&error, address, home)),
        }],
    }
}

fn described(facts: &TpmFacts) -> String {
    let trimmed = |text: &str| text.trim_matches([' ', '\0']).to_owned();
    format!(
        "{} {}, firmware {:#x}",
        trimmed(&facts.manufacturer),
        trimmed(&facts.vendor),
        facts.firmware_version
    )
}

fn kind(facts: &TpmFacts) -> Check {
    let name = "kind of TPM";
    match facts.kind {
        TpmKind::Physical => Check::pass(name, "physical, as the TPM itself says"),
        TpmKind::Virtual => Check::warn(
            name,
            "virtual, or from an unknown manufacturer",
            "nothing to do if this machine is virtual; its keys are as safe as its host",
        ),
        TpmKind::Simulated => Check::warn(
            name,
            "simulated: it protects nothing, and its keys are marked as simulated",
            "use a real TPM for anything but tests",
        ),
    }
}

fn parent(facts: &TpmFacts) -> Check {
    let name = "storage root key";
    if facts.has_persistent_parent {
        Check::pass(name, "persistent at 0x81000001")
    } else {
        Check::warn(
            name,
            "derived again for each connection, which takes longer",
            "nothing to do; the TPM refuses to keep the key at 0x81000001, or another key is there",
        )
    }
}

fn attestation(facts: &TpmFacts) -> Check {
    let name = "attestation";
    let certified: Vec<_> =
        facts.certified_endorsement_keys.iter().map(|kind| kind.as_str()).collect();
    if certified.is_empty() {
        Check::warn(
            name,
            "the TPM keeps no certificate for an endorsement key",
            "nothing to do, unless a backend wants keys attested; some manufacturers send the \
             certificate on request",
        )
    } else {
        Check::pass(name, format!("certificates for the endorsement keys {}", certified.join(", ")))
    }
}

fn fix(error: &ProviderError, address: &str, home: &PrivateDir) -> String {
    match error.kind() {
        ProviderErrorKind::HardwareUnavailable if address.starts_with("unix:") => {
            "give --allow-simulated-tpm if this is a test, or name a real TPM with --tpm".to_owned()
        }
        ProviderErrorKind::HardwareUnavailable => format!(
            "enable the TPM in the firmware, name another TPM with --tpm, or let this user open \
             {address} (group tss)"
        ),
        ProviderErrorKind::Busy | ProviderErrorKind::Timeout => {
            "check which other program uses the TPM, and try again".to_owned()
        }
        ProviderErrorKind::LockedOut => {
            "wait, or reset the lockout with the lockout authorization: tpm2_dictionarylockout \
             --clear-lockout"
                .to_owned()
        }
        ProviderErrorKind::Unavailable => "restart the TPM, then try again".to_owned(),
        _ => format!("see the log; keys and state are in {}", home.path().display()),
    }
}
