//! A connection on a thread of its own, and its work in turns of one transaction each.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::{database, error::SqliteError};
use crate::registry::error::RegistryError;

/// What may wait for its turn. More wait outside, each for as long as its request may take.
const WAITING: usize = 1024;
/// What is written in one transaction; the first of them is not answered much later than alone.
const WRITES_AT_ONCE: usize = 128;

/// What a worker's connection is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Reader,
    Writer,
}

impl Role {
    const fn behavior(self) -> TransactionBehavior {
        match self {
            Self::Reader => TransactionBehavior::Deferred,
            Self::Writer => TransactionBehavior::Immediate,
        }
    }

    /// A reader's transaction sees what was committed before it began. Whoever asks later must see
    /// what was written meanwhile, and so gets one of its own.
    const fn at_once(self) -> usize {
        match self {
            Self::Reader => 1,
            Self::Writer => WRITES_AT_ONCE,
        }
    }

    const fn thread_name(self) -> &'static str {
        match self {
            Self::Reader => "registry-reader",
            Self::Writer => "registry-writer",
        }
    }
}

/// Does its work with the connection, or hears why there is none.
type Job = Box<dyn FnOnce(Result<&Connection, &SqliteError>) -> Done + Send>;

/// Whether a job's work is to be kept, and who waits to hear that it was.
struct Done {
    keep: bool,
    tell: Tell,
}

/// Tells one who waits what became of the transaction.
type Tell = Box<dyn FnOnce(Result<(), &SqliteError>) + Send>;

pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Takes the connection to a thread that lives as long as this value.
    pub(super) fn start(role: Role, mut connection: Connection) -> Result<Self, SqliteError> {
        let (sender, mut jobs) = mpsc::channel(WAITING);
        let work = move || {
            while let Some(first) = jobs.blocking_recv() {
                let turn = || turn(&mut connection, role, first, &mut jobs);
                // The transaction was rolled back while unwinding, and nobody was told anything.
                if catch_unwind(AssertUnwindSafe(turn)).is_err() {
                    error!("work of the registry panicked");
                }
            }
        };
        thread::Builder::new()
            .name(role.thread_name().to_owned())
            .spawn(work)
            .map_err(|error| SqliteError::File(error.kind()))?;
        Ok(Self { jobs: sender })
    }

    /// Does this in a transaction: wholly, or not at all. It is answered when that is committed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (answer, answered) = oneshot::channel();
        let job = move |connection: Result<&Connection, &SqliteError>| {
            let outcome = match connection {
                Ok(connection) => work(connection),
                Err(error) => Err(error.clone().into()),
            };
            let keep = outcome.is_ok();
            let tell = move |committed: Result<(), &SqliteError>| {
                let kept = committed.map_err(|error| error.clone().into());
                // Whoever asked may have gone.
                let _ = answer.send(outcome.and_then(|done| kept.map(|()| done)));
            };
            Done { keep, tell: Box::new(tell) }
        };
        self.jobs.send(Box::new(job)).await.map_err(|_| SqliteError::Stopped)?;
        answered.await.map_err(|_| SqliteError::Stopped)?
    }
}

/// One transaction with the first job and whatever else is waiting.
fn turn(connection: &mut Connection, role: Role, first: Job, jobs: &mut mpsc::Receiver<Job>) {
    let mut done = Vec::new();
    let mut next = Some(first);
    let outcome = begin(connection, role).and_then(|mut transaction| {
        while let Some(job) = next.take() {
            done.push(apart(&mut transaction, job));
            // Some failures, such as a full disk, end the transaction themselves. What came after
            // them would be a transaction of its own.
            if done.len() < role.at_once() && !transaction.is_autocommit() {
                next = jobs.try_recv().ok();
            }
        }
        Ok(transaction.commit()?)
    });
    if let (Some(job), Err(error)) = (next, &outcome) {
        done.push(job(Err(error)));
    }
    for done in done {
        (done.tell)(outcome.as_ref().copied());
    }
}

fn begin(connection: &mut Connection, role: Role) -> Result<Transaction<'_>, SqliteError> {
    let transaction = connection.transaction_with_behavior(role.behavior())?;
    database::check(&transaction)?;
    Ok(transaction)
}

