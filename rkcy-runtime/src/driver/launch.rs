//! How a platform comes to work in this process.
//!
//! Owns the start: log, description, database, then either every partition at once, on a log of one process,
//! or membership in the groups of a log that several processes share.

use super::answers::Answers;
use super::configs::Configuration;
use super::describe::{Description, append, describe};
use super::faults::{log_fault, process_fault, storage_fault};
use super::gate::Gate;
use super::options::Options;
use super::process::{Event, Ground, Process, Turns};
use super::reply::Mailbox;
use super::running::{Engine, Failure, Running, StartError, StorageThread, Thread, Watched};
use super::storage::StorageTask;
use super::submit::{self, Client};
use super::tail::Tail;
use super::take_over;
use super::tenancy::{Landlord, Notice};
use super::topics::{find_platform, kafka_platform};
use super::watchdog::{Watch, Watchdog};
use crate::codegen::{Platform, PlatformDesc};
use crate::log::embedded::{self, EmbeddedLog, Recovered};
use crate::log::group::{Group, GroupId, Role};
use crate::log::kafka::{KafkaGroup, KafkaLog};
use crate::log::{Clock, Log, LogChoice, StreamId, wall_clock};
use crate::store::{self, Store};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;
use rkcy_core::logic::Logic;
use rkcy_core::storage::StoredPosition;
use rkcy_core::worker::{Config, Worker};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tokio::sync::{Notify, mpsc, oneshot};

/// Bytes of one record; far below a segment of the embedded log, and what Kafka's topics are made for.
pub(crate) const RECORD_BYTES: usize = 4 << 20;
/// Stack of a worker thread, on which handlers run. Bytes.
const STACK: usize = 8 << 20;

/// What a platform is run on, where that is not made out of [`Options`].
#[derive(Clone)]
pub struct Parts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Who has which partition, on a log that several processes share.
    pub group: Option<Arc<dyn Group>>,
    /// The time, for all that is decided by it.
    pub clock: Clock,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Running {
    /// Opens log and database, and takes over: on a log of one process every partition, and it waits until
    /// each has applied what the log holds for it; on a log that several processes share, what the group
    /// gives, whenever that is.
    ///
    /// # Errors
    /// A fault that says what, where, and what to do.
    pub fn start(platform: &Platform, options: &Options) -> Result<Running, StartError> {
        match &options.log {
            LogChoice::Embedded(_) => {
                Running::start_on(platform, options, embedded::Options::default())
            }
            LogChoice::Kafka(settings) => {
                let topics = kafka_platform(platform.desc, options);
                let topics = find_platform(settings, topics, options)?;
                // Its description must say the same.
                let options = &Options {
                    partitions: Some(topics.partitions),
                    ..options.clone()
                };
                let log = KafkaLog::open(settings, &topics).map_err(log_fault)?;
                let group = KafkaGroup::new(settings, &topics).map_err(log_fault)?;
                let parts = Parts {
                    log: Arc::new(log),
                    group: Some(Arc::new(group)),
                    clock: Arc::new(wall_clock),
                };
                Running::launch(platform, options, parts, None)
            }
        }
    }

    /// The same on an embedded log with these options, but for `fsync`, which `options` say; its clock is also
    /// that of the workers. Tests bring a disk or a clock of their own.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub fn start_on(
        platform: &Platform,
        options: &Options,
        log_options: embedded::Options,
    ) -> Result<Running, StartError> {
        let log_options = embedded::Options {
            fsync: options.fsync,
            ..log_options
        };
        let LogChoice::Embedded(dir) = &options.log else {
            let message = format!("{} is no embedded log", options.log);
            return Err(Fault::new(Class::Invalid, "wrong_log", message));
        };
        let clock = Arc::clone(&log_options.clock);
        let (log, recovered) = EmbeddedLog::open(dir, log_options).map_err(log_fault)?;
        let parts = Parts {
            log: Arc::new(log),
            group: None,
            clock,
        };
        Running::launch(platform, options, parts, recovered)
    }

    /// The same on a log that is open already; `options` name it in messages only.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub fn start_with(
        platform: &Platform,
        options: &Options,
        parts: Parts,
    ) -> Result<Running, StartError> {
        Running::launch(platform, options, parts, None)
    }

    fn launch(
        platform: &Platform,
        options: &Options,
        parts: Parts,
        recovered: Option<Recovered>,
    ) -> Result<Running, StartError> {
        let Parts { log, group, clock } = parts;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("storage")
            .enable_all()
            .build()
            .map_err(|error| Fault::new(Class::Unavailable, "no_threads", error.to_string()))?;
        let Description { partitions, log_id } = describe(&*log, platform.desc, options)?;
        let logic = (platform.logic)(partitions);
        let answers = Arc::new(Answers::new(mail_partition(&*log)));
        let configuration = match group.is_none() || options.has(Role::Process) {
            true => Configuration::new(&log, platform.desc).map_err(log_fault)?,
            false => None,
        };
        let base = Base {
            platform,
            options,
            ids: all_partitions(platform.desc, partitions),
            log,
            clock,
            logic,
            failure: Failure::new(Arc::clone(&answers)),
            answers,
            runtime,
            process: uuid::Uuid::new_v4().as_u64_pair().0,
            gate: Arc::default(),
            rows: Arc::default(),
            configuration,
        };
        let started = match group {
            None => base.together(&log_id)?,
            Some(group) => base.shared(&*group, &log_id)?,
        };
        let (client, submitter, mailbox) = base.submitter()?;
        let running = Running {
            client,
            recovered,
            partitions,
            rows_stored: base.rows,
            failure: base.failure,
            tail: Tail::new(&base.log, base.ids),
            store: started.store,
            engine: Some(Engine {
                processes: started.processes,
                watchdog: started.watchdog,
                submitter,
                mailbox,
                landlord: started.landlord,
                as_process: started.as_process,
                as_storage: started.as_storage,
                storage: started.storage,
                log: base.log,
                runtime: base.runtime,
            }),
        };
        running.opened(started.ready)?;
        Ok(running)
    }
}

