//! A platform at work in this process: its client, and the way to its end.

use super::answers::Answers;
use super::audit::{Audit, Edited, Told, read_kept};
use super::configs;
use super::faults::{panicked, storage_fault};
use super::process::Event;
use super::reply::Close;
use super::storage::StorageError;
use super::submit::Client;
use super::tail::Tail;
use super::tenancy::Notice;
use super::watchdog::Watchdog;
use crate::codegen::ConfigDesc;
use crate::log::embedded::Recovered;
use crate::log::group::Member;
use crate::log::{Log, StreamId};
use crate::store::Store;
use bytes::Bytes;
use crossbeam_channel::{RecvTimeoutError, Sender};
use rkcy_core::config::{Edit, Kept, Topic};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;
use rkcy_core::key::Key;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Why a platform did not start. It is the project's one layout of errors.
pub type StartError = Fault;

/// A platform at work.
///
/// [`Running::stop`] ends it in good order. Dropping it instead ends it as a crash would, but for its
/// threads and files: it waits for its threads, which finish the application, and the write to the database,
/// that they are at; who still waits for an answer hears that the outcome is unknown; what was
/// handed to the log is written, and the directory may be opened again. Nothing is sealed, and the
/// database may be behind: the next start goes on from the log.
pub struct Running {
    pub(super) client: Client,
    pub(super) recovered: Option<Recovered>,
    pub(super) partitions: u16,
    pub(super) rows_stored: Arc<AtomicU64>,
    pub(super) failure: Arc<Failure>,
    /// Reads the audits for those who listen.
    pub(super) tail: Tail,
    /// The database, where this process has to do with it.
    pub(super) store: Option<Arc<dyn Store>>,
    /// What is at work; taken out when it ends.
    pub(super) engine: Option<Engine>,
}

/// The threads of a platform, and what they work with.
pub(super) struct Engine {
    pub(super) processes: Vec<Thread>,
    pub(super) watchdog: Watchdog,
    pub(super) submitter: JoinHandle<()>,
    /// Reads answers, where they come through the log.
    pub(super) mailbox: Option<(JoinHandle<()>, Close)>,
    /// Between the group and the worker threads, on a log that several processes share.
    pub(super) landlord: Option<(JoinHandle<()>, Sender<Notice>)>,
    /// Membership among the workers,
    pub(super) as_process: Option<Box<dyn Member>>,
    /// and among the storage tasks.
    pub(super) as_storage: Option<Box<dyn Member>>,
    pub(super) storage: Option<StorageThread>,
    pub(super) log: Arc<dyn Log>,
    pub(super) runtime: tokio::runtime::Runtime,
}

/// The storage task, and how it is told.
pub(super) struct StorageThread {
    pub(super) task: tokio::task::JoinHandle<Result<(), StorageError>>,
    /// Closed when the task is gone, however it ended.
    pub(super) ended: crossbeam_channel::Receiver<()>,
    pub(super) finish: Arc<AtomicBool>,
    pub(super) halt: Arc<AtomicBool>,
    pub(super) wake: Arc<Notify>,
}

/// A worker thread, and how it is told.
pub(super) type Thread = (JoinHandle<()>, Sender<Event>);

/// Nobody stops who reads an audit by himself.
static GO_ON: AtomicBool = AtomicBool::new(false);

/// What a platform that is dropped waits at most for its storage: a write to a database that hangs is
/// given up.
const LAST_WRITE: Duration = Duration::from_secs(10);
/// Pause between two looks at threads that are to end.
const LOOK: Duration = Duration::from_millis(2);

/// The first thing that failed.
pub(super) struct Failure {
    first: OnceLock<Fault>,
    notify: Notify,
    answers: Arc<Answers>,
}

impl Failure {
    /// Nothing has failed yet; `answers` are given up where something does.
    pub(super) fn new(answers: Arc<Answers>) -> Arc<Failure> {
        Arc::new(Failure {
            first: OnceLock::new(),
            notify: Notify::new(),
            answers,
        })
    }

    pub(super) fn set(&self, fault: Fault) {
        let reason = fault.to_string();
        // Only the first is the cause; what follows it are consequences.
        let _ = self.first.set(fault);
        self.answers.give_up(&reason);
        self.notify.notify_waiters();
    }
}

/// Tells of a thread or task that ends in a panic: whoever waits for it would wait for ever.
pub(super) struct Watched(pub(super) Arc<Failure>);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set(panicked());
        }
    }
}

