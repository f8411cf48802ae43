//! The transports: how bytes and frames become messages, and how answers reach the client.
//!
//! Every transport identifies its peer, opens a [`Connection`](crate::connection::Connection) and
//! lets [`carry`] drive it. The transports differ in their framing and in how a connection ends.

pub(crate) mod in_process;
pub(crate) mod stdio;
pub(crate) mod unix;
pub(crate) mod websocket;

mod carry;
mod hang_up;
mod line_splitter;
mod lines;
mod outbox;
mod stall;