/// The partitions of all root concerns.
pub(super) fn all_partitions(desc: &PlatformDesc, partitions: u16) -> Vec<PartitionId> {
    let of = |concern| (0..partitions).map(move |index| PartitionId { concern, index });
    desc.roots().flat_map(|root| of(root.id)).collect()
}

/// A partition of the response topic for this submitter, drawn at random; none where everybody is in this
/// process.
fn mail_partition(log: &dyn Log) -> Option<u16> {
    let partitions = u64::from(log.answer_partitions().max(1));
    let drawn = uuid::Uuid::new_v4().as_u64_pair().1 % partitions;
    (!log.is_atomic()).then(|| u16::try_from(drawn).unwrap_or(0))
}

/// What every start needs.
struct Base<'a> {
    platform: &'a Platform,
    options: &'a Options,
    ids: Vec<PartitionId>,
    log: Arc<dyn Log>,
    clock: Clock,
    logic: Arc<dyn Logic>,
    answers: Arc<Answers>,
    failure: Arc<Failure>,
    runtime: tokio::runtime::Runtime,
    /// What this process has drawn.
    process: u64,
    gate: Arc<Gate>,
    rows: Arc<AtomicU64>,
    configuration: Option<Arc<Configuration>>,
}

/// What a start has come to.
struct Started {
    processes: Vec<Thread>,
    ready: Vec<oneshot::Receiver<()>>,
    watchdog: Watchdog,
    landlord: Option<(JoinHandle<()>, crossbeam_channel::Sender<Notice>)>,
    as_process: Option<Box<dyn crate::log::group::Member>>,
    as_storage: Option<Box<dyn crate::log::group::Member>>,
    storage: Option<StorageThread>,
    store: Option<Arc<dyn Store>>,
}

