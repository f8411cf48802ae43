//! The TPM client: sends commands over a transport and checks the responses.

mod retry;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};
use std::{fmt, iter};

pub use retry::RetryPolicy;

use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::{self, AuthorizationEntry, ResponseBody, ResponseHeader, ReturnsHandle};
use crate::handle::Handle;
use crate::marshal::{Reader, Writer};
use crate::response_code::{ResponseClass, ResponseCode};
use crate::session::{
    AuthValue, Authorization, NONCE_SIZE, ParameterEncryption, ResponseFault, Session, Unkeyed,
};
use crate::structures::Name;
use crate::transport::Transport;
use device_key_types::RandomSource;

/// A TPM behind one connection. It runs one command at a time. Every method takes the deadline of
/// its whole exchange, repetitions included.
///
/// Dropping a `Tpm` flushes nothing, because flushing needs a deadline and can fail. Flush every
/// object and session that you made. On a raw TPM, objects and sessions outlive the connection;
/// `/dev/tpmrm0` flushes them when it is closed.
pub struct Tpm {
    transport: Box<dyn Transport>,
    random: Box<dyn RandomSource>,
    retry: RetryPolicy,
}

/// An object that is loaded or persistent in the TPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The object's handle, valid on this connection.
    pub handle: Handle,
    /// The object's Name, computed by this crate from the public area.
    pub name: Name,
}

/// An object together with the secret that authorizes its use. A command in a session needs both.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizedObject<'a> {
    /// The object.
    pub object: &'a Object,
    /// The object's authValue.
    pub auth_value: &'a AuthValue,
}

/// A command that runs outside an HMAC session, without its parameters.
pub(crate) struct PlainCommand<'a> {
    pub(crate) code: CommandCode,
    pub(crate) handles: &'a [Handle],
    pub(crate) returns: ReturnsHandle,
}

/// A command that runs in an HMAC session, without its parameters. All its handles are objects, and
/// the session authorizes the first of them.
pub(crate) struct SessionCommand<'a> {
    pub(crate) code: CommandCode,
    pub(crate) key: AuthorizedObject<'a>,
    /// The second object and its authorization, for a command that uses two objects. A command has
    /// only one HMAC session here: with two sessions, the HMAC of the first would have to cover the
    /// nonces of the second.
    pub(crate) other: Option<(&'a Object, Unkeyed)>,
    pub(crate) encryption: ParameterEncryption,
    pub(crate) returns: ReturnsHandle,
}

impl<'a> SessionCommand<'a> {
    fn objects(&self) -> impl Iterator<Item = &'a Object> {
        iter::once(self.key.object).chain(self.other.map(|(object, _)| object))
    }
}

impl Tpm {
    /// Creates a client from a connection and a source of nonces. Sends nothing.
    pub fn new(transport: Box<dyn Transport>, random: Box<dyn RandomSource>) -> Self {
        Self { transport, random, retry: RetryPolicy::default() }
    }

