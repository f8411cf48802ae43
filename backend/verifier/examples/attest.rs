//! A backend that finds out what protects a device key, in the two round trips of an attestation,
//! and refuses the attestation of another key.
//!
//! `cargo run -p device-key-verifier --example attest`. The device has a simulated TPM whose
//! certificates come from an authority of its own, so `swtpm` and `swtpm-tools` must be installed.
//! For real TPMs a backend trusts the roots of their makers as `RootKind::Hardware` instead.

use std::error::Error;
use std::fs;
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use device_key::{LocalPeer, OwnerUid, RemoteControlPolicy, Transport};
use device_key_host::Host;
use device_key_testing::Swtpm;
use device_key_types::attestation::{Challenge, Claim};
use device_key_types::payload::Target;
use device_key_types::{
    Binding, Clock as _, Nonce, OsRandom, ProtectionPolicy, RandomSource as _, Sha256Digest,
    SystemClock,
};
use device_key_verifier::attestation::{
    AttestationError, RootKind, TrustRoots, VerifiedKind, verify_identity,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// What the backend learned.
pub struct Outcome {
    /// What protects the key that was attested.
    pub kind: VerifiedKind,
    /// Why the evidence is refused for another key.
    pub error: AttestationError,
}

fn certificate(path: &Path) -> Result<CertificateDer<'static>, Box<dyn Error>> {
    Ok(CertificateDer::from_pem_slice(&fs::read(path)?)?)
}

fn nonce() -> Result<Nonce, Box<dyn Error>> {
    let mut bytes = [0; 32];
    OsRandom.fill(&mut bytes)?;
    Ok(Base64UrlUnpadded::encode_string(&bytes).parse()?)
}

/// Has a key attested, and tries the evidence for another key.
pub async fn attest() -> Result<Outcome, Box<dyn Error>> {
    // The device: a TPM with endorsement certificates, a policy that lets one backend ask for
    // attestations, and two keys.
    let (swtpm, folder) = (Swtpm::start_with_endorsement(), tempfile::tempdir()?);
    let tpm = swtpm.address().parse()?;
    let policy =
        RemoteControlPolicy::default().with_attestation_for(["https://chatgpt.com".parse()?]);
    let device = Host::builder()
        .tpm(tpm)
        .allow_simulated_tpm()
        .policy(policy)
        .open(&folder.path().join("home"))?;
    let device = device.store();
    let client = LocalPeer::from_transport(OwnerUid::new(1000), Transport::InProcess);
    let binding = Binding { account_user_id: "account-1".parse()?, client_id: "client-1".parse()? };
    let key = device.create(&client, binding.clone(), ProtectionPolicy::HardwareOnly).await?;
    let other = device.create(&client, binding.clone(), ProtectionPolicy::HardwareOnly).await?;

    // The backend: the roots that it trusts, and the challenge that it sends together with the
    // enrollment challenge.
    let root = certificate(&swtpm.root_certificate())?;
    let issuer = certificate(&swtpm.issuer_certificate())?;
    let roots = TrustRoots::new([(&*root, RootKind::Simulated)])?.with_intermediates([&*issuer])?;
    let Binding { account_user_id, client_id } = binding;
    let challenge = Challenge {
        nonce: nonce()?,
        challenge_id: "challenge-1".parse()?,
        target: Target {
            origin: "https://chatgpt.com".parse()?,
            path: "/wham/remote/control/client/enroll/attestation".parse()?,
        },
        account_user_id,
        client_id,
        challenge_expires_at: SystemClock.now().saturating_add(60),
    };
    let claim = Claim {
        challenge: challenge.clone(),
        key_id: key.key_id,
        public_key: key.public_key,
        protection_class: key.protection_class,
    };

    // First round trip: the device says which TPM it has.
    let evidence =
        device.attestation_identity(&client, &key.key_id, challenge.clone(), None).await?;
    let now = SystemClock.now();
    let identity = verify_identity(&evidence, claim.clone(), &roots, now)?;

    // Second round trip: only that TPM can open the credential and certify the key.
    let mut secret = [0; 32];
    OsRandom.fill(&mut secret)?;
    let credential = identity.make_credential(&secret, &OsRandom)?;
    let activation =
        device.activate_attestation(&client, &key.key_id, challenge, credential, None).await?;
    let now = SystemClock.now();
    let verified = identity.verify_activation(&activation, &Sha256Digest::of(&secret), now)?;

    // The evidence of one key is refused for another key, even for a key in the same TPM.
    let claim = Claim { key_id: other.key_id, public_key: other.public_key, ..claim };
    let Err(error) = verify_identity(&evidence, claim, &roots, now) else {
        return Err("the evidence of one key was accepted for another".into());
    };
    Ok(Outcome { kind: verified.kind().clone(), error })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let Outcome { kind, error } = attest().await?;
    println!("verified kind: {kind}");
    if let Some(tpm) = kind.tpm() {
        let firmware = tpm.firmware_version();
        println!("maker {}, model {}, firmware {firmware:#x}", tpm.manufacturer(), tpm.model());
    }
    println!("refused for another key: {} ({error})", error.reason());
    Ok(())
}
