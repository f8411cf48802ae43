//! A minimal collector of OTLP over HTTP.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use prost::Message;

/// How long a test waits before it fails.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The status of a collector that never answers.
pub(crate) const STALLED: u16 = 0;

pub(crate) struct Collector {
    address: String,
    status: Arc<AtomicU16>,
    received: Receiver<Received>,
    /// Exports that arrived while the test waited for another path.
    passed_over: RefCell<VecDeque<Received>>,
}

/// One received export.
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(&*self.body).unwrap()
    }
}

impl Collector {
    /// Starts a collector that answers each export with this status.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(status));
        let (sender, received) = mpsc::channel();
        let answering = Arc::clone(&status);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (sender, status) = (sender.clone(), Arc::clone(&answering));
                thread::spawn(move || serve(stream.unwrap(), &sender, &status));
            }
        });
        Self { address, status, received, passed_over: RefCell::default() }
    }

    /// An address on which no collector listens any more: connections are refused.
    pub(crate) fn absent_address() -> String {
        format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next export to this path.
    pub(crate) fn next(&self, path: &str) -> Received {
        let mut passed_over = self.passed_over.borrow_mut();
        if let Some(place) = passed_over.iter().position(|received| received.path == path) {
            return passed_over.remove(place).unwrap();
        }
        loop {
            let received = self.received.recv_timeout(TIMEOUT).unwrap();
            if received.path == path {
                return received;
            }
            passed_over.push_back(received);
        }
    }

    /// All exports that were received until now.
    pub(crate) fn all(&self) -> Vec<Received> {
        self.received.try_iter().collect()
    }
}

fn serve(mut stream: TcpStream, sender: &Sender<Received>, status: &AtomicU16) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = (&mut reader).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    // A client may connect without sending a request.
    let Some(request_line) = lines.next() else { return };
    let headers: HashMap<String, String> = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let path = request_line.split(' ').nth(1).unwrap().to_owned();
    let status = status.load(Ordering::SeqCst);
    let _ = sender.send(Received { path, headers, body });
    if status == STALLED {
        // Wait until the other side gives up.
        let _ = reader.read_to_end(&mut Vec::new());
        return;
    }
    // The other side may have exited in the meantime.
    let _ = write!(stream, "HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n");
}
