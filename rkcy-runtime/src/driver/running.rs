//! A platform at work in this process: log, workers, storage, client.

use super::answers::Answers;
use super::process::{Event, Process, ProcessError, Turns};
use super::storage::{StorageError, StorageTask};
use super::submit::{self, Client};
use super::watchdog::{Watch, Watchdog};
use crate::codegen::{Platform, PlatformDesc};
use crate::log::embedded::{self, EmbeddedLog, Fsync, Recovered};
use crate::log::{Log, LogChoice, LogError, StreamId};
use crate::store::{self, Store, StoreChoice, StoreError};
use bytes::Bytes;
use crossbeam_channel::RecvTimeoutError;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::frame::{Body, Finished, Frame};
use rkcy_core::id::{PartitionId, TxnId};
use rkcy_core::logic::Logic;
use rkcy_core::settings::Settings;
use rkcy_core::storage::Storage;
use rkcy_core::worker::{Config, Stop, TakeOver, Worker};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// How a platform is run in one process.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log.
    pub log: LogChoice,
    /// The database.
    pub store: StoreChoice,
    /// Name of the environment; a log belongs to one.
    pub env: String,
    /// Partitions of every root concern, where the log is new; else what it was made with.
    pub partitions: Option<u16>,
    /// When an append counts as durable.
    pub fsync: Fsync,
    /// Bounds that decide outcomes.
    pub settings: Settings,
    /// Set the clocks of the partitions to the machine's, also backwards, for a log that was written
    /// while the machine's clock was ahead. It asserts that no caller still repeats ids made meanwhile:
    /// once the clock comes to their stamps, they would be taken anew. Not for every start.
    pub accept_clock: bool,
    /// Bound of the rows in memory, for all partitions together. Bytes.
    pub cache_bytes: usize,
    /// Worker threads.
    pub threads: usize,
    /// A handler that has not come back for so long ends the process, with exit code 3; zero: never.
    pub watchdog: Duration,
}

impl Default for Options {
    fn default() -> Options {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Options {
            log: LogChoice::Embedded(PathBuf::from("data/log")),
            store: StoreChoice::Sqlite(PathBuf::from("data/platform.db")),
            env: "dev".to_owned(),
            partitions: None,
            fsync: Fsync::Always,
            settings: Settings::default(),
            accept_clock: false,
            cache_bytes: 256 << 20,
            // The log's two threads and storage want a core as well.
            threads: cores.div_ceil(2),
            watchdog: Duration::from_secs(30),
        }
    }
}

/// Bytes of one record; far below a segment of the log.
const RECORD_BYTES: usize = 4 << 20;

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
    client: Client,
    recovered: Option<Recovered>,
    partitions: u16,
    rows_stored: Arc<AtomicU64>,
    failure: Arc<Failure>,
    store: Arc<dyn Store>,
    /// What is at work; taken out when it ends.
    engine: Option<Engine>,
}

/// The threads of a platform, and what they work with.
struct Engine {
    processes: Vec<Thread>,
    watchdog: Watchdog,
    submitter: JoinHandle<()>,
    storage: tokio::task::JoinHandle<Result<(), StorageError>>,
    /// Closed when the storage task is gone, however it ended.
    storage_ended: crossbeam_channel::Receiver<()>,
    finish: Arc<AtomicBool>,
    halt: Arc<AtomicBool>,
    wake: Arc<Notify>,
    log: Arc<EmbeddedLog>,
    runtime: tokio::runtime::Runtime,
}

/// Bytes of an audit that are read at a time.
const AUDIT_BYTES: usize = 1 << 20;

/// How one transaction ended, as the audit of a partition tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Number within the partition, dense from 1.
    pub number: u64,
    /// The transaction.
    pub txn: TxnId,
    /// How it ended.
    pub finished: Finished,
}

/// A worker thread, and how it is told.
type Thread = (JoinHandle<()>, crossbeam_channel::Sender<Event>);

/// Stack of a worker thread, on which handlers run. Bytes.
const STACK: usize = 8 << 20;
/// What a platform that is dropped waits at most for its storage: a write to a database that hangs is
/// given up.
const LAST_WRITE: Duration = Duration::from_secs(10);
/// Pause between two looks at threads that are to end.
const LOOK: Duration = Duration::from_millis(2);

/// The first thing that failed.
struct Failure {
    first: OnceLock<Fault>,
    notify: Notify,
    answers: Arc<Answers>,
}