impl Running {
    /// Waits until every worker thread has come to the Opens of its partitions.
    pub(super) fn opened(&self, ready: Vec<oneshot::Receiver<()>>) -> Result<(), Fault> {
        let all = async {
            for thread in ready {
                if thread.await.is_err() {
                    // It has failed, and is about to say so.
                    std::future::pending::<()>().await;
                }
            }
        };
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        engine.runtime.block_on(async {
            tokio::select! {
                fault = self.failed() => Err(fault),
                () = all => Ok(()),
            }
        })
    }

    /// Calls transactions of this platform.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What a crash had left at the end of the log, and was dropped.
    #[must_use]
    pub fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref()
    }

    /// What the audit of a partition tells, in the order in which it was decided there.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn audit(&self, of: PartitionId, mut each: impl FnMut(Told)) -> Result<(), Fault> {
        let Some(Engine { log, .. }) = &self.engine else {
            return Ok(());
        };
        let mut audit = Audit::default();
        let read = read_kept(&**log, of, &GO_ON, |record| audit.read(record, &mut each));
        log.leave(&[StreamId::commands(of.audit())]);
        read.map(drop)
    }

    /// The configuration, as its topic has it now: who has edited what, removed objects included.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn configs(&self) -> Result<Topic, Fault> {
        match &self.engine {
            Some(engine) => configs::read_all(&*engine.log),
            None => Ok(Topic::default()),
        }
    }

    /// Edits an object of configuration: `value` tells what it becomes (`None` is removed) by what it is, or breaks off.
    /// Gives its version then, once the edit is durable; the partitions hear of it a little later, each for itself.
    ///
    /// # Errors
    /// `changed_meanwhile`, a refusal, where another edit of the object came first; `required`, one too, where its config
    /// cannot be removed; `too_large` and `config_full`; what `value` or the log says.
    pub fn edit_config(
        &self,
        config: &ConfigDesc,
        key: Key,
        by: &str,
        mut value: impl FnMut(Option<&Kept>) -> Result<ControlFlow<(), Option<Bytes>>, Fault>,
    ) -> Result<Option<u64>, Fault> {
        let (Some(engine), Some(first)) = (&self.engine, self.all_partitions().first().copied())
        else {
            return Ok(None);
        };
        let object = config.object(key);
        let text = config.object_text(&object);
        let mut checked = |kept: Option<&Kept>| match value(kept)? {
            ControlFlow::Continue(None) if config.required => {
                let message = format!(
                    "{text} cannot be removed: the schema has a reference to {} that is never absent",
                    config.name
                );
                Err(Fault::refusal("required", message))
            }
            other => Ok(other),
        };
        let wish = configs::Wish {
            object,
            by,
            value: &mut checked,
            audit: first,
        };
        configs::edit(&*engine.log, wish)
    }

    /// The edits of configuration that are still known, in the order in which they were made: the last thousand or so on a log
    /// of one process, else what the audit has kept.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn edits(&self, mut each: impl FnMut(Edited)) -> Result<(), Fault> {
        let (Some(engine), Some(first)) = (&self.engine, self.all_partitions().first().copied())
        else {
            return Ok(());
        };
        if engine.log.is_atomic() {
            for edit in configs::read_edits(&*engine.log)?.1 {
                let at = edit.restates.map_or(0, |(_, at)| at);
                each(Edited { edit, at });
            }
            return Ok(());
        }
        let read = read_kept(&*engine.log, first, &GO_ON, |record| {
            if let Some(edit) = Edit::of_frame(record.payload) {
                let at = record.stamp;
                each(Edited { edit, at });
            }
            Ok(())
        });
        engine.log.leave(&[StreamId::commands(first.audit())]);
        read.map(drop)
    }

    /// The partitions of all root concerns.
    #[must_use]
    pub fn all_partitions(&self) -> Vec<PartitionId> {
        self.client.all_partitions()
    }

    /// Partitions of every root concern.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Rows written to the database since the start.
    #[must_use]
    pub fn rows_stored(&self) -> u64 {
        self.rows_stored.load(Ordering::Relaxed)
    }

    /// How transactions end, for those who listen while this is at work.
    pub(crate) fn tail(&self) -> Tail {
        self.tail.clone()
    }

    /// The same, for one who asks while this is at work.
    pub(crate) fn stored_rows(&self) -> Arc<AtomicU64> {
        self.rows_stored.clone()
    }

    /// Why the platform has stopped by itself, where it has.
    #[must_use]
    pub fn failure(&self) -> Option<Fault> {
        self.failure.first.get().cloned()
    }

    /// Waits until the platform stops by itself.
    pub async fn failed(&self) -> Fault {
        loop {
            let notified = self.failure.notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if let Some(fault) = self.failure() {
                return fault;
            }
            notified.await;
        }
    }

    /// Stops in good order: seals and applies what is in the log, writes everything to the database. Where
    /// a part of it has failed, the others still do.
    ///
    /// # Errors
    /// What failed first, on the way or before.
    pub fn stop(mut self) -> Result<(), Fault> {
        let Some(engine) = self.engine.take() else {
            return Ok(());
        };
        // Whatever was submitted until now stands before the Seals; who comes later hears that it is over.
        self.client.close();
        let mut ended = join(engine.submitter);
        match &engine.landlord {
            Some((_, landlord)) => drop(landlord.send(Notice::Drain)),
            None => {
                for (_, sender) in &engine.processes {
                    // A thread that has ended needs no telling.
                    let _ = sender.send(Event::Drain);
                }
            }
        }
        let storage_is_over = || {
            let task = engine.storage.as_ref().map(|storage| &storage.task);
            // Else somebody else's storage goes on.
            task.is_some_and(tokio::task::JoinHandle::is_finished)
        };
        ended = ended.and(drained(engine.processes, storage_is_over));
        if let Some((thread, landlord)) = engine.landlord {
            let _ = landlord.send(Notice::Halt);
            ended = ended.and(join(thread));
        }
        // What it had is sealed: others may have it.
        drop(engine.as_process);
        drop(engine.watchdog);
        if let Some(storage) = engine.storage {
            storage.finish.store(true, Ordering::Release);
            storage.wake.notify_one();
            let stored = engine.runtime.block_on(storage.task);
            ended = ended.and(match stored {
                Ok(result) => result.map_err(|error| storage_fault(&error)),
                Err(error) => Err(Fault::new(
                    Class::Unavailable,
                    "storage_failed",
                    error.to_string(),
                )),
            });
        }
        drop(engine.as_storage);
        if let Some(store) = self.store.take() {
            engine.runtime.block_on(store.close());
        }
        self.failure.answers.give_up("the platform has stopped");
        if let Some((thread, close)) = engine.mailbox {
            close.now();
            ended = ended.and(join(thread));
        }
        self.tail.close();
        // Nobody else has it any more: this closes it, and gives up its directory.
        drop(engine.log);
        match self.failure() {
            Some(first) => Err(first),
            None => ended,
        }
    }

    /// Ends what is at work, now.
    fn halt(&self, engine: Engine) {
        self.client.close();
        // Others may have its partitions at once.
        drop((engine.as_process, engine.as_storage));
        if let Some(storage) = &engine.storage {
            storage.halt.store(true, Ordering::Release);
            storage.finish.store(true, Ordering::Release);
            storage.wake.notify_one();
        }
        let landlord = engine.landlord.map(|(thread, landlord)| {
            let _ = landlord.send(Notice::Halt);
            thread
        });
        let mailbox = engine.mailbox.map(|(thread, close)| {
            close.now();
            thread
        });
        for (_, sender) in &engine.processes {
            let _ = sender.send(Event::Halt);
        }
        let processes = engine.processes.into_iter().map(|(thread, _)| thread);
        let others = [Some(engine.submitter), landlord, mailbox];
        for thread in processes.chain(others.into_iter().flatten()) {
            // A panic in there was reported.
            let _ = thread.join();
        }
        drop(engine.watchdog);
        self.failure.answers.give_up("the platform has stopped");
        if let Some(storage) = engine.storage
            && let Err(RecvTimeoutError::Timeout) = storage.ended.recv_timeout(LAST_WRITE)
        {
            storage.task.abort();
        }
        // Allowed also where one must not wait: in another runtime's task.
        engine.runtime.shutdown_background();
        self.tail.close();
        drop(engine.log);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.halt(engine);
        }
    }
}

/// Waits for worker threads that were told to drain. One whose rows are at their bound waits for storage,
/// and would for ever if that has ended.
fn drained(threads: Vec<Thread>, storage_is_over: impl Fn() -> bool) -> Result<(), Fault> {
    let mut ended = Ok(());
    for (thread, sender) in threads {
        while !thread.is_finished() {
            if storage_is_over() {
                let _ = sender.send(Event::Halt);
                break;
            }
            std::thread::sleep(LOOK);
        }
        ended = ended.and(join(thread));
    }
    ended
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

fn join(thread: JoinHandle<()>) -> Result<(), Fault> {
    thread.join().map_err(|_| panicked())
}