/// Does one job so that it can be undone without the others.
fn apart(transaction: &mut Transaction<'_>, job: Job) -> Done {
    let savepoint = match transaction.savepoint() {
        Ok(savepoint) => savepoint,
        Err(error) => return job(Err(&error.into())),
    };
    let done = job(Ok(&savepoint));
    if done.keep {
        // If it cannot be released, the transaction cannot be committed either.
        let _ = savepoint.commit();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> Worker {
        let mut connection = Connection::open_in_memory().unwrap();
        database::migrate(&mut connection, &database::STEPS).unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY CHECK (n < 100))").unwrap();
        Worker::start(Role::Writer, connection).unwrap()
    }

    async fn insert(worker: &Worker, n: i64) -> Result<usize, RegistryError> {
        worker.run(move |db| Ok(db.execute("INSERT INTO t VALUES (?1)", [n])?)).await
    }

    async fn count(worker: &Worker) -> i64 {
        let sql = "SELECT count(*) FROM t";
        worker.run(|db| Ok(db.query_row(sql, (), |row| row.get(0))?)).await.unwrap()
    }

    #[tokio::test]
    async fn a_job_that_fails_takes_nobody_with_it() {
        let worker = worker();
        let (good, bad, better) =
            tokio::join!(insert(&worker, 1), insert(&worker, 100), insert(&worker, 2));
        assert_eq!((good.unwrap(), better.unwrap()), (1, 1));
        assert_eq!(bad.unwrap_err().reason(), "registry_unavailable");
        assert_eq!(count(&worker).await, 2);
    }

    #[tokio::test]
    async fn half_a_job_is_none() {
        let worker = worker();
        let half = worker.run(|db| {
            db.execute("INSERT INTO t VALUES (1)", ())?;
            Ok(db.execute("INSERT INTO t VALUES (100)", ())?)
        });
        assert!(half.await.is_err());
        assert_eq!(count(&worker).await, 0);
    }

    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_is_no_success() {
        let worker = worker();
        let ended = worker.run(|db| {
            db.execute("INSERT INTO t VALUES (1)", ())?;
            Ok(db.execute_batch("ROLLBACK")?)
        });
        assert!(ended.await.is_err());
        assert_eq!(count(&worker).await, 0);
        insert(&worker, 1).await.unwrap();
    }

    /// Both wait for a third and so have their turn together.
    #[tokio::test]
    async fn what_comes_after_such_an_end_has_a_turn_of_its_own() {
        let worker = worker();
        let (release, released) = std::sync::mpsc::channel();
        let third = worker.run(move |_| {
            released.recv().unwrap();
            Ok(())
        });
        let ended = worker.run(|db| Ok(db.execute_batch("ROLLBACK")?));
        let (_, _, after, ()) =
            tokio::join!(third, ended, insert(&worker, 1), async { release.send(()).unwrap() });
        assert_eq!(after.unwrap(), 1);
        assert_eq!(count(&worker).await, 1);
    }

    #[tokio::test]
    async fn a_panic_ends_one_turn() {
        let worker = worker();
        let panicked = worker.run::<()>(|db| {
            db.execute("INSERT INTO t VALUES (1)", ())?;
            panic!("as the test wants it")
        });
        assert_eq!(panicked.await.unwrap_err().reason(), "registry_unavailable");
        insert(&worker, 1).await.unwrap();
    }

    /// The first read is held up; what is asked and written meanwhile must show in the second.
    #[tokio::test]
    async fn a_read_sees_all_that_was_written_before_it_was_asked_for() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("registry.sqlite");
        database::create(&path).unwrap();
        let mut connection = database::connect(&path).unwrap();
        database::prepare(&mut connection).unwrap();
        connection.execute_batch("CREATE TABLE t (n)").unwrap();
        let reader = Worker::start(Role::Reader, database::connect(&path).unwrap()).unwrap();

        let (written, is_written) = std::sync::mpsc::channel();
        let first = reader.run(move |_| {
            is_written.recv().unwrap();
            Ok(())
        });
        let second = async {
            connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
            let counted = count(&reader);
            let release = async { written.send(()).unwrap() };
            tokio::join!(counted, release).0
        };
        let (_, counted) = tokio::join!(first, second);
        assert_eq!(counted, 1);
    }
}
