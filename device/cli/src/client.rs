//! A client of the service: the protocol, one request at a time.

mod in_process;
mod refusal;
mod service;

use std::{io, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    args::ConnectionArguments,
    exit::{Exit, Failure},
    service_socket::ServiceSocket,
};
use in_process::InProcess;
use refusal::Refusal;
use service::Service;

/// Key operations that run in this process at a time: the one that was asked for, and the sweep.
const BLOCKING_THREADS: usize = 4;

/// A connection that has shaken hands.
pub(crate) struct Client {
    /// Taken only when the client is dropped.
    runtime: Option<Runtime>,
    link: Link,
    patience: Duration,
    next_id: i64,
}

/// Who answers.
enum Link {
    Service(Service),
    InProcess(InProcess),
}

impl Client {
    /// Connects to the running service, or puts the product together in this process.
    pub(crate) fn connect(arguments: &ConnectionArguments) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .map_err(|error| Failure::system("cannot start the runtime", &error))?;
        let link = if arguments.in_process {
            let _within = runtime.enter();
            Link::InProcess(InProcess::open(&arguments.platform)?)
        } else {
            let socket = ServiceSocket::locate(&arguments.socket)?;
            Link::Service(Service::on(runtime.block_on(socket.connect())?))
        };
        let patience = arguments.timeout();
        let mut client = Self { runtime: Some(runtime), link, patience, next_id: 0 };
        let version = env!("CARGO_PKG_VERSION");
        let params = json!({"clientInfo": {"name": "device-key", "version": version}});
        client.call("initialize", &params)?;
        Ok(client)
    }

    /// Sends a request and waits for its result, as it stands on the wire.
    pub(crate) fn call(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<Box<RawValue>, Failure> {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let request = Request { jsonrpc: "2.0", id, method, params };
        let mut line = serde_json::to_vec(&request)
            .map_err(|error| Failure::system("the request cannot be written", &error))?;
        line.push(b'\n');
        let answer = self.exchange(&line).map_err(|error| lost(method, &error))?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| odd(&error))?;
        match answer {
            Answer { id: answered, result: Some(result), error: None } if answered == Some(id) => {
                Ok(result)
            }
            // An error without an id is about the one request that there is.
            Answer { id: answered, result: None, error: Some(refusal) }
                if answered.is_none_or(|answered| answered == id) =>
            {
                Err(refusal.failure(method))
            }
            _ => Err(odd(&"neither a result nor an error of this request")),
        }
    }

    fn exchange(&mut self, line: &[u8]) -> io::Result<Vec<u8>> {
        let runtime = self.runtime.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        runtime.block_on(async {
            let answer = async {
                match &mut self.link {
                    Link::Service(service) => service.exchange(line).await,
                    Link::InProcess(in_process) => in_process.exchange(line).await,
                }
            };
            timeout(self.patience, answer).await?
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if let Link::InProcess(in_process) = &mut self.link {
            // What the sweep has not done in time is left to the next one.
            let _ = runtime.block_on(async { timeout(self.patience, in_process.swept()).await });
        }
        runtime.shutdown_background();
    }
}

/// Reads a result for people.
pub(crate) fn read<T: DeserializeOwned>(result: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(result.get()).map_err(|error| odd(&error))
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    id: i64,
    method: &'a str,
    params: &'a P,
}

#[derive(Deserialize)]
struct Answer {
    id: Option<i64>,
    result: Option<Box<RawValue>>,
    error: Option<Refusal>,
}

fn lost(method: &str, cause: &io::Error) -> Failure {
    let (cause, cure) = match cause.kind() {
        io::ErrorKind::TimedOut => {
            ("it took too long".to_owned(), "try again, with a longer --timeout")
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            ("the service closed the connection".to_owned(), "see the service's log, and try again")
        }
        _ => (cause.to_string(), "see the service's log, and try again"),
    };
    Failure {
        exit: Exit::TransportFailed,
        what: format!("no answer to {method}, which may have been done nevertheless"),
        cause,
        cure: Some(cure.to_owned()),
    }
}

/// An answer that is not of this protocol.
pub(crate) fn odd(cause: &dyn std::fmt::Display) -> Failure {
    Failure {
        exit: Exit::TransportFailed,
        what: "the service's answer is not understood".to_owned(),
        cause: cause.to_string(),
        cure: Some("use a service and a command of the same version".to_owned()),
    }
}
