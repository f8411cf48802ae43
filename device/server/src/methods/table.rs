//! The table of methods, which also keeps remote peers from local methods.

use std::collections::HashMap;
use std::pin::Pin;

use device_key::{LocalPeer, Peer};
use device_key_protocol::{Params, RpcError};
use device_key_types::Reason;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::connection::departure::Departure;
use crate::methods::audit::Audit;

/// What a handler returns: a result as JSON, or why the request is refused.
pub(crate) type Outcome = Result<Box<RawValue>, RpcError>;
/// The future of a handler that was called.
pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The table of methods, and with it the transport gate.
///
/// How a method is mounted decides whether remote peers may call it. A local method's handler takes
/// a [`LocalPeer`], which a remote connection does not have.
#[derive(Default)]
pub struct Methods {
    table: HashMap<&'static str, Handler>,
}

enum Handler {
    Local(Box<dyn Fn(LocalPeer, Params, Departure) -> HandlerFuture + Send + Sync>),
    Anywhere(Box<dyn Fn(Peer, Params) -> HandlerFuture + Send + Sync>),
}

/// A method with this name is mounted already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the method {0} is mounted already")]
pub struct DuplicateMethod(pub &'static str);

impl Methods {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Mounts a method for local peers. Remote peers get `transport_not_local` before their params
    /// are looked at.
    pub fn local<F, R>(
        self,
        name: &'static str,
        handler: impl Fn(LocalPeer, Params) -> F + Send + Sync + 'static,
    ) -> Result<Self, DuplicateMethod>
    where
        F: Future<Output = Result<R, RpcError>> + Send + 'static,
        R: Serialize,
    {
        self.local_with_departure(name, move |peer, params, _| handler(peer, params))
    }

    /// As [`local`](Self::local), for a handler that wants to know when its client has left.
    pub(crate) fn local_with_departure<F, R>(
        self,
        name: &'static str,
        handler: impl Fn(LocalPeer, Params, Departure) -> F + Send + Sync + 'static,
    ) -> Result<Self, DuplicateMethod>
    where
        F: Future<Output = Result<R, RpcError>> + Send + 'static,
        R: Serialize,
    {
        let handler = move |peer, params, departure| to_json(handler(peer, params, departure));
        self.mount(name, Handler::Local(Box::new(handler)))
    }

    /// Mounts a method for every peer, remote peers included.
    pub fn anywhere<F, R>(
        self,
        name: &'static str,
        handler: impl Fn(Peer, Params) -> F + Send + Sync + 'static,
    ) -> Result<Self, DuplicateMethod>
    where
        F: Future<Output = Result<R, RpcError>> + Send + 'static,
        R: Serialize,
    {
        let handler = move |peer, params| to_json(handler(peer, params));
        self.mount(name, Handler::Anywhere(Box::new(handler)))
    }

    fn mount(mut self, name: &'static str, handler: Handler) -> Result<Self, DuplicateMethod> {
        match self.table.insert(name, handler) {
            None => Ok(self),
            Some(_) => Err(DuplicateMethod(name)),
        }
    }

    /// The name under which a method is mounted. Traces use it instead of the caller's text.
    pub(crate) fn known(&self, method: &str) -> Option<&'static str> {
        self.table.get_key_value(method).map(|(name, _)| *name)
    }

    /// The names of all mounted methods, sorted.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.table.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// Calls a method, if it is mounted and the peer may call it.
    pub(crate) fn call(
        &self,
        method: &str,
        peer: Peer,
        params: Params,
        departure: Departure,
        audit: &Audit,
    ) -> Result<HandlerFuture, RpcError> {
        match (self.table.get_key_value(method), peer) {
            (None, _) => Err(Reason::MethodNotFound.into()),
            (Some((_, Handler::Anywhere(handler))), peer) => Ok(handler(peer, params)),
            (Some((_, Handler::Local(handler))), Peer::Local(peer)) => {
                Ok(handler(peer, params, departure))
            }
            (Some((name, Handler::Local(_))), Peer::Remote) => {
                let error = Reason::TransportNotLocal.into();
                audit.refused_at_gate(name, peer, &error);
                Err(error)
            }
        }
    }
}

fn to_json<R: Serialize>(
    work: impl Future<Output = Result<R, RpcError>> + Send + 'static,
) -> HandlerFuture {
    Box::pin(async {
        let result = work.await?;
        to_raw_value(&result).map_err(|_| Reason::Internal.into())
    })
}
