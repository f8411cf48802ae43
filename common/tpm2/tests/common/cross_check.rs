//! A transport that holds every message against the independent marshalling of `tpm2-protocol`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use device_key_tpm2::{Transport, TransportError};
use tpm2_protocol::TpmWriter;
use tpm2_protocol::data::TpmCc;
use tpm2_protocol::frame::{
    TpmActivateCredentialCommand, TpmActivateCredentialResponse, TpmCertifyCommand,
    TpmCertifyCreationCommand, TpmCertifyCreationResponse, TpmCertifyResponse, TpmCommand,
    TpmCreateCommand, TpmCreatePrimaryCommand, TpmCreatePrimaryResponse, TpmCreateResponse,
    TpmEvictControlCommand, TpmEvictControlResponse, TpmFlushContextCommand,
    TpmFlushContextResponse, TpmGetCapabilityCommand, TpmGetCapabilityResponse,
    TpmGetRandomCommand, TpmGetRandomResponse, TpmLoadCommand, TpmLoadResponse, TpmMarshalBody,
    TpmNvReadCommand, TpmNvReadPublicCommand, TpmNvReadPublicResponse, TpmNvReadResponse,
    TpmPolicySecretCommand, TpmPolicySecretResponse, TpmReadPublicCommand, TpmReadPublicResponse,
    TpmResponse, TpmSelfTestCommand, TpmSelfTestResponse, TpmSignCommand, TpmSignResponse,
    TpmStartAuthSessionCommand, TpmStartAuthSessionResponse, TpmStartupCommand, TpmStartupResponse,
    TpmUnmarshalBody,
};

/// `decrypt` of `TPMA_SESSION`.
const DECRYPT: u8 = 1 << 5;
/// `encrypt` of `TPMA_SESSION`.
const ENCRYPT: u8 = 1 << 6;

pub(crate) type Seen = Arc<Mutex<BTreeSet<u32>>>;

#[derive(Debug)]
pub(crate) struct CrossChecked {
    inner: Box<dyn Transport>,
    seen: Seen,
}

impl CrossChecked {
    pub(crate) fn new(inner: Box<dyn Transport>) -> (Self, Seen) {
        let seen = Seen::default();
        let checked = Self { inner, seen: seen.clone() };
        (checked, seen)
    }
}

impl Transport for CrossChecked {
    fn transact(&mut self, command: &[u8], deadline: Instant) -> Result<Vec<u8>, TransportError> {
        let response = self.inner.transact(command, deadline)?;
        let code = check(command, &response);
        self.seen.lock().unwrap().insert(code);
        Ok(response)
    }
}

fn check(command: &[u8], response: &[u8]) -> u32 {
    let frame = TpmCommand::cast(command).unwrap();
    frame.validate().unwrap();
    let code = frame.cc().unwrap();
    match code {
        TpmCc::ActivateCredential => {
            both::<TpmActivateCredentialCommand, TpmActivateCredentialResponse>(frame, response);
        }
        TpmCc::Certify => both::<TpmCertifyCommand, TpmCertifyResponse>(frame, response),
        TpmCc::CertifyCreation => {
            both::<TpmCertifyCreationCommand, TpmCertifyCreationResponse>(frame, response);
        }
        TpmCc::NvRead => both::<TpmNvReadCommand, TpmNvReadResponse>(frame, response),
        TpmCc::NvReadPublic => {
            both::<TpmNvReadPublicCommand, TpmNvReadPublicResponse>(frame, response);
        }
        TpmCc::PolicySecret => {
            both::<TpmPolicySecretCommand, TpmPolicySecretResponse>(frame, response);
        }
        TpmCc::Create => both::<TpmCreateCommand, TpmCreateResponse>(frame, response),
        TpmCc::CreatePrimary => {
            both::<TpmCreatePrimaryCommand, TpmCreatePrimaryResponse>(frame, response);
        }
        TpmCc::EvictControl => {
            both::<TpmEvictControlCommand, TpmEvictControlResponse>(frame, response);
        }
        TpmCc::FlushContext => {
            both::<TpmFlushContextCommand, TpmFlushContextResponse>(frame, response);
        }
        TpmCc::GetCapability => {
            both::<TpmGetCapabilityCommand, TpmGetCapabilityResponse>(frame, response);
        }
        TpmCc::GetRandom => both::<TpmGetRandomCommand, TpmGetRandomResponse>(frame, response),
        TpmCc::Load => both::<TpmLoadCommand, TpmLoadResponse>(frame, response),
        TpmCc::ReadPublic => both::<TpmReadPublicCommand, TpmReadPublicResponse>(frame, response),
        TpmCc::SelfTest => both::<TpmSelfTestCommand, TpmSelfTestResponse>(frame, response),
        TpmCc::Sign => both::<TpmSignCommand, TpmSignResponse>(frame, response),
        TpmCc::StartAuthSession => {
            both::<TpmStartAuthSessionCommand, TpmStartAuthSessionResponse>(frame, response);
        }
        TpmCc::Startup => both::<TpmStartupCommand, TpmStartupResponse>(frame, response),
        other => panic!("no cross-check for {other:?}"),
    }
    code.value()
}

fn both<C, R>(command: &TpmCommand, response: &[u8])
where
    C: TpmUnmarshalBody + TpmMarshalBody,
    R: TpmUnmarshalBody,
{
    let attributes = session_attributes(command.auth_area().unwrap());
    // Ciphertext is no sensitive structure; Create's plaintext is compared beside its code. The digest of Sign
    // and the blob of ActivateCredential read as any other bytes.
    if attributes & DECRYPT == 0 || C::CC != TpmCc::Create {
        let theirs: C = command.unmarshal().unwrap();
        let mut buffer = [0; 4096];
        let mut handles = TpmWriter::new(&mut buffer);
        theirs.marshal_handles(&mut handles).unwrap();
        assert_eq!(handles.as_bytes(), command.handles().unwrap());
        let mut buffer = [0; 4096];
        let mut parameters = TpmWriter::new(&mut buffer);
        theirs.marshal_parameters(&mut parameters).unwrap();
        assert_eq!(parameters.as_bytes(), command.parameters().unwrap());
    }
    let response = TpmResponse::cast(response).unwrap();
    if response.rc().unwrap().value() == 0 && attributes & ENCRYPT == 0 {
        let _: R = response.unmarshal().unwrap();
    }
}

/// The attributes of the first authorization, the only one that can be an HMAC session: after its handle (4
/// bytes) and its nonce.
fn session_attributes(area: &[u8]) -> u8 {
    match area {
        [] => 0,
        [_, _, _, _, high, low, rest @ ..] => rest[usize::from(u16::from_be_bytes([*high, *low]))],
        _ => panic!("short authorization area"),
    }
}