impl Base<'_> {
    fn ground(&self, store: Arc<dyn Store>) -> Ground {
        Ground {
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            store,
            tokio: self.runtime.handle().clone(),
            answers: Arc::clone(&self.answers),
            configuration: self.configuration.clone(),
            gate: Arc::clone(&self.gate),
        }
    }

    /// What every worker is told, but for its partition, its owner and its memory.
    fn config(&self, build: u64) -> Config {
        Config {
            partition: PartitionId {
                concern: rkcy_core::id::ConcernId(0),
                index: 0,
            },
            generation: 0,
            owner: 0,
            process: self.process,
            build,
            atomic: self.log.is_atomic(),
            accept_clock: self.options.accept_clock,
            settings: self.options.settings.clone(),
            cache_bytes: self.options.cache_bytes / self.ids.len().max(1),
            record_bytes: RECORD_BYTES,
        }
    }

    fn threads(&self) -> usize {
        self.options.threads.clamp(1, self.ids.len().max(1))
    }

    // ---- a log of one process

    /// Every partition, at once.
    fn together(&self, log_id: &str) -> Result<Started, Fault> {
        let (desc, options) = (self.platform.desc, self.options);
        let store = self.runtime.block_on(open_store(desc, options, log_id))?;
        let ground = self.ground(store.clone());
        let threads = self.threads();
        let channels: Vec<_> = (0..threads)
            .map(|_| crossbeam_channel::unbounded::<Event>())
            .collect();
        let mut groups: Vec<Vec<Worker>> = (0..threads).map(|_| Vec::new()).collect();
        let (mut stored, mut careful) = (Vec::new(), false);
        for (nth, id) in self.ids.iter().enumerate() {
            let position = self.runtime.block_on(store.position(*id));
            let position = position.map_err(Fault::from)?;
            let config = Config {
                partition: *id,
                owner: uuid::Uuid::new_v4().as_u64_pair().0,
                ..self.config(desc.schema)
            };
            let logic = Arc::clone(&self.logic);
            let worker = take_over::at_start(&*self.log, config, position, logic)?;
            let thread = nth % threads;
            careful |= worker.is_careful();
            groups[thread].push(worker);
            stored.push((*id, position, channels[thread].0.clone()));
        }
        open_all(&*self.log, groups.iter_mut().flatten())?;
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
        let (mut watches, mut ready, mut processes) = (Vec::new(), Vec::new(), Vec::new());
        for ((workers, channel), turns) in groups.into_iter().zip(channels).zip(turns) {
            let watch = Arc::new(Watch::default());
            watches.push(Arc::clone(&watch));
            let sender = channel.0.clone();
            let (owning, owns) = oneshot::channel();
            ready.push(owns);
            let process = Process::new(ground.clone(), channel, watch, None);
            let process = process.with(workers, turns, owning);
            processes.push((self.process(process)?, sender));
        }
        Ok(Started {
            processes,
            ready,
            watchdog: Watchdog::start(watches, options.watchdog)?,
            landlord: None,
            as_process: None,
            as_storage: None,
            storage: Some(self.storage(store.clone(), stored, None)),
            store: Some(store),
        })
    }

    // ---- a log that several processes share

    /// The roles of this process, as members of their groups.
    fn shared(&self, group: &dyn Group, log_id: &str) -> Result<Started, Fault> {
        let options = self.options;
        let mut started = Started {
            processes: Vec::new(),
            ready: Vec::new(),
            watchdog: Watchdog::start(Vec::new(), std::time::Duration::ZERO)?,
            landlord: None,
            as_process: None,
            as_storage: None,
            storage: None,
            store: None,
        };
        if options.roles.is_empty() {
            return Ok(started);
        }
        let build = match options.build {
            Some(build) => build,
            None => own_build()?,
        };
        let desc = self.platform.desc;
        let store = self.runtime.block_on(open_store(desc, options, log_id))?;
        if options.has(Role::Storage) {
            let (sender, assigned) = mpsc::unbounded_channel();
            let storage = self.storage(store.clone(), Vec::new(), Some(assigned));
            let wake = Arc::clone(&storage.wake);
            started.storage = Some(storage);
            let hear = move |news| {
                // A task that has ended has said why.
                let _ = sender.send(news);
                wake.notify_one();
            };
            // What is written depends on the schema alone.
            let id = GroupId {
                role: Role::Storage,
                build: desc.schema,
            };
            let member = group.join(id, Box::new(hear)).map_err(log_fault)?;
            started.as_storage = Some(member);
        }
        if options.has(Role::Process) {
            self.join_workers(group, build, store.clone(), &mut started)?;
        }
        started.store = Some(store);
        Ok(started)
    }

    fn join_workers(
        &self,
        group: &dyn Group,
        build: u64,
        store: Arc<dyn Store>,
        started: &mut Started,
    ) -> Result<(), Fault> {
        let ground = self.ground(store);
        let (sender, notices) = crossbeam_channel::unbounded();
        let mut watches = Vec::new();
        for _ in 0..self.threads() {
            let watch = Arc::new(Watch::default());
            watches.push(Arc::clone(&watch));
            let channel = crossbeam_channel::unbounded::<Event>();
            let events = channel.0.clone();
            let process = Process::new(ground.clone(), channel, watch, Some(sender.clone()));
            started.processes.push((self.process(process)?, events));
        }
        started.watchdog = Watchdog::start(watches, self.options.watchdog)?;
        let failure = Arc::clone(&self.failure);
        let threads = started.processes.iter();
        let landlord = Landlord {
            ground,
            logic: Arc::clone(&self.logic),
            config: self.config(build),
            cache_bytes: self.options.cache_bytes,
            threads: threads.map(|(_, events)| events.clone()).collect(),
            notices,
            sender: sender.clone(),
            failed: Arc::new(move |fault| failure.set(fault)),
            held: Default::default(),
        };
        let failure = Arc::clone(&self.failure);
        let thread = spawn("partitions", STACK, move || {
            let _watched = Watched(failure);
            landlord.run();
        })?;
        started.landlord = Some((thread, sender.clone()));
        let id = GroupId {
            role: Role::Process,
            build,
        };
        // One that has ended takes nothing over.
        let hear = move |news| drop(sender.send(Notice::Assigned(news)));
        let member = group.join(id, Box::new(hear)).map_err(log_fault)?;
        started.as_process = Some(member);
        Ok(())
    }

    // ---- threads

    fn process(&self, process: Process) -> Result<JoinHandle<()>, Fault> {
        let failure = Arc::clone(&self.failure);
        spawn("process", STACK, move || {
            let _watched = Watched(Arc::clone(&failure));
            if let Err(error) = process.run() {
                failure.set(process_fault(error));
            }
        })
    }

    fn storage(
        &self,
        store: Arc<dyn Store>,
        stored: Vec<(
            PartitionId,
            StoredPosition,
            crossbeam_channel::Sender<Event>,
        )>,
        assigned: Option<mpsc::UnboundedReceiver<crate::log::group::Assigned>>,
    ) -> StorageThread {
        let wake = Arc::new(Notify::new());
        let (finish, halt) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let mut task = StorageTask {
            targets: Vec::new(),
            schema: self.logic.schema(),
            log: Arc::clone(&self.log),
            store,
            wake: wake.clone(),
            assigned,
            finish: finish.clone(),
            halt: halt.clone(),
            rows: self.rows.clone(),
        };
        for (id, position, worker) in stored {
            task.add(id, Some(position), Some(worker));
        }
        let failure = Arc::clone(&self.failure);
        let (alive, ended) = crossbeam_channel::bounded(0);
        let task = self.runtime.spawn(async move {
            // The first here, so the last to go.
            let _alive: crossbeam_channel::Sender<()> = alive;
            let _watched = Watched(Arc::clone(&failure));
            let ended = task.run().await;
            if let Err(error) = &ended {
                failure.set(storage_fault(error));
            }
            ended
        });
        StorageThread {
            task,
            ended,
            finish,
            halt,
            wake,
        }
    }

    /// The client, the thread between it and the log, and the one that reads answers.
    fn submitter(&self) -> Result<Submitter, Fault> {
        let (sender, submissions) = crossbeam_channel::unbounded();
        let mailbox = match self.answers.at() {
            None => None,
            Some(at) => {
                let (log, answers) = (Arc::clone(&self.log), Arc::clone(&self.answers));
                let mailbox = Mailbox::open(log, at, answers, sender.clone()).map_err(log_fault)?;
                let close = mailbox.close();
                let failure = Arc::clone(&self.failure);
                let thread = spawn("answers", STACK, move || {
                    let _watched = Watched(failure);
                    mailbox.run();
                })?;
                Some((thread, close))
            }
        };
        let (logic, answers) = (Arc::clone(&self.logic), Arc::clone(&self.answers));
        let client = Client::new(logic, Arc::clone(&answers), sender, &self.ids);
        let (log, failure) = (Arc::clone(&self.log), Arc::clone(&self.failure));
        let submitter = spawn("submitter", STACK, move || {
            let _watched = Watched(Arc::clone(&failure));
            let failed: submit::Failed = match log.is_atomic() {
                true => Arc::new(move |error| failure.set(log_fault(error))),
                // Others may still be heard; its callers have been told.
                false => Arc::new(|error| eprintln!("warning: submitting: {error}")),
            };
            submit::run(&submissions, &*log, &answers, RECORD_BYTES, &failed);
        })?;
        Ok((client, submitter, mailbox))
    }
}

type Submitter = (
    Client,
    JoinHandle<()>,
    Option<(JoinHandle<()>, super::reply::Close)>,
);

/// Which build this is: a hash of the executable (rule 5).
fn own_build() -> Result<u64, Fault> {
    static BUILD: OnceLock<u64> = OnceLock::new();
    if let Some(build) = BUILD.get() {
        return Ok(*build);
    }
    let bytes = std::env::current_exe().and_then(std::fs::read);
    let bytes = bytes.map_err(|error| {
        let message = format!("the executable cannot be read, to know which build it is: {error}");
        Fault::new(Class::Unavailable, "own_build", message)
    })?;
    Ok(*BUILD.get_or_init(|| xxhash_rust::xxh3::xxh3_64(&bytes)))
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

/// Opens the database, for a platform on this log.
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