    /// Sets how often and how fast a command is repeated when the TPM asks for a repetition.
    #[must_use]
    pub fn with_retry_policy(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    pub(crate) fn random(&self) -> &dyn RandomSource {
        &*self.random
    }

    /// Runs a command without authorization.
    pub(crate) fn run(
        &mut self,
        plain: &PlainCommand<'_>,
        parameters: &Writer,
        deadline: Instant,
    ) -> Result<ResponseBody, Error> {
        self.exchange(plain.code, plain.handles, &[], parameters, plain.returns, deadline)
    }

    /// Runs a command whose first handle is authorized by the empty password and whose other
    /// handles need no authorization.
    pub(crate) fn run_with_password(
        &mut self,
        plain: &PlainCommand<'_>,
        parameters: &Writer,
        deadline: Instant,
    ) -> Result<ResponseBody, Error> {
        let (code, password) = (plain.code, Unkeyed::EmptyPassword);
        let authorized = [AuthorizationEntry::Unkeyed(password)];
        let body =
            self.exchange(code, plain.handles, &authorized, parameters, plain.returns, deadline)?;
        let mut reader = Reader::new(&body.authorization);
        let accepted = password.accept(&mut reader).and_then(|()| reader.finish());
        match accepted {
            Ok(()) => Ok(body),
            Err(source) => {
                self.discard(&body, deadline);
                Err(Error::Malformed { command: code, source })
            }
        }
    }

    /// Runs a command in a session: authorizes it, then verifies and decrypts its response.
    pub(crate) fn run_in_session(
        &mut self,
        session: &mut Session,
        command: &SessionCommand<'_>,
        mut parameters: Writer,
        deadline: Instant,
    ) -> Result<ResponseBody, Error> {
        if !session.is_usable() {
            return Err(Error::SessionUnusable);
        }
        let code = command.code;
        let mut nonce_caller = [0; NONCE_SIZE];
        self.random.fill(&mut nonce_caller)?;
        let authorization = session
            .authorize(
                code,
                command.objects().map(|object| &object.name),
                command.key.auth_value,
                nonce_caller,
                command.encryption,
                parameters.as_mut_bytes(),
            )
            .map_err(Error::Input)?;
        let handles: Vec<_> = command.objects().map(|object| object.handle).collect();
        let other = command.other.map(|(_, unkeyed)| unkeyed);
        let authorized: Vec<_> = iter::once(AuthorizationEntry::Session(&authorization))
            .chain(other.map(AuthorizationEntry::Unkeyed))
            .collect();
        // Until the response is accepted, it is unknown which nonce the TPM will use next.
        session.set_usable(false);
        let returns = command.returns;
        let mut body =
            match self.exchange(code, &handles, &authorized, &parameters, returns, deadline) {
                Ok(body) => body,
                Err(error) => {
                    // A refused command does not change the nonces (Part 1, section "Session
                    // Nonces").
                    session.set_usable(
                        matches!(&error, Error::Refused { code, .. } if session_survives(*code)),
                    );
                    return Err(error);
                }
            };
        match accept(&authorization, other, &mut body) {
            Ok(nonce_tpm) => {
                session.roll(nonce_tpm);
                session.set_usable(true);
                Ok(body)
            }
            Err(fault) => {
                self.discard(&body, deadline);
                Err(match fault {
                    ResponseFault::NotAuthentic => Error::ResponseAuthentication { command: code },
                    ResponseFault::Malformed(source) => Error::Malformed { command: code, source },
                })
            }
        }
    }

    /// Flushes the object or session that a rejected response says it made. An error of this flush
    /// is dropped, because the error that led here says more.
    fn discard(&mut self, body: &ResponseBody, deadline: Instant) {
        if let Some(handle) = body.handle {
            let _ = self.flush(handle, deadline);
        }
    }

    /// Sends a command, repeats it while the TPM asks for that, and splits the response into its
    /// parts.
    fn exchange(
        &mut self,
        command: CommandCode,
        handles: &[Handle],
        authorized: &[AuthorizationEntry<'_>],
        parameters: &Writer,
        returns: ReturnsHandle,
        deadline: Instant,
    ) -> Result<ResponseBody, Error> {
        let framed = frame::command(command, handles, authorized, parameters.as_bytes())
            .map_err(Error::Input)?;
        let expected_tag = frame::tag(authorized);
        let malformed = |source| Error::Malformed { command, source };
        let mut pauses = self.retry.pauses();
        loop {
            let response = self.transport.transact(framed.as_bytes(), deadline)?;
            let mut reader = Reader::new(&response);
            let code = match frame::header(&mut reader).map_err(malformed)? {
                ResponseHeader::Success { tag } => {
                    return frame::body(&mut reader, tag, expected_tag, returns).map_err(malformed);
                }
                ResponseHeader::Refusal(code) => code,
            };
            reader.finish().map_err(malformed)?;
            // The same bytes may be sent again: a command that was not run did not change the
            // nonces.
            match pauses.next() {
                Some(pause) if code.class() == ResponseClass::Retry && fits(pause, deadline) => {
                    std::thread::sleep(pause);
                }
                _ => return Err(Error::Refused { command, code }),
            }
        }
    }
}

impl fmt::Debug for Tpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tpm").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// Checks every entry of a response's authorization area. Returns the next nonce of the session.
fn accept(
    authorization: &Authorization,
    other: Option<Unkeyed>,
    body: &mut ResponseBody,
) -> Result<[u8; NONCE_SIZE], ResponseFault> {
    let mut reader = Reader::new(&body.authorization);
    let nonce_tpm = authorization.accept(&mut body.parameters, &mut reader)?;
    if let Some(unkeyed) = other {
        unkeyed.accept(&mut reader)?;
    }
    reader.finish()?;
    Ok(nonce_tpm)
}

fn session_survives(code: ResponseCode) -> bool {
    code.class() != ResponseClass::SessionMissing
}

fn fits(pause: Duration, deadline: Instant) -> bool {
    deadline.checked_duration_since(Instant::now()).is_some_and(|left| left > pause)
}
