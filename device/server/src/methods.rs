use std::{collections::HashMap, pin::Pin};

use device_key::{LocalPeer, Peer};
use device_key_protocol::{Params, RpcError};
use device_key_types::Reason;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::audit;

/// What a handler gives back, as JSON.
pub(crate) type Outcome = Result<Box<RawValue>, RpcError>;
/// A handler at work.
pub(crate) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The table of methods, and with it the transport gate.
///
/// Whether a method is served to remote peers is part of how it is mounted. A local method's
/// handler takes a [`LocalPeer`], so there is nothing to call it with for anybody else.
#[derive(Default)]
pub struct Methods {
    table: HashMap<&'static str, Handler>,
}

enum Handler {
    Local(Box<dyn Fn(LocalPeer, Params) -> Work + Send + Sync>),
    Anywhere(Box<dyn Fn(Peer, Params) -> Work + Send + Sync>),
}

/// A method of that name is mounted already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the method {0} is mounted already")]
pub struct DuplicateMethod(pub &'static str);

impl Methods {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Mounts a method for local peers. Remote ones get `transport_not_local` before the params are
    /// looked at.
    pub fn local<F, R>(
        self,
        name: &'static str,
        handler: impl Fn(LocalPeer, Params) -> F + Send + Sync + 'static,
    ) -> Result<Self, DuplicateMethod>
    where
        F: Future<Output = Result<R, RpcError>> + Send + 'static,
        R: Serialize,
    {
        self.mount(
            name,
            Handler::Local(Box::new(move |peer, params| to_json(handler(peer, params)))),
        )
    }

    /// Mounts a method for every peer, remote ones included.
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

    /// The method's name as mounted, for traces; nothing that a caller chose.
    pub(crate) fn known(&self, method: &str) -> Option<&'static str> {
        self.table.get_key_value(method).map(|(name, _)| *name)
    }

    /// The names of all mounted methods, sorted.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.table.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// Passes a request through the gate.
    pub(crate) fn call(&self, method: &str, peer: Peer, params: Params) -> Result<Work, RpcError> {
        match (self.table.get_key_value(method), peer) {
            (None, _) => Err(Reason::MethodNotFound.into()),
            (Some((_, Handler::Anywhere(handler))), peer) => Ok(handler(peer, params)),
            (Some((_, Handler::Local(handler))), Peer::Local(peer)) => Ok(handler(peer, params)),
            (Some((name, Handler::Local(_))), Peer::Remote) => {
                let error = Reason::TransportNotLocal.into();
                audit::refused_at_gate(name, peer, &error);
                Err(error)
            }
        }
    }
}

fn to_json<R: Serialize>(work: impl Future<Output = Result<R, RpcError>> + Send + 'static) -> Work {
    Box::pin(async {
        let result = work.await?;
        to_raw_value(&result).map_err(|_| Reason::Internal.into())
    })
}
