//! A client for OpenSSH's agent, and how to start the agent.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Server, as_user, folder_of};

// Message numbers of RFC 9987 ("SSH Agent Protocol").
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Starts OpenSSH's agent with an ECDSA P-256 key. The agent serves only its own user and root.
pub(super) fn start(folder: &Path, uid: u32) -> Result<Server> {
    let run = folder_of(uid, folder, "agent")?;
    let (socket, key) = (run.join("agent.sock"), run.join("key"));
    let child = as_user(&mut Command::new("/usr/bin/ssh-agent"), uid)
        .args(["-D", "-a"])
        .arg(&socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("spawn ssh-agent")?;
    let server = Server::started(child, socket)?;
    // ssh-keygen and ssh-add need a user with an account, so they run as root, whom the agent lets
    // in.
    let mut make = Command::new("/usr/bin/ssh-keygen");
    make.args(["-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f"]).arg(&key);
    let mut add = Command::new("/usr/bin/ssh-add");
    add.env("SSH_AUTH_SOCK", &server.socket).arg("-q").arg(&key);
    for command in &mut [make, add] {
        ensure!(command.status()?.success(), "{command:?} failed");
    }
    Ok(server)
}

/// A connection to the agent, and a request to sign 500 bytes with the agent's only key. A signed
/// statement of device-key has about 500 bytes.
pub(super) struct Agent {
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Agent {
    pub(super) fn connect(socket: &Path) -> Result<Self> {
        let mut agent =
            Self { stream: UnixStream::connect(socket)?, request: Vec::new(), answer: Vec::new() };
        agent.request = frame(&[REQUEST_IDENTITIES])?;
        agent.exchange(IDENTITIES_ANSWER)?;
        // The number of keys, followed by the length and the public part of the first key.
        let key = agent.answer.get(5..).context("no keys")?;
        let (length, key) = key.split_first_chunk().context("no key")?;
        let length = usize::try_from(u32::from_be_bytes(*length))?;
        let mut request = vec![SIGN_REQUEST];
        push_string(&mut request, key.get(..length).context("the key is truncated")?)?;
        push_string(&mut request, &[b'x'; 500])?;
        request.extend_from_slice(&[0; 4]);
        agent.request = frame(&request)?;
        Ok(agent)
    }

    pub(super) fn sign(&mut self) -> Result<()> {
        self.exchange(SIGN_RESPONSE)
    }

    fn exchange(&mut self, expected: u8) -> Result<()> {
        self.stream.write_all(&self.request)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        self.answer.resize(usize::try_from(u32::from_be_bytes(length))?, 0);
        self.stream.read_exact(&mut self.answer)?;
        ensure!(self.answer.first() == Some(&expected), "the agent refused the request");
        Ok(())
    }
}

fn push_string(message: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    message.extend_from_slice(&u32::try_from(bytes.len())?.to_be_bytes());
    message.extend_from_slice(bytes);
    Ok(())
}

fn frame(message: &[u8]) -> Result<Vec<u8>> {
    let mut framed = Vec::new();
    push_string(&mut framed, message)?;
    Ok(framed)
}
