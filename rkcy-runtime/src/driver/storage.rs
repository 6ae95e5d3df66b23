//! From the changelog to the database.
//!
//! Owns the storage task: it reads the changelogs of its partitions, writes what counts in batches, tells
//! the workers of its process how far it has come, and lets the log drop what nobody needs any more. On a log
//! that several processes share its partitions come and go; two tasks that both write one find out by its
//! position in the database, and nothing is lost or doubled (rule 3).

use super::process::Event;
use crate::log::group::Assigned;
use crate::log::{Log, LogError, StreamId, Wake};
use crate::store::{Store, StoreError};
use crossbeam_channel::Sender;
use rkcy_core::id::PartitionId;
use rkcy_core::storage::{Batch, Storage, StorageStop, StoredPosition};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};

/// Bytes of change records read at a time, per partition.
const READ_BYTES: usize = 4 << 20;
/// Rows after which a batch is written at once,
const BATCH_ROWS: usize = 20_000;
/// or bytes of them,
const BATCH_BYTES: usize = 16 << 20;
/// or bytes of the batches of all partitions together; what was read beyond is at most one read.
const PENDING_BYTES: usize = 64 << 20;
/// Otherwise a partition's rows are written this often. A row that changes all the time is written once
/// per batch, and each batch costs a sync of the database: larger ones leave more of the machine to the
/// workers.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// Longest pause between two tries to write; the first is a hundredth of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A log that several processes share is asked to drop records this often, per partition.
const TRIM_TIME: Duration = Duration::from_secs(30);
/// Pause before a partition is begun again, where somebody else has written it.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest pause on a log that is elsewhere.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// Pause before a log that cannot be read is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// So often in a row a partition is begun again for records that are not in the log, before they are lost.
const PATIENCE: u32 = 8;

/// Why storage ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// The changelog cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A change record must not be written.
    #[error(transparent)]
    Stop(#[from] StorageStop),
    /// The database refuses for good: another storage worker is at work, or it is not this platform's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One partition of the task.
pub(crate) struct Target {
    id: PartitionId,
    /// None: its position has still to be read out of the database, from then on.
    storage: Result<Storage, Instant>,
    /// The worker of this process that hears how far storage is.
    worker: Option<Sender<Event>>,
    /// When its last batch was written.
    written: Instant,
    trimmed: Instant,
    /// How often in a row the log did not have what was to be read.
    gaps: u32,
    /// Offset to come to before it ends.
    until: Option<u64>,
    /// The log watches for as long as this is there.
    _wake: Wake,
}

/// The storage task.
pub(crate) struct StorageTask {
    pub(crate) targets: Vec<Target>,
    pub(crate) schema: u64,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) wake: Arc<Notify>,
    /// Partitions that come and go, on a log that several processes share.
    pub(crate) assigned: Option<mpsc::UnboundedReceiver<Assigned>>,
    /// Set: write what there is, then end.
    pub(crate) finish: Arc<AtomicBool>,
    /// Set: end once the write under way is through.
    pub(crate) halt: Arc<AtomicBool>,
    /// Rows written since the start.
    pub(crate) rows: Arc<AtomicU64>,
}

impl StorageTask {
    /// One more partition: from the position that is known of it, or else that stands in the database.
    pub(crate) fn add(
        &mut self,
        id: PartitionId,
        stored: Option<StoredPosition>,
        worker: Option<Sender<Event>>,
    ) {
        let notify = Arc::clone(&self.wake);
        let wake: Wake = Arc::new(move || notify.notify_one());
        self.log.watch(&[StreamId::changes(id)], Arc::clone(&wake));
        let now = Instant::now();
        let schema = self.schema;
        self.targets.push(Target {
            id,
            storage: stored.map(|it| Storage::new(it, schema)).ok_or(now),
            worker,
            written: now,
            trimmed: now,
            gaps: 0,
            until: None,
            _wake: wake,
        });
    }

