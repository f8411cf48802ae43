//! A transport that compares every message with the independent marshalling of `tpm2-protocol`.

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

/// The command codes that were sent.
pub(crate) type SeenCommands = Arc<Mutex<BTreeSet<u32>>>;

#[derive(Debug)]
pub(crate) struct CrossCheckedTransport {
    inner: Box<dyn Transport>,
    seen: SeenCommands,
}

impl CrossCheckedTransport {
    pub(crate) fn new(inner: Box<dyn Transport>) -> (Self, SeenCommands) {
        let seen = SeenCommands::default();
        let checked = Self { inner, seen: seen.clone() };
        (checked, seen)
    }
}

impl Transport for CrossCheckedTransport {
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
            compare::<TpmActivateCredentialCommand, TpmActivateCredentialResponse>(frame, response);
        }
        TpmCc::Certify => compare::<TpmCertifyCommand, TpmCertifyResponse>(frame, response),
        TpmCc::CertifyCreation => {
            compare::<TpmCertifyCreationCommand, TpmCertifyCreationResponse>(frame, response);
        }
        TpmCc::NvRead => compare::<TpmNvReadCommand, TpmNvReadResponse>(frame, response),
        TpmCc::NvReadPublic => {
            compare::<TpmNvReadPublicCommand, TpmNvReadPublicResponse>(frame, response);
        }
        TpmCc::PolicySecret => {
            compare::<TpmPolicySecretCommand, TpmPolicySecretResponse>(frame, response);
        }
        TpmCc::Create => compare::<TpmCreateCommand, TpmCreateResponse>(frame, response),
        TpmCc::CreatePrimary => {
            compare::<TpmCreatePrimaryCommand, TpmCreatePrimaryResponse>(frame, response);
        }
        TpmCc::EvictControl => {
            compare::<TpmEvictControlCommand, TpmEvictControlResponse>(frame, response);
        }
        TpmCc::FlushContext => {
            compare::<TpmFlushContextCommand, TpmFlushContextResponse>(frame, response);
        }
        TpmCc::GetCapability => {
            compare::<TpmGetCapabilityCommand, TpmGetCapabilityResponse>(frame, response);
        }
        TpmCc::GetRandom => {
            compare::<TpmGetRandomCommand, TpmGetRandomResponse>(frame, response);
        }
        TpmCc::Load => compare::<TpmLoadCommand, TpmLoadResponse>(frame, response),
        TpmCc::ReadPublic => {
            compare::<TpmReadPublicCommand, TpmReadPublicResponse>(frame, response);
        }
        TpmCc::SelfTest => {
            compare::<TpmSelfTestCommand, TpmSelfTestResponse>(frame, response);
        }
        TpmCc::Sign => compare::<TpmSignCommand, TpmSignResponse>(frame, response),
        TpmCc::StartAuthSession => {
            compare::<TpmStartAuthSessionCommand, TpmStartAuthSessionResponse>(frame, response);
        }
        TpmCc::Startup => compare::<TpmStartupCommand, TpmStartupResponse>(frame, response),
        other => panic!("no cross-check for {other:?}"),
    }
    code.value()
}

fn compare<C, R>(command: &TpmCommand, response: &[u8])
where
    C: TpmUnmarshalBody + TpmMarshalBody,
    R: TpmUnmarshalBody,
{
    let attributes = session_attributes(command.auth_area().unwrap());
    // The independent crate cannot parse an encrypted sensitive structure, so Create is skipped
    // here and its plaintext is compared in a unit test beside its code. The encrypted digest of
    // Sign and the encrypted blob of ActivateCredential parse like any other bytes.
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

/// Returns the attributes of the first authorization, which is the only one that can be an HMAC
/// session. They follow its handle (4 bytes) and its nonce.
fn session_attributes(area: &[u8]) -> u8 {
    match area {
        [] => 0,
        [_, _, _, _, high, low, rest @ ..] => rest[usize::from(u16::from_be_bytes([*high, *low]))],
        _ => panic!("short authorization area"),
    }
}
