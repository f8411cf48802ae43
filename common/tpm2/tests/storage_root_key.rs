//! The storage root key in a real swtpm, checked with tpm2-tools, and a TPM whose slots are full.

use crate::common::keys::Keys;
use crate::common::swtpm::{Connect as _, Swtpm, soon};
use device_key_tpm2::storage_key::{self, Lookup, Residence, WhyTransient};
use device_key_tpm2::{
    EccP256Template, Handle, HandleRange, Hierarchy, Name, ObjectAttributes, PublicArea,
    ResponseClass, Tpm,
};

const SRK: &str = "0x81000001";

/// The Name that `tpm2_readpublic` returns.
fn name_from_tpm2_tools(swtpm: &Swtpm, object: &str) -> String {
    let path = swtpm.path("name");
    swtpm.run_tool("tpm2_readpublic", &["-c", object, "-n", &path]);
    let bytes = std::fs::read(path).unwrap();
    Name::try_from(&bytes[..]).unwrap().to_string()
}

#[test]
fn the_storage_root_key_is_made_once_and_then_found() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    assert_eq!(storage_key::look_up(&mut tpm, soon()).unwrap(), Lookup::Missing);
    let made = storage_key::provision(&mut tpm, soon()).unwrap();
    assert_eq!(made.residence, Residence::Persistent);
    assert_eq!(made.object.handle, Handle::STORAGE_ROOT_KEY);
    assert_eq!(
        storage_key::look_up(&mut tpm, soon()).unwrap(),
        Lookup::Found(Box::new(made.clone()))
    );
    assert_eq!(storage_key::provision(&mut tpm, soon()).unwrap(), made);
    // No object stays loaded.
    assert_eq!(tpm.handles(HandleRange::Transient, soon()).unwrap(), []);
    drop(tpm);
    assert_eq!(name_from_tpm2_tools(&swtpm, SRK), made.name().to_string());
}

#[test]
fn tpm2_tools_load_our_blobs_and_compute_the_same_name() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let keys = Keys::make(&mut tpm, &[], soon());
    tpm.flush_everything(soon()).unwrap();
    drop(tpm);
    let (private, public, name) = (swtpm.path("priv"), swtpm.path("pub"), swtpm.path("n"));
    std::fs::write(&private, keys.created.private.to_tpm2b()).unwrap();
    std::fs::write(&public, keys.created.public.to_tpm2b()).unwrap();
    let context = swtpm.path("ctx");
    swtpm.run_tool(
        "tpm2_load",
        &["-C", SRK, "-r", &private, "-u", &public, "-n", &name, "-c", &context],
    );
    let bytes = std::fs::read(name).unwrap();
    assert_eq!(bytes, keys.loaded.name.as_bytes());
}

#[test]
fn a_key_of_other_software_without_no_da_is_used_as_it_is() {
    let swtpm = Swtpm::start();
    let context = swtpm.path("primary");
    // The default storage template of tpm2-tools with the algorithms of H-2.
    swtpm.run_tool(
        "tpm2_createprimary",
        &["-C", "o", "-G", "ecc256:null:aes128cfb", "-c", &context],
    );
    swtpm.run_tool("tpm2_evictcontrol", &["-C", "o", "-c", &context, SRK]);
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
    let mut tpm = swtpm.tpm();
    let found = storage_key::provision(&mut tpm, soon()).unwrap();
    assert_eq!(found.residence, Residence::Persistent);
    let attributes = found.public.template().attributes;
    assert!(!attributes.contains(ObjectAttributes::NO_DA));
    assert_eq!(tpm.handles(HandleRange::Transient, soon()).unwrap(), []);
    let mut keys = Keys::make(&mut tpm, &[], soon());
    keys.sign(&mut tpm, &[1; 32], soon()).unwrap();
    drop(tpm);
    assert_eq!(name_from_tpm2_tools(&swtpm, SRK), found.name().to_string());
}

#[test]
fn another_key_at_the_handle_of_the_storage_root_key_stays_there() {
    let swtpm = Swtpm::start();
    let context = swtpm.path("primary");
    swtpm.run_tool("tpm2_createprimary", &["-C", "o", "-G", "rsa2048", "-c", &context]);
    swtpm.run_tool("tpm2_evictcontrol", &["-C", "o", "-c", &context, SRK]);
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
    let mut tpm = swtpm.tpm();
    assert_eq!(storage_key::look_up(&mut tpm, soon()).unwrap(), Lookup::Taken);
    let first = storage_key::provision(&mut tpm, soon()).unwrap();
    let why = Residence::Transient(WhyTransient::HandleTaken);
    assert_eq!(first.residence, why);
    tpm.flush(first.object.handle, soon()).unwrap();
    let mut keys = Keys::make(&mut tpm, &[], soon());
    assert_eq!(keys.parent.name(), first.name());
    keys.sign(&mut tpm, &[1; 32], soon()).unwrap();
    let rsa = tpm.read_public(Handle::STORAGE_ROOT_KEY, soon()).unwrap();
    assert!(matches!(rsa, PublicArea::Other(_)));
    tpm.flush_everything(soon()).unwrap();
    drop(tpm);
    assert_eq!(name_from_tpm2_tools(&swtpm, SRK), rsa.name().unwrap().to_string());
}

#[test]
fn an_owner_hierarchy_with_a_password_cannot_be_used() {
    let swtpm = Swtpm::start();
    swtpm.run_tool("tpm2_changeauth", &["-c", "owner", "secret"]);
    let mut tpm = swtpm.tpm();
    let error = storage_key::provision(&mut tpm, soon()).unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Authorization));
}

#[test]
fn full_object_slots_are_classified_and_can_be_emptied() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let template = EccP256Template::storage_root_key();
    let error = fill(&mut tpm, |tpm| {
        tpm.create_primary(Hierarchy::Owner, &template, &[], soon()).map(|_| ())
    });
    assert_eq!(error, (3, Some(ResponseClass::ObjectMemory)));
    assert_eq!(tpm.handles(HandleRange::Transient, soon()).unwrap().len(), 3);
    assert_eq!(tpm.flush_everything(soon()).unwrap(), 3);
    Keys::make(&mut tpm, &[], soon());
}

#[test]
fn full_session_slots_are_classified_and_survive_a_disconnect() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let parent = storage_key::provision(&mut tpm, soon()).unwrap();
    let handle = parent.object.handle;
    let error = fill(&mut tpm, |tpm| tpm.start_session(handle, &parent.public, soon()).map(|_| ()));
    assert_eq!(error, (3, Some(ResponseClass::SessionMemory)));
    drop(tpm);
    let mut tpm = swtpm.tpm();
    let loaded = tpm.handles(HandleRange::LoadedSessions, soon()).unwrap();
    assert_eq!(loaded.len(), 3);
    assert_eq!(tpm.flush_everything(soon()).unwrap(), 3);
    tpm.start_session(handle, &parent.public, soon()).unwrap();
}

/// Repeats `one` until the TPM refuses. Returns how often `one` succeeded, and the class of the
/// refusal.
fn fill(
    tpm: &mut Tpm,
    mut one: impl FnMut(&mut Tpm) -> Result<(), device_key_tpm2::Error>,
) -> (usize, Option<ResponseClass>) {
    for made in 0..100 {
        if let Err(error) = one(tpm) {
            return (made, error.class());
        }
    }
    panic!("the TPM never filled up");
}
