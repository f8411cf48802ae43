//! A thread that owns a connection and runs jobs on it, several jobs in each transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::database;
use super::error::SqliteError;
use crate::registry::error::RegistryError;

/// The most jobs in the queue. If the queue is full, a request waits for a place until its
/// deadline.
const QUEUED_JOBS: usize = 1024;
/// The most writes in one transaction. The bound keeps the first job from waiting long for the
/// last.
const WRITES_PER_TRANSACTION: usize = 128;

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

    /// The most jobs in one transaction. A reader's transaction sees only what was committed before
    /// the transaction began. A later job must see later commits, so it gets its own transaction.
    const fn jobs_per_transaction(self) -> usize {
        match self {
            Self::Reader => 1,
            Self::Writer => WRITES_PER_TRANSACTION,
        }
    }

    const fn thread_name(self) -> &'static str {
        match self {
            Self::Reader => "registry-reader",
            Self::Writer => "registry-writer",
        }
    }
}

/// Work for the connection. The job gets an error if there is no transaction.
type Job = Box<dyn FnOnce(Result<&Connection, &SqliteError>) -> JobOutcome + Send>;

/// The outcome of a job: whether to commit its changes, and how to answer its caller.
struct JobOutcome {
    commit: bool,
    reply: Reply,
}

/// Answers the caller of a job after the transaction has ended.
type Reply = Box<dyn FnOnce(Result<(), &SqliteError>) + Send>;

/// The handle of the thread. The thread ends when the handle is dropped.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Starts a thread that owns the connection and lives as long as this value.
    pub(super) fn start(role: Role, mut connection: Connection) -> Result<Self, SqliteError> {
        let (sender, mut jobs) = mpsc::channel(QUEUED_JOBS);
        let work = move || {
            while let Some(first) = jobs.blocking_recv() {
                let run = || run_transaction(&mut connection, role, first, &mut jobs);
                // Unwinding has rolled the transaction back and dropped the replies, so every
                // caller of the transaction gets an error.
                if catch_unwind(AssertUnwindSafe(run)).is_err() {
                    error!("a job of the registry panicked");
                }
            }
        };
        thread::Builder::new()
            .name(role.thread_name().to_owned())
            .spawn(work)
            .map_err(|error| SqliteError::File(error.kind()))?;
        Ok(Self { jobs: sender })
    }

    /// Runs `work` in a transaction, wholly or not at all. Returns after the commit.
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
            let commit = outcome.is_ok();
            let reply = move |committed: Result<(), &SqliteError>| {
                let committed = committed.map_err(|error| error.clone().into());
                // The caller may have given up.
                let _ = answer.send(outcome.and_then(|value| committed.map(|()| value)));
            };
            JobOutcome { commit, reply: Box::new(reply) }
        };
        self.jobs.send(Box::new(job)).await.map_err(|_| SqliteError::Stopped)?;
        answered.await.map_err(|_| SqliteError::Stopped)?
    }
}

/// Runs the first job and the waiting jobs in one transaction.
fn run_transaction(
    connection: &mut Connection,
    role: Role,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
) {
    let mut outcomes = Vec::new();
    let mut next = Some(first);
    let outcome = begin(connection, role).and_then(|mut transaction| {
        while let Some(job) = next.take() {
            outcomes.push(run_in_savepoint(&mut transaction, job));
            // Some failures, such as a full disk, end the transaction. A later job would then run
            // outside of any transaction.
            if outcomes.len() < role.jobs_per_transaction() && !transaction.is_autocommit() {
                next = jobs.try_recv().ok();
            }
        }
        Ok(transaction.commit()?)
    });
    if let (Some(job), Err(error)) = (next, &outcome) {
        outcomes.push(job(Err(error)));
    }
    for job in outcomes {
        (job.reply)(outcome.as_ref().copied());
    }
}

fn begin(connection: &mut Connection, role: Role) -> Result<Transaction<'_>, SqliteError> {
    let transaction = connection.transaction_with_behavior(role.behavior())?;
    database::check(&transaction)?;
    Ok(transaction)
}

/// Runs a job in a savepoint, so that the job can be undone without the other jobs.
fn run_in_savepoint(transaction: &mut Transaction<'_>, job: Job) -> JobOutcome {
    let savepoint = match transaction.savepoint() {
        Ok(savepoint) => savepoint,
        Err(error) => return job(Err(&error.into())),
    };
    let outcome = job(Ok(&savepoint));
    if outcome.commit {
        // If the savepoint cannot be released, the transaction cannot be committed either.
        let _ = savepoint.commit();
    }
    outcome
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
    async fn a_failed_job_does_not_undo_other_jobs() {
        let worker = worker();
        let (good, bad, better) =
            tokio::join!(insert(&worker, 1), insert(&worker, 100), insert(&worker, 2));
        assert_eq!((good.unwrap(), better.unwrap()), (1, 1));
        assert_eq!(bad.unwrap_err().reason(), "registry_unavailable");
        assert_eq!(count(&worker).await, 2);
    }

    #[tokio::test]
    async fn a_failed_job_is_undone_wholly() {
        let worker = worker();
        let half = worker.run(|db| {
            db.execute("INSERT INTO t VALUES (1)", ())?;
            Ok(db.execute("INSERT INTO t VALUES (100)", ())?)
        });
        assert!(half.await.is_err());
        assert_eq!(count(&worker).await, 0);
    }

    #[tokio::test]
    async fn a_job_that_ends_the_transaction_fails() {
        let worker = worker();
        let ended = worker.run(|db| {
            db.execute("INSERT INTO t VALUES (1)", ())?;
            Ok(db.execute_batch("ROLLBACK")?)
        });
        assert!(ended.await.is_err());
        assert_eq!(count(&worker).await, 0);
        insert(&worker, 1).await.unwrap();
    }

    /// Both jobs wait for a third job and therefore could share a transaction.
    #[tokio::test]
    async fn a_job_after_an_ended_transaction_gets_a_new_transaction() {
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
    async fn a_panic_ends_one_transaction() {
        let worker = worker();
        let panicked = worker.run::<()>(|db| {
            db.execute("INSERT INTO t VALUES (1)", ())?;
            panic!("the test panics on purpose")
        });
        assert_eq!(panicked.await.unwrap_err().reason(), "registry_unavailable");
        insert(&worker, 1).await.unwrap();
    }

    /// The first read is delayed. A row that is written in the meantime must show in the second
    /// read.
    #[tokio::test]
    async fn a_read_sees_every_earlier_commit() {
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
