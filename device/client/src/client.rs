//! The client: one connection, one request at a time.

use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fmt, io};

use device_key_protocol::admin::{
    self, AdminListParams, AdminListResult, PurgeParams, PurgeResult, UserKeys,
};
use device_key_protocol::attestation::{self, ActivateParams, IdentityParams};
use device_key_protocol::call::{Received, read_answer, write_request};
use device_key_protocol::initialize::{self, ClientInfo, InitializeParams};
use device_key_protocol::key::{
    self, CreateParams, KeyResult, PublicParams, SignParams, SignResult,
};
use device_key_protocol::lifecycle::{
    self, DeleteParams, DeleteResult, ListParams, ListResult, ListedKey, ProvidersParams,
    ProvidersResult,
};
use device_key_types::attestation::{Activation, Identity};
use device_key_types::strict_json::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::error::ClientError;
use crate::service_socket::ServiceSocket;

/// The longest answer that is read. The largest answer of a service, a page of keys with the
/// longest names, is far shorter.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

type CallResult<T> = Result<Received<T>, ClientError>;

/// How a client names itself, and how long it waits for an answer.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The name and version that the service sees.
    pub info: ClientInfo,
    /// How long to wait for each answer. The default is two minutes, because a TPM may be slow.
    pub timeout: Duration,
}

impl ClientSettings {
    /// Settings with the default timeout.
    pub fn new(name: &str, version: &str) -> Self {
        let info = ClientInfo { name: name.to_owned(), version: version.to_owned(), title: None };
        Self { info, timeout: Duration::from_mins(2) }
    }
}

/// A connection to a service, after the handshake.
///
/// When an answer was lost, did not come in time or was not understood, or when the future of a
/// request was dropped, the connection is out of step and every further request fails with
/// [`ClientError::Lost`]. Connect again.
pub struct Client {
    reader: BufReader<Pin<Box<dyn AsyncRead + Send>>>,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    child: Option<Child>,
    timeout: Duration,
    next_id: i64,
    is_usable: bool,
}

impl Client {
    /// Connects to a running service.
    pub async fn connect(
        socket: &ServiceSocket,
        settings: &ClientSettings,
    ) -> Result<Self, ClientError> {
        let (reader, writer) = socket.connect().await?.into_split();
        Self::over(reader, writer, settings).await
    }

