//! Many clients at once for a minute: every request is answered once, and memory does not grow.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use super::{CLIENT, Client, Installation, binding, connect_as};

const CONNECTIONS: usize = 256;
const PIPELINED: usize = 64;
const LASTING: Duration = Duration::from_mins(1);
/// How many answers come before the memory is first measured: four times as many as requests can be
/// in flight, however slow the machine is.
const WARM: u64 = 65_536;
/// The factor by which the memory may grow from then on.
const GROWTH: f64 = 1.5;

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    overloaded: AtomicU64,
}

/// One connection that always has several requests in flight.
struct Pipeline {
    output: UnixStream,
    lines: BufReader<UnixStream>,
    sign: Value,
    key_id: String,
    /// The methods of the unanswered requests, by id.
    pending: HashMap<i64, &'static str>,
    /// Keys that this connection created and will delete.
    spare: Vec<String>,
    next_id: i64,
}

impl Pipeline {
    fn open(installation: &Installation, sign: &Value, key_id: &str) -> Self {
        let output = connect_as(&installation.socket(), CLIENT);
        let lines = BufReader::new(output.try_clone().unwrap());
        let mut pipeline = Self {
            output,
            lines,
            sign: sign.clone(),
            key_id: key_id.to_owned(),
            pending: HashMap::new(),
            spare: Vec::new(),
            next_id: 0,
        };
        let client_info = json!({"clientInfo": {"name": "load", "version": "0"}});
        pipeline.send("initialize", &client_info);
        assert!(pipeline.receive().1["result"].is_object());
        pipeline
    }

    fn send(&mut self, method: &'static str, params: &Value) {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"id": id, "method": method, "params": params});
        self.output.write_all(format!("{request}\n").as_bytes()).unwrap();
        self.pending.insert(id, method);
    }

    /// Sends a mixture of methods. Creations and deletions are rare, because they write the disk.
    fn send_next(&mut self) {
        match self.next_id % 10 {
            0..=4 => self.send("device/key/sign", &self.sign.clone()),
            5 | 6 => self.send("device/key/public", &json!({"keyId": self.key_id})),
            7 => self.send("device/key/list", &json!({"limit": 5})),
            8 => self.send("device/key/providers", &json!({})),
            _ => match self.spare.pop() {
                Some(key_id) => self.send("device/key/delete", &json!({"keyId": key_id})),
                None => {
                    self.send("device/key/create", &binding("allow_os_protected_nonextractable"));
                }
            },
        }
    }

    /// The next answer and its method. The answer must belong to an unanswered request.
    fn receive(&mut self) -> (&'static str, Value) {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).unwrap() > 0, "the connection ended");
        let answer: Value = serde_json::from_str(&line).unwrap();
        let id = answer["id"].as_i64().unwrap();
        let method = self.pending.remove(&id).expect("each request is answered once");
        (method, answer)
    }

    fn take_answer(&mut self, counts: &Counts) {
        let (method, answer) = self.receive();
        counts.answered.fetch_add(1, Ordering::Relaxed);
        match answer.get("error") {
            None if method == "device/key/create" => {
                self.spare.push(answer["result"]["keyId"].as_str().unwrap().to_owned());
            }
            None => {}
            Some(error) => {
                assert_eq!(error["data"]["reason"], "overloaded", "{method}: {answer}");
                counts.overloaded.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn run(&mut self, counts: &Counts, is_over: &AtomicBool) {
        for _ in 0..PIPELINED {
            self.send_next();
        }
        while !is_over.load(Ordering::Relaxed) {
            self.take_answer(counts);
            self.send_next();
        }
        while !self.pending.is_empty() {
            self.take_answer(counts);
        }
    }
}

fn resident_kilobytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

#[test]
fn many_clients_for_a_minute_lose_no_answer_and_cost_no_memory() {
    let installation = Installation::new();
    // Some of the connections are reserved for other users.
    let config = installation.configure(&format!(
        "[limits]\nconnections_per_user = {}\nconnections = {}\nkeys_per_user = 100000\n",
        CONNECTIONS + 1,
        CONNECTIONS * 2,
    ));
    let service = installation.start(&["--config", config.to_str().unwrap()]);
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let created = client.call("device/key/create", &binding("allow_os_protected_nonextractable"));
    let key = crate::proof::Key::of_any_class("account", "client", &created);
    let mut sign = key.sign_params();
    // The statement is valid for longer than the test runs.
    sign["payload"]["tokenExpiresAt"] = json!(crate::proof::unix_seconds() + 600);

    let (counts, is_over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let begin = Arc::new(Barrier::new(CONNECTIONS + 1));
    let running: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut pipeline = Pipeline::open(&installation, &sign, &key.id);
            let (counts, is_over) = (Arc::clone(&counts), Arc::clone(&is_over));
            let begin = Arc::clone(&begin);
            thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn(move || {
                    begin.wait();
                    pipeline.run(&counts, &is_over);
                })
                .unwrap()
        })
        .collect();
    begin.wait();
    let started = Instant::now();
    while counts.answered.load(Ordering::Relaxed) < WARM && started.elapsed() < LASTING {
        thread::sleep(Duration::from_millis(10));
    }
    let first = resident_kilobytes(service.id());
    let mut largest = first;
    while started.elapsed() < LASTING {
        thread::sleep(Duration::from_millis(250));
        largest = largest.max(resident_kilobytes(service.id()));
    }
    is_over.store(true, Ordering::Relaxed);
    for thread in running {
        thread.join().expect("every answer once, and no error but overloaded");
    }
    let answered = counts.answered.load(Ordering::Relaxed);
    let overloaded = counts.overloaded.load(Ordering::Relaxed);
    println!(
        "{answered} answers, {overloaded} of them overloaded; memory {first} kB after {WARM} \
         answers, {largest} kB at most"
    );
    assert!(answered > 2 * WARM && overloaded < answered);
    assert!(largest <= first * GROWTH, "{largest} kB after {first} kB");
    drop(client);
    service.stop();
}
