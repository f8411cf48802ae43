//! A typed client of the device-key service.
//!
//! A [`Client`] speaks the protocol over one connection, one request at a time. It connects to a
//! running service over a [`ServiceSocket`], to an app-server that it spawns as a child process
//! ([`Client::spawn`]), or over any pair of streams ([`Client::over`]). Each method takes typed
//! params and returns a typed result, together with the JSON text of the result
//! ([`Received`]). A failure is a [`ClientError`], which tells whose fault it is and whether the
//! service may have carried out the request.
//!
//! Before a client sends a byte to a socket, it asks the kernel whose process listens there. The
//! listener must belong to root, the service's user, or the caller's own user.
//!
//! ```no_run
//! use device_key_client::{Client, ClientSettings, ServiceSocket, key::CreateParams};
//!
//! # async fn create() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = ClientSettings::new("controller", "1.0");
//! let mut client = Client::connect(&ServiceSocket::locate()?, &settings).await?;
//! let params = CreateParams::new(&"account".parse()?, &"client".parse()?, None);
//! let key = client.create(&params).await?;
//! println!("{}", key.key_id);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/sign.rs` signs a statement with the key. [`relay_stdio`] is for a client that can only
//! spawn a child process: it joins the child's standard streams to the service's socket.
#![forbid(unsafe_code)]

mod client;
mod error;
mod relay;
mod service_socket;

pub use client::{Client, ClientSettings};
pub use device_key_protocol::call::{Received, UnreadableAnswer, read_answer, write_request};
pub use device_key_protocol::{
    ErrorData, ErrorObject, Name, admin, attestation, initialize, key, lifecycle,
};
pub use error::ClientError;
pub use relay::relay_stdio;
pub use service_socket::ServiceSocket;