    /// Writes until told to finish and everything is written.
    ///
    /// # Errors
    /// [`StorageError`]: what must not be tried again.
    pub(crate) async fn run(mut self) -> Result<(), StorageError> {
        loop {
            if self.halt.load(Ordering::Acquire) {
                return Ok(());
            }
            let finish = self.finish.load(Ordering::Acquire);
            let mut progress = self.reassign(finish).await?;
            for nth in 0..self.targets.len() {
                progress |= self.read(nth, finish).await?;
            }
            let targets = 0..self.targets.len();
            let due: Vec<usize> = targets.filter(|nth| self.is_due(*nth, finish)).collect();
            if !due.is_empty() {
                // All that was read, of every partition: the database syncs what it writes, and must not
                // know of records that a power loss may take from the log.
                persist(&*self.log).await?;
                for nth in due {
                    self.write(nth).await?;
                }
                progress = true;
            }
            let waiting = self.targets.iter().any(Target::waits);
            match (progress, waiting, finish) {
                (true, ..) => {}
                (false, false, true) => return Ok(()),
                (false, false, false) if self.assigned.is_none() => self.wake.notified().await,
                (false, false, false) => {
                    // One lost wake must not be the end of a partition.
                    let _ = tokio::time::timeout(LOOK_ANYWAY, self.wake.notified()).await;
                }
                (false, true, _) => {
                    // Woken or not: the batch that waits is due by then.
                    let _ = tokio::time::timeout(BATCH_TIME / 5, self.wake.notified()).await;
                }
            }
        }
    }

    /// Takes up what the group has given, and lets go of what it has taken.
    async fn reassign(&mut self, finish: bool) -> Result<bool, StorageError> {
        let Some(assigned) = &mut self.assigned else {
            return Ok(false);
        };
        let mut news = Vec::new();
        while let Ok(one) = assigned.try_recv() {
            news.push(one);
        }
        let progress = !news.is_empty();
        for one in news {
            match one {
                // Not for the short rest.
                Assigned::Gained(_) if finish => {}
                Assigned::Gained(ids) => ids.into_iter().for_each(|id| self.add(id, None, None)),
                Assigned::Revoked(ids, released) => {
                    // What is not written yet the next one reads again.
                    self.drop_all(&ids);
                    released.done();
                }
                Assigned::Lost(ids) => self.drop_all(&ids),
            }
        }
        if progress {
            let count = self.targets.len();
            eprintln!("{count} partitions are written by this process now");
        }
        self.begin_all(finish).await?;
        Ok(progress)
    }

    fn drop_all(&mut self, ids: &[PartitionId]) {
        self.targets.retain(|target| !ids.contains(&target.id));
        let streams: Vec<StreamId> = ids.iter().map(|id| StreamId::changes(*id)).collect();
        self.log.leave(&streams);
    }

