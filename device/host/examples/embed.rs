//! A program that has device keys of its own. It creates a key in the TPM, signs a statement with
//! the key, verifies the signature and lists the keys.
//!
//! `cargo run -p device-key-host --example embed -- HOME` uses the machine's own TPM. A second
//! argument, such as `unix:/run/swtpm/sock`, names another TPM, which may be a simulator.

use std::env;
use std::error::Error;

use device_key::{LocalPeer, OwnerUid, Page, Transport};
use device_key_host::Host;
use device_key_types::payload::{Connection, Target};
use device_key_types::{
    Binding, Clock as _, DeviceKeyId, ProtectionPolicy, Sha256Digest, SignPayload, SystemClock,
};

/// Creates a key, signs a connection statement with the key and verifies the signature.
pub async fn create_and_sign(
    host: &Host,
    caller: &LocalPeer,
) -> Result<DeviceKeyId, Box<dyn Error>> {
    let binding = Binding { account_user_id: "account-1".parse()?, client_id: "client-1".parse()? };
    let Binding { account_user_id, client_id } = binding.clone();
    let key = host.store().create(caller, binding, ProtectionPolicy::HardwareOnly).await?;

    // A backend sends these values, and the token's digest stands for the token.
    let statement = SignPayload::Connection(Connection {
        nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?,
        session_id: "session-1".parse()?,
        target: Target {
            origin: "https://chatgpt.com".parse()?,
            path: "/wham/remote/control/client".parse()?,
        },
        account_user_id,
        client_id,
        token_sha256: Sha256Digest::of(b"token"),
        token_expires_at: SystemClock.now().saturating_add(60),
    });
    let signed = host.store().sign(caller, &key.key_id, statement).await?;
    key.public_key.verify(&signed.signed_bytes, &signed.signature)?;
    Ok(key.key_id)
}

/// Lists the ids of the caller's keys, at most a hundred.
pub async fn list(host: &Host, caller: &LocalPeer) -> Result<Vec<DeviceKeyId>, Box<dyn Error>> {
    let page = Page { account_user_id: None, client_id: None, after: None, limit: 100 };
    let listed = host.store().list(caller, page).await?;
    Ok(listed.keys.into_iter().map(|key| key.key_id).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let home = arguments.next().ok_or("usage: embed HOME [TPM]")?;
    let mut builder = Host::builder();
    if let Some(address) = arguments.next() {
        builder = builder.tpm(address.parse()?).allow_simulated_tpm();
    }
    let host = builder.open(home.as_ref())?;
    host.sweep().await.keys?;

    // Only the user who created a key can use it. This program acts for the user who runs it.
    let user = OwnerUid::new(rustix::process::geteuid().as_raw());
    let caller = LocalPeer::from_transport(user, Transport::InProcess);
    let key_id = create_and_sign(&host, &caller).await?;
    println!("signed and verified with {key_id}");
    for key_id in list(&host, &caller).await? {
        println!("in this home: {key_id}");
    }
    host.store().settled().await;
    Ok(())
}