impl Failure {
    fn set(&self, fault: Fault) {
        let reason = fault.to_string();
        // Only the first is the cause; what follows it are consequences.
        let _ = self.first.set(fault);
        self.answers.give_up(&reason);
        self.notify.notify_waiters();
    }
}

/// Tells of a thread or task that ends in a panic: whoever waits for it would wait for ever.
struct Watched(Arc<Failure>);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set(panicked());
        }
    }
}

impl Running {
    /// Opens log and database, brings the database's schema up, takes over every partition, and waits
    /// until each has applied what the log holds for it.
    ///
    /// # Errors
    /// A fault that says what, where, and what to do.
    pub fn start(platform: &Platform, options: &Options) -> Result<Running, StartError> {
        Running::start_on(platform, options, embedded::Options::default())
    }

    /// The same on a log with these options, but for `fsync`, which `options` say; its clock is also that
    /// of the workers. Tests bring a disk or a clock of their own.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub fn start_on(
        platform: &Platform,
        options: &Options,
        log_options: embedded::Options,
    ) -> Result<Running, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("storage")
            .enable_all()
            .build()
            .map_err(|error| Fault::new(Class::Unavailable, "no_threads", error.to_string()))?;
        let log_options = embedded::Options {
            fsync: options.fsync,
            ..log_options
        };
        let clock = Arc::clone(&log_options.clock);
        let LogChoice::Embedded(dir) = &options.log else {
            return Err(not_yet(&options.log));
        };
        let (log, recovered) = EmbeddedLog::open(dir, log_options).map_err(log_fault)?;
        let log = Arc::new(log);
        let Description { partitions, log_id } = describe(&*log, platform.desc, options)?;
        let store = runtime.block_on(open_store(platform.desc, options, &log_id))?;
        let logic = (platform.logic)(partitions);
        let answers = Arc::new(Answers::new());
        let failure = Arc::new(Failure {
            first: OnceLock::new(),
            notify: Notify::new(),
            answers: answers.clone(),
        });

        let ids: Vec<PartitionId> = (platform.desc.roots())
            .flat_map(|concern| {
                (0..partitions).map(|index| PartitionId {
                    concern: concern.id,
                    index,
                })
            })
            .collect();
        let threads = options.threads.clamp(1, ids.len().max(1));
        let channels: Vec<_> = (0..threads)
            .map(|_| crossbeam_channel::unbounded::<Event>())
            .collect();
        let cache = options.cache_bytes / ids.len().max(1);
        let mut groups: Vec<Vec<Worker>> = (0..threads).map(|_| Vec::new()).collect();
        let (mut stored, mut careful) = (Vec::new(), false);
        for (nth, id) in ids.iter().enumerate() {
            let position = runtime.block_on(store.position(*id)).map_err(Fault::from)?;
            let config = Config {
                partition: *id,
                generation: 0,
                owner: uuid::Uuid::new_v4().as_u64_pair().0,
                build: platform.desc.schema,
                atomic: log.is_atomic(),
                accept_clock: options.accept_clock,
                settings: options.settings.clone(),
                cache_bytes: cache,
                record_bytes: RECORD_BYTES,
            };
            let worker = take_over(&*log, config, position, Arc::clone(&logic))?;
            let thread = nth % threads;
            careful |= worker.is_careful();
            groups[thread].push(worker);
            stored.push((
                *id,
                Storage::new(position, logic.schema()),
                channels[thread].0.clone(),
            ));
        }
        open_all(&*log, groups.iter_mut().flatten())?;

        if careful {
            eprintln!(
                "warning: the starts before have ended on the way: what the log holds is applied one by one, \
                 and a handler that ends this process again is given up"
            );
            let all = groups.iter_mut().flatten();
            all.for_each(Worker::be_careful);
        }
        let turns = Turns::of(threads).into_iter();
        let turns = turns.map(|turns| careful.then_some(turns));
        let mut watches = Vec::new();
        let mut ready = Vec::new();
        let processes = (groups.into_iter().zip(channels).zip(turns))
            .map(|((workers, channel), turns)| {
                let watch = Arc::new(Watch::default());
                watches.push(Arc::clone(&watch));
                let sender = channel.0.clone();
                let (owning, owns) = oneshot::channel();
                ready.push(owns);
                let handle = runtime.handle().clone();
                let process = Process::new(
                    workers,
                    (log.clone(), Arc::clone(&clock)),
                    store.clone(),
                    handle,
                    (answers.clone(), owning),
                    channel,
                    (turns, watch),
                );
                let failure = Arc::clone(&failure);
                let thread = spawn("process", STACK, move || {
                    let _watched = Watched(Arc::clone(&failure));
                    if let Err(error) = process.run() {
                        failure.set(process_fault(error));
                    }
                });
                thread.map(|thread| (thread, sender))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        let watchdog = Watchdog::start(watches, options.watchdog)?;

        let wake = Arc::new(Notify::new());
        let (finish, halt) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let rows_stored = Arc::new(AtomicU64::new(0));
        let task = StorageTask {
            written: vec![Instant::now(); stored.len()],
            partitions: stored,
            log: log.clone(),
            store: store.clone(),
            wake: wake.clone(),
            finish: finish.clone(),
            halt: halt.clone(),
            rows: rows_stored.clone(),
        };
        let storage_failure = Arc::clone(&failure);
        let (alive, storage_ended) = crossbeam_channel::bounded(0);
        let storage = runtime.spawn(async move {
            // The first here, so the last to go.
            let _alive: crossbeam_channel::Sender<()> = alive;
            let _watched = Watched(Arc::clone(&storage_failure));
            let ended = task.run().await;
            if let Err(error) = &ended {
                storage_failure.set(storage_fault(error));
            }
            ended
        });

        let (sender, submissions) = crossbeam_channel::unbounded();
        let client = Client::new(logic, Arc::clone(&answers), sender, &ids);
        let submit_log = Arc::clone(&log);
        let submit_failure = Arc::clone(&failure);
        let submitter = spawn("submitter", STACK, move || {
            let _watched = Watched(Arc::clone(&submit_failure));
            let failed: submit::Failed =
                Arc::new(move |error| submit_failure.set(log_fault(error)));
            submit::run(&submissions, &*submit_log, &answers, RECORD_BYTES, &failed);
        })?;
        let running = Running {
            client,
            recovered,
            partitions,
            rows_stored,
            failure,
            store,
            engine: Some(Engine {
                processes,
                watchdog,
                submitter,
                storage,
                storage_ended,
                finish,
                halt,
                wake,
                log,
                runtime,
            }),
        };
        running.opened(ready)?;
        Ok(running)
    }

    /// Waits until every worker thread has come to the Opens of its partitions.
    fn opened(&self, ready: Vec<oneshot::Receiver<()>>) -> Result<(), Fault> {
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

    /// What the audit of a partition tells, in the order in which it was decided there. A crash may have
    /// left something twice: it has the same number, and is told once.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn audit(&self, of: PartitionId, mut each: impl FnMut(Told)) -> Result<(), Fault> {
        let stream = StreamId::commands(of.audit());
        let Some(Engine { log, .. }) = &self.engine else {
            return Ok(());
        };
        let kept = log.bounds(stream).map_err(log_fault)?;
        let (mut next, mut last) = (kept.start, 0);
        while next < kept.end {
            let records = log.read(stream, next, AUDIT_BYTES).map_err(log_fault)?;
            if records.is_empty() {
                break;
            }
            for record in records {
                next = record.offset + 1;
                let frame = Frame::decode(record.payload)?;
                let first = frame.source.map_or(0, |source| source.first);
                for (number, envelope) in (first..).zip(frame.envelopes) {
                    if number <= last {
                        continue;
                    }
                    last = number;
                    if let Body::Finished(finished) =
                        Body::decode(envelope.head.kind, envelope.body).map_err(Fault::from)?
                    {
                        each(Told {
                            number,
                            txn: envelope.head.txn,
                            finished,
                        });
                    }
                }
            }
        }
        Ok(())
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

    /// The database, for reading.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Rows written to the database since the start.
    #[must_use]
    pub fn rows_stored(&self) -> u64 {
        self.rows_stored.load(Ordering::Relaxed)
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
        for (_, sender) in &engine.processes {
            // A thread that has ended needs no telling.
            let _ = sender.send(Event::Drain);
        }
        ended = ended.and(drained(engine.processes, &engine.storage));
        drop(engine.watchdog);
        engine.finish.store(true, Ordering::Release);
        engine.wake.notify_one();
        let stored = engine.runtime.block_on(engine.storage);
        ended = ended.and(match stored {
            Ok(result) => result.map_err(|error| storage_fault(&error)),
            Err(error) => Err(Fault::new(
                Class::Unavailable,
                "storage_failed",
                error.to_string(),
            )),
        });
        engine.runtime.block_on(self.store.close());
        self.failure.answers.give_up("the platform has stopped");
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
        engine.halt.store(true, Ordering::Release);
        engine.finish.store(true, Ordering::Release);
        engine.wake.notify_one();
        for (_, sender) in &engine.processes {
            let _ = sender.send(Event::Halt);
        }
        let processes = engine.processes.into_iter().map(|(thread, _)| thread);
        for thread in processes.chain([engine.submitter]) {
            // A panic in there was reported.
            let _ = thread.join();
        }
        drop(engine.watchdog);
        self.failure.answers.give_up("the platform has stopped");
        if let Err(RecvTimeoutError::Timeout) = engine.storage_ended.recv_timeout(LAST_WRITE) {
            engine.storage.abort();
        }
        // Allowed also where one must not wait: in another runtime's task.
        engine.runtime.shutdown_background();
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
fn drained(
    threads: Vec<Thread>,
    storage: &tokio::task::JoinHandle<Result<(), StorageError>>,
) -> Result<(), Fault> {
    let mut ended = Ok(());
    for (thread, sender) in threads {
        while !thread.is_finished() {
            if storage.is_finished() {
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

async fn open_store(
    desc: &PlatformDesc,
    options: &Options,
    log_id: &str,
) -> Result<Arc<dyn Store>, Fault> {
    let store = store::open(&options.store, desc.tables()).await?;
    let migrations = desc.migrations(store.dialect());
    store::begin(&*store, migrations).await?;
    store.check(migrations).await?;
    store.bind_log(log_id).await?;
    Ok(store)
}

/// Where this build cannot run yet.
fn not_yet(place: &impl std::fmt::Display) -> Fault {
    let message = format!("{place} is not supported yet in this build");
    Fault::new(Class::Invalid, "not_supported", message)
}

/// What the platform's own stream says.
struct Description {
    partitions: u16,
    /// Drawn when the log was begun; the database beside it remembers it.
    log_id: String,
}

/// Reads the platform's own stream, or begins it.
fn describe(log: &dyn Log, desc: &PlatformDesc, options: &Options) -> Result<Description, Fault> {
    let records = log
        .read(StreamId::PLATFORM, 0, 1 << 16)
        .map_err(log_fault)?;
    let Some(first) = records.first() else {
        let partitions = options.partitions.unwrap_or(desc.partitions).max(1);
        let log_id = uuid::Uuid::new_v4().to_string();
        let record = serde_json::json!({
            "platform": desc.name,
            "env": options.env,
            "partitions": partitions,
            "log": log_id,
        });
        append(
            log,
            vec![(StreamId::PLATFORM, Bytes::from(record.to_string()))],
        )?;
        // The database will know this log by its id.
        persist(log)?;
        return Ok(Description { partitions, log_id });
    };
    let foreign = |what: String| {
        let message = format!("the log {}: {what}", options.log);
        Fault::new(Class::Unavailable, "foreign_log", message)
    };
    let record: serde_json::Value = serde_json::from_slice(&first.payload)
        .map_err(|error| foreign(format!("its description cannot be read: {error}")))?;
    for (name, own) in [("platform", desc.name), ("env", options.env.as_str())] {
        if record[name] != own {
            return Err(foreign(format!(
                "it belongs to the {name} {}, not to `{own}`",
                record[name]
            )));
        }
    }
    let partitions = record["partitions"]
        .as_u64()
        .and_then(|count| u16::try_from(count).ok());
    let partitions = partitions
        .filter(|count| *count > 0)
        .ok_or_else(|| foreign("it does not say how many partitions it has".to_owned()))?;
    match options.partitions.filter(|asked| *asked != partitions) {
        Some(asked) => Err(foreign(format!(
            "it has {partitions} partitions, not {asked}"
        ))),
        None => {
            let log_id = record["log"].as_str().map(str::to_owned);
            let log_id = log_id.ok_or_else(|| foreign("it does not say which log it is".into()))?;
            Ok(Description { partitions, log_id })
        }
    }
}

/// Folds the changelog of a partition, and looks ahead in its command log.
fn take_over(
    log: &dyn Log,
    config: Config,
    stored: rkcy_core::storage::StoredPosition,
    logic: Arc<dyn Logic>,
) -> Result<Worker, Fault> {
    let partition = config.partition;
    let stream = StreamId::changes(partition);
    let mut take_over = TakeOver::new(config, stored);
    loop {
        let records = log
            .read(stream, take_over.next_offset(), 4 << 20)
            .map_err(log_fault)?;
        if records.is_empty() {
            break;
        }
        for record in records {
            take_over.fold(record.payload).map_err(stop_fault)?;
        }
    }
    let mut worker = take_over.finish(logic).map_err(stop_fault)?;
    let held = log
        .bounds(StreamId::commands(partition))
        .map_err(log_fault)?;
    let needed = worker.next_offset();
    if needed < held.start || needed > held.end {
        let held = format!("offsets {}..{}", held.start, held.end);
        return Err(stop_fault(Stop::LogGap {
            partition,
            needed,
            held,
        }));
    }
    let mut ahead = worker.look_ahead();
    while ahead.next_offset() < held.end {
        let stream = StreamId::commands(partition);
        let records = log
            .read(stream, ahead.next_offset(), 4 << 20)
            .map_err(log_fault)?;
        if records.is_empty() {
            break;
        }
        for record in records {
            ahead.take(record.payload);
        }
    }
    worker.looked(ahead);
    Ok(worker)
}

/// Appends the Open of every worker.
fn open_all<'a>(log: &dyn Log, workers: impl Iterator<Item = &'a mut Worker>) -> Result<(), Fault> {
    let mut workers: Vec<&mut Worker> = workers.collect();
    let opens = workers.iter().map(|worker| {
        let partition = worker.partition().id();
        (StreamId::commands(partition), worker.open())
    });
    let offsets = append(log, opens.collect())?;
    for (worker, offset) in workers.iter_mut().zip(offsets) {
        worker.opened(offset);
    }
    Ok(())
}

/// Appends, and waits until it is durable.
fn append(log: &dyn Log, batch: Vec<(StreamId, Bytes)>) -> Result<Vec<u64>, Fault> {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    log.append(
        batch,
        Box::new(move |result| {
            // This function waits for it, below.
            let _ = sender
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .send(result);
        }),
    );
    match receiver.recv() {
        Ok(result) => result.map_err(log_fault),
        Err(_) => Err(Fault::new(
            Class::Unavailable,
            "log_closed",
            "the log was closed",
        )),
    }
}

/// Waits until all that can be read now survives a power loss.
fn persist(log: &dyn Log) -> Result<(), Fault> {
    let (sender, persisted) = mpsc::channel();
    // This function waits for it.
    log.persist(Box::new(move |result| drop(sender.send(result))));
    let result = persisted.recv().unwrap_or(Err(LogError::Closed));
    result.map_err(log_fault)
}

fn spawn(
    name: &str,
    stack: usize,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Fault> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(stack)
        .spawn(run)
        .map_err(|error| Fault::new(Class::Unavailable, "no_threads", error.to_string()))
}

fn join(thread: JoinHandle<()>) -> Result<(), Fault> {
    thread.join().map_err(|_| panicked())
}

fn panicked() -> Fault {
    let message = "a thread of the engine panicked; see the message above";
    Fault::new(Class::Corrupt, "internal_error", message)
}

pub(crate) fn log_fault(error: LogError) -> Fault {
    let class = if error.exit_code() == 2 {
        Class::Invalid
    } else {
        Class::Unavailable
    };
    Fault::new(class, error.code(), format!("{error}; {}", error.remedy()))
}

fn stop_fault(stop: Stop) -> Fault {
    let (class, code) = match &stop {
        Stop::ForeignBuild { .. } => (Class::Unavailable, "foreign_build"),
        Stop::ClockAhead { .. } | Stop::ClockRefused { .. } => (Class::Unavailable, "clock_ahead"),
        Stop::Overtaken { .. } => (Class::Unavailable, "overtaken"),
        Stop::Sealed { .. } => (Class::Unavailable, "sealed"),
        Stop::Unreadable { .. } => (Class::Corrupt, "unreadable"),
        Stop::Diverged { .. } => (Class::Corrupt, "diverged"),
        Stop::LogGap { .. } => (Class::Corrupt, "log_gap"),
    };
    Fault::new(class, code, stop.to_string())
}

fn process_fault(error: ProcessError) -> Fault {
    match error {
        ProcessError::Log(error) => log_fault(error),
        ProcessError::Stop(stop) => stop_fault(stop),
    }
}

fn storage_fault(error: &StorageError) -> Fault {
    match error {
        StorageError::Log(error) => log_fault(error.clone()),
        StorageError::Store(error) => StoreError::into(error.clone()),
        StorageError::Stop(stop) => Fault::new(Class::Corrupt, "storage_stopped", stop.to_string()),
    }
}