    /// Reads the positions of partitions that are to be begun.
    async fn begin_all(&mut self, finish: bool) -> Result<(), StorageError> {
        for nth in 0..self.targets.len() {
            let target = &mut self.targets[nth];
            let is_due = |due: &Instant| *due <= Instant::now();
            if !target.storage.as_ref().is_err_and(is_due) {
                continue;
            }
            match self.store.position(target.id).await {
                Ok(stored) => target.storage = Ok(Storage::new(stored, self.schema)),
                Err(error) if error.may_pass() && !finish => {
                    eprintln!(
                        "warning: partition {}: its position: {error}; trying again",
                        target.id
                    );
                    target.storage = Err(Instant::now() + AGAIN);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what has come to the changelog of one partition; `false` where nothing has.
    async fn read(&mut self, nth: usize, finish: bool) -> Result<bool, StorageError> {
        let is_shared = self.assigned.is_some();
        let mut progress = false;
        while !self.targets[nth].is_large() && self.pending_bytes() < PENDING_BYTES {
            let target = &mut self.targets[nth];
            let stream = StreamId::changes(target.id);
            let Ok(storage) = &mut target.storage else {
                break;
            };
            if finish && is_shared && target.until.is_none() {
                // Others may go on appending; this one is to end.
                target.until = self.log.bounds(stream).ok().map(|held| held.end);
            }
            if target.until.is_some_and(|end| storage.next_offset() >= end) {
                break;
            }
            let records = match self.log.read(stream, storage.next_offset(), READ_BYTES) {
                Err(LogError::OutOfRange { .. }) if is_shared && target.gaps < PATIENCE => {
                    // Another has written further, and had it trimmed.
                    target.gaps += 1;
                    target.storage = Err(Instant::now() + AGAIN);
                    break;
                }
                Err(error) if is_shared && !matches!(error, LogError::OutOfRange { .. }) => {
                    eprintln!("warning: {stream}: {error}; trying again");
                    tokio::time::sleep(RETRY).await;
                    break;
                }
                records => records?,
            };
            if records.is_empty() {
                break;
            }
            target.gaps = 0;
            progress = true;
            for record in records {
                storage.take(record.payload)?;
            }
        }
        Ok(progress)
    }

    /// Whether the batch of one partition is to be written: now, or because of its age or size.
    fn is_due(&self, nth: usize, now: bool) -> bool {
        let target = &self.targets[nth];
        let due = now
            || target.written.elapsed() >= BATCH_TIME
            || target.is_large()
            || self.pending_bytes() >= PENDING_BYTES;
        due && target.has_batch()
    }

    /// Bytes of rows that wait to be written.
    fn pending_bytes(&self) -> usize {
        let storages = self
            .targets
            .iter()
            .filter_map(|target| target.storage.as_ref().ok());
        storages.map(Storage::pending_bytes).sum()
    }

    /// Writes the batch of one partition.
    async fn write(&mut self, nth: usize) -> Result<(), StorageError> {
        let is_shared = self.assigned.is_some();
        let target = &mut self.targets[nth];
        let id = target.id;
        let Some(batch) = target.storage.as_mut().ok().and_then(Storage::take_batch) else {
            return Ok(());
        };
        let (rows, new) = (batch.rows.len() as u64, batch.new);
        match write(&*self.store, id, Arc::new(batch), &self.finish).await {
            Err(error @ StoreError::Conflict { .. }) if is_shared => {
                eprintln!(
                    "warning: {error}: another storage worker has written it; going on from there"
                );
                target.storage = Err(Instant::now() + AGAIN);
                return Ok(());
            }
            written => written?,
        }
        target.written = Instant::now();
        self.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(worker) = &target.worker {
            // A thread that has ended has no use for it.
            let _ = worker.send(Event::Stored(id, new.position));
        }
        if is_shared && target.trimmed.elapsed() < TRIM_TIME {
            return Ok(());
        }
        target.trimmed = Instant::now();
        let trimmed = trim(&*self.log, id, new);
        match trimmed {
            Err(error) if is_shared => {
                eprintln!("warning: partition {id}: what is not needed any more is kept: {error}");
                Ok(())
            }
            trimmed => Ok(trimmed?),
        }
    }
}

impl Target {
    /// Whether a batch is written before its time.
    fn is_large(&self) -> bool {
        let large = |storage: &Storage| {
            storage.pending_rows() >= BATCH_ROWS || storage.pending_bytes() >= BATCH_BYTES
        };
        self.storage.as_ref().is_ok_and(large)
    }

    fn has_batch(&self) -> bool {
        self.storage.as_ref().is_ok_and(Storage::has_batch)
    }

    /// Whether there is something to do for it though nobody wakes the task.
    fn waits(&self) -> bool {
        let before = |end: u64| match &self.storage {
            Ok(storage) => storage.next_offset() < end,
            Err(_) => true,
        };
        self.has_batch() || self.storage.is_err() || self.until.is_some_and(before)
    }
}

/// Lets the log drop what neither storage nor a take-over needs.
fn trim(log: &dyn Log, id: PartitionId, stored: StoredPosition) -> Result<(), LogError> {
    let (changelog, commands) = stored.needed();
    log.trim(StreamId::changes(id), changelog)?;
    log.trim(StreamId::commands(id), commands)?;
    if !log.is_atomic() {
        // Topics of finished transactions have a retention of their own.
        return Ok(());
    }
    let audit = StreamId::commands(id.audit());
    let kept = log.bounds(audit)?;
    let before = kept.end.saturating_sub(AUDIT_RECORDS);
    if before > kept.start {
        log.trim(audit, before)?;
    }
    Ok(())
}

/// So many records of a partition's audit are kept; each tells of all that ended in one batch.
const AUDIT_RECORDS: u64 = 4_096;

/// Waits until all that can be read now survives a power loss.
async fn persist(log: &dyn Log) -> Result<(), LogError> {
    let (sender, persisted) = oneshot::channel();
    // Nobody waits any more only where this task is gone.
    log.persist(Box::new(move |result| drop(sender.send(result))));
    persisted.await.unwrap_or(Err(LogError::Closed))
}

/// Writes a batch; what may pass is tried again, ever less often, and said. Who is to stop does not wait
/// for that: the log has what the database lacks, and the next start goes on from there.
async fn write(
    store: &dyn Store,
    id: PartitionId,
    batch: Arc<Batch>,
    finish: &AtomicBool,
) -> Result<(), StoreError> {
    let mut pause = LONGEST_PAUSE / 100;
    loop {
        match store.write(id, Arc::clone(&batch)).await {
            Ok(()) => return Ok(()),
            // An earlier try whose answer was lost.
            Err(StoreError::Conflict { found, .. }) if found == batch.new => return Ok(()),
            Err(error) if !error.may_pass() || finish.load(Ordering::Acquire) => return Err(error),
            Err(error) => eprintln!(
                "warning: partition {id}: writing rows: {error}; trying again in {pause:?}"
            ),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
