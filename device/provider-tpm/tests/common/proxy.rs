//! A proxy between the provider and swtpm, which sees each command before swtpm receives it.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use device_key_testing::Swtpm;
use device_key_tpm2::CommandCode;
use tempfile::TempDir;

/// A command that the proxy is about to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The number of the connection.
    pub(crate) connection: usize,
    pub(crate) code: u32,
}

impl Seen {
    pub(crate) fn is(self, code: CommandCode) -> bool {
        self.code == code.value()
    }
}

/// The proxy. It serves one connection after the other, like swtpm, until the test process ends.
pub(crate) struct Proxy {
    folder: TempDir,
}

impl Proxy {
    pub(crate) fn start(swtpm: &Swtpm, mut before: impl FnMut(Seen) + Send + 'static) -> Self {
        Self::altering(swtpm, move |seen, _| before(seen))
    }

    /// Starts a proxy that calls `before` with each whole command. `before` may change the command,
    /// but not its length.
    pub(crate) fn altering(
        swtpm: &Swtpm,
        mut before: impl FnMut(Seen, &mut [u8]) + Send + 'static,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("proxy-").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
        let to = swtpm.socket();
        thread::spawn(move || {
            for (connection, client) in listener.incoming().enumerate() {
                // Either side may close its stream at any time. Then the proxy closes both streams.
                let _ = serve(client.unwrap(), &to, |command| {
                    let code = u32::from_be_bytes(command[6..10].try_into().unwrap());
                    before(Seen { connection, code }, command);
                });
            }
        });
        Self { folder }
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.folder.path().join("sock").display())
    }
}

fn serve(mut client: UnixStream, to: &Path, mut before: impl FnMut(&mut [u8])) -> io::Result<()> {
    let mut tpm = UnixStream::connect(to)?;
    loop {
        let mut command = message(&mut client)?;
        before(&mut command);
        tpm.write_all(&command)?;
        // The proxy must not wait for a client that has given up.
        let response = loop {
            tpm.set_read_timeout(Some(std::time::Duration::from_millis(20)))?;
            let mut first = [0];
            match tpm.read(&mut first) {
                Ok(0) => return Ok(()),
                Ok(_) => {
                    tpm.set_read_timeout(None)?;
                    break rest_of_message(first.to_vec(), &mut tpm)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => has_gone(&client)?,
                Err(error) => return Err(error),
            }
        };
        client.write_all(&response)?;
    }
}

fn has_gone(client: &UnixStream) -> io::Result<()> {
    client.set_nonblocking(true)?;
    let read = (&mut &*client).read(&mut [0]);
    client.set_nonblocking(false)?;
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

fn message(from: &mut UnixStream) -> io::Result<Vec<u8>> {
    rest_of_message(Vec::new(), from)
}

/// Reads the rest of a command or response. Bytes 2 to 5 of both hold the size.
fn rest_of_message(mut message: Vec<u8>, from: &mut UnixStream) -> io::Result<Vec<u8>> {
    let read = message.len();
    message.resize(10, 0);
    from.read_exact(&mut message[read..])?;
    let size = u32::from_be_bytes(message[2..6].try_into().unwrap());
    message.resize(usize::try_from(size).unwrap(), 0);
    from.read_exact(&mut message[10..])?;
    Ok(message)
}