    /// Spawns a program that serves the protocol on its standard input and output, such as
    /// `device-key app-server`. [`close`](Self::close) waits until the program has ended. Dropping
    /// the client only closes the program's input, at which the program ends.
    pub async fn spawn(
        command: &mut Command,
        settings: &ClientSettings,
    ) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Local { action: "cannot spawn the app-server", source };
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let pipes = child.stdout.take().zip(child.stdin.take());
        let (reader, writer) = pipes.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        let mut client = Self::new(reader, writer, settings.timeout);
        client.child = Some(child);
        client.initialize(settings).await?;
        Ok(client)
    }

    /// Connects over two streams that lead to a service.
    pub async fn over(
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
        settings: &ClientSettings,
    ) -> Result<Self, ClientError> {
        let mut client = Self::new(reader, writer, settings.timeout);
        client.initialize(settings).await?;
        Ok(client)
    }

    fn new(
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
        timeout: Duration,
    ) -> Self {
        Self {
            reader: BufReader::new(Box::pin(reader)),
            writer: Box::pin(writer),
            child: None,
            timeout,
            next_id: 0,
            is_usable: true,
        }
    }

    async fn initialize(&mut self, settings: &ClientSettings) -> Result<(), ClientError> {
        let client_info = Object(settings.info.clone());
        let params = InitializeParams { client_info, capabilities: None };
        self.request(initialize::METHOD, &params).await.map(drop)
    }

    /// Creates a key.
    pub async fn create(&mut self, params: &CreateParams) -> CallResult<KeyResult> {
        self.call(key::CREATE, params).await
    }

    /// Reads the public part of a key.
    pub async fn public(&mut self, params: &PublicParams) -> CallResult<KeyResult> {
        self.call(key::PUBLIC, params).await
    }

    /// Signs a statement.
    pub async fn sign(&mut self, params: &SignParams) -> CallResult<SignResult> {
        self.call(key::SIGN, params).await
    }

    /// Gets the endorsement key of the TPM that holds a key, and an attestation key of that TPM.
    pub async fn identity(&mut self, params: &IdentityParams) -> CallResult<Identity> {
        self.call(attestation::IDENTITY, params).await
    }

    /// Opens a backend's credential and certifies the key.
    pub async fn activate(&mut self, params: &ActivateParams) -> CallResult<Activation> {
        self.call(attestation::ACTIVATE, params).await
    }

    /// Lists one page of the caller's keys.
    pub async fn list(
        &mut self,
        params: &ListParams,
    ) -> Result<ListResult<Received<ListedKey>>, ClientError> {
        self.call(lifecycle::LIST, params).await.map(Received::into_value)
    }

    /// Lists the caller's keys on all pages, from the page that the params ask for.
    pub async fn list_all(
        &mut self,
        mut params: ListParams,
    ) -> Result<Vec<Received<ListedKey>>, ClientError> {
        let mut page = self.list(&params).await?;
        let mut keys = page.keys;
        while let Some(cursor) = page.next_cursor {
            params = params.at(cursor.clone());
            page = self.list(&params).await?;
            if page.next_cursor.as_ref() == Some(&cursor) {
                let source = "the page's cursor leads to the page itself";
                return Err(ClientError::unintelligible(lifecycle::LIST, source));
            }
            keys.append(&mut page.keys);
        }
        Ok(keys)
    }

    /// Deletes a key.
    pub async fn delete(&mut self, params: &DeleteParams) -> CallResult<DeleteResult> {
        self.call(lifecycle::DELETE, params).await
    }

    /// Counts the keys of each user, or of one user, on all pages. Only root may ask, over the
    /// socket of a service.
    pub async fn admin_list(&mut self, uid: Option<u32>) -> Result<Vec<UserKeys>, ClientError> {
        let (mut users, mut last) = (Vec::new(), None);
        loop {
            let params = AdminListParams::new(uid, last.clone());
            let page = self.call::<AdminListResult>(admin::LIST, &params).await?.into_value();
            users.extend(page.users);
            match page.next_cursor {
                None => return Ok(users),
                next if next == last => {
                    let source = "the page's cursor leads to the page itself";
                    return Err(ClientError::unintelligible(admin::LIST, source));
                }
                next => last = next,
            }
        }
    }

    /// Deletes all keys of a user. Only root may ask, over the socket of a service.
    pub async fn admin_purge(&mut self, uid: u32) -> CallResult<PurgeResult> {
        self.call(admin::PURGE, &PurgeParams { uid }).await
    }

    /// Gets the providers, and whether each provider can create keys.
    pub async fn providers(&mut self) -> CallResult<ProvidersResult> {
        self.call(lifecycle::PROVIDERS, &ProvidersParams {}).await
    }

    /// Makes a request of any method and reads its result, which must be an object.
    pub async fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> CallResult<T> {
        Received::read(self.request(method, params).await?)
            .map_err(|error| ClientError::unintelligible(method, error))
    }

    /// Makes a request of any method. Returns the result as JSON.
    pub async fn request(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<Box<RawValue>, ClientError> {
        let id = self.next_id;
        let line = write_request(id, method, params).map_err(|error| ClientError::Local {
            action: "the request cannot be written",
            source: error.into(),
        })?;
        if !std::mem::take(&mut self.is_usable) {
            let source = io::Error::other("an earlier request on this connection was not answered");
            return Err(ClientError::lost(method, source));
        }
        self.next_id = id.saturating_add(1);
        let answer = timeout(self.timeout, self.exchange(&line))
            .await
            .map_err(|_| ClientError::TimedOut { method: method.to_owned(), after: self.timeout })?
            .map_err(|error| match error.kind() {
                io::ErrorKind::FileTooLarge => ClientError::unintelligible(method, error),
                _ => ClientError::lost(method, error),
            })?;
        let outcome =
            read_answer(&answer, id).map_err(|error| ClientError::unintelligible(method, error))?;
        self.is_usable = true;
        outcome.map_err(|error| ClientError::Refused {
            method: method.to_owned(),
            error: Box::new(error),
        })
    }

    async fn exchange(&mut self, line: &[u8]) -> io::Result<Vec<u8>> {
        self.writer.write_all(line).await?;
        self.writer.flush().await?;
        let mut answer = Vec::new();
        let length =
            (&mut self.reader).take(MAX_ANSWER_BYTES).read_until(b'\n', &mut answer).await?;
        match answer.last() {
            Some(b'\n') => Ok(answer),
            _ if u64::try_from(length).is_ok_and(|length| length < MAX_ANSWER_BYTES) => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            _ => {
                Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer is longer than 16 MiB"))
            }
        }
    }

    /// Ends the connection. If the client spawned the service, waits until that process has
    /// ended and returns its exit status.
    pub async fn close(&mut self) -> Result<Option<ExitStatus>, ClientError> {
        self.is_usable = false;
        self.writer = Box::pin(tokio::io::sink());
        let Some(child) = &mut self.child else { return Ok(None) };
        let action = "cannot wait for the app-server";
        child.wait().await.map(Some).map_err(|source| ClientError::Local { action, source })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("is_usable", &self.is_usable).finish_non_exhaustive()
    }
}
