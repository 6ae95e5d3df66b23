//! Records that are cut, flipped or made of nonsense: always a named answer or a named stop, never a panic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rkcy_core::change::Change;
use rkcy_core::frame::{Body, Envelope, Frame, Kind, Open, Source};
use rkcy_core::id::{PartitionId, Position, TxnId};
use rkcy_core::key::Key;
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::{Audit, Settings};
use rkcy_core::status::Ask;
use rkcy_core::storage::{Storage, StorageStop, StoredPosition};
use rkcy_core::txn::{Mode, Outcome, ReplyTo, Txn};
use rkcy_core::wire::Wire;
use rkcy_core::worker::{Config, Outgoing, Progress, Stop, TakeOver, Worker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use support::{CONCERN, Toy, kept, key_at, planned, step};

/// Instances are what was written last; nobody writes an exclamation mark.
const WORDS: Toy = Toy(2, |call, row| {
    if call.args.contains(&b'!') {
        return Err(rkcy_core::fault::Fault::refusal("loud", "not so loud"));
    }
    row.set(Some(call.args.clone()));
    Ok(call.args.clone())
});

const UNDO: u16 = 2;

fn partition(index: u16) -> PartitionId {
    PartitionId {
        concern: CONCERN,
        index,
    }
}

fn write(nth: u128, mode: Mode, keys: &[u64], word: &'static str) -> Txn {
    let steps = (0_u16..).zip(keys).map(|(number, key)| {
        let mut step = kept(step(number, Key::of(key), 1, word));
        step.step.undo = (mode == Mode::Saga).then_some(UNDO);
        step
    });
    let txn = Txn {
        mode,
        reply: ReplyTo(u64::try_from(nth).unwrap()),
        unplanned: steps.collect(),
        caller: Bytes::from_static(b"somebody"),
        ..Txn::new(TxnId::from_parts(1_000, nth), 1, 1)
    };
    planned(txn, &WORDS)
}

/// A worker on a log that stands in memory.
struct World {
    worker: Worker,
    next: u64,
}

impl World {
    fn new(index: u16) -> World {
        let fold = TakeOver::new(config(index), StoredPosition::default());
        let mut world = World {
            worker: fold.finish(Arc::new(WORDS)).unwrap(),
            next: 0,
        };
        let open = world.worker.open();
        world.worker.opened(0);
        world.feed(open).unwrap();
        world.run().unwrap();
        world
    }

    fn feed(&mut self, record: Bytes) -> Result<(), Stop> {
        self.worker.feed(self.next, 1_000, record, 1_000)?;
        self.next += 1;
        Ok(())
    }

    /// Applies all that there is; gives what is to be sent and written.
    fn run(&mut self) -> Result<(Vec<Outgoing>, Vec<Bytes>), Stop> {
        loop {
            match self.worker.run(100)? {
                Progress::Idle => break,
                Progress::Cold(rows) => {
                    let absent = rows.into_iter().map(|row| (row, StoredRow::ABSENT));
                    let absent: Vec<_> = absent.collect();
                    self.worker.loaded(Position::START, &absent)?;
                }
                Progress::More | Progress::Full | Progress::Say(_) => {}
            }
        }
        Ok((self.worker.take_frames(), self.worker.take_change(false)))
    }

    /// What is damaged does not run, also where it can be read.
    fn never_resumes(&mut self, txn: TxnId) {
        let resume = Envelope::request(Kind::Resume, txn, ReplyTo(1), &Body::Resume(1));
        self.feed(Frame::encode(None, [resume].iter())).unwrap();
        self.run().unwrap();
        let told = self.answers();
        let is_refused =
            |told: &Outcome| matches!(told, Outcome::Refused(fault) if fault.code == "unreadable");
        assert!(told.iter().any(is_refused), "{told:?}");
    }

    fn answers(&mut self) -> Vec<Outcome> {
        let replies = self.worker.take_replies();
        replies.into_iter().map(|reply| reply.outcome).collect()
    }
}

fn config(index: u16) -> Config {
    Config {
        partition: partition(index),
        generation: 0,
        owner: 1,
        process: 1,
        build: 1,
        atomic: true,
        accept_clock: false,
        settings: Settings {
            audit: Audit::All,
            ..Settings::default()
        },
        cache_bytes: 1 << 20,
        record_bytes: 4 << 20,
    }
}

/// What two partitions write, of transactions and sagas that go from one to the other.
#[derive(Default)]
struct Records {
    /// Command logs: the receiver, and a record with one envelope, the first on its channel.
    commands: Vec<(u16, Bytes)>,
    /// Of the first partition.
    changes: Vec<Bytes>,
    audit: Vec<Bytes>,
}

/// The envelopes of a record as records of their own, each as if it were the first on its channel.
fn apart(record: &Bytes) -> impl Iterator<Item = Bytes> {
    let frame = Frame::decode(record.clone()).unwrap();
    let source = frame.source.map(|source| Source { first: 1, ..source });
    let envelopes = frame.envelopes.into_iter();
    envelopes.map(move |envelope| Frame::encode(source, [envelope].iter()))
}

fn records() -> Records {
    let mut records = Records::default();
    let mut worlds = [World::new(0), World::new(1)];
    let (here, there) = (key_at(0, 0), key_at(1, 0));
    let submitted = [
        write(1, Mode::Transaction, &[here, there], "word"),
        write(2, Mode::Transaction, &[there, here], "other"),
        write(3, Mode::Transaction, &[here, there], "loud!"),
        write(4, Mode::Saga, &[here, there, here], "done"),
    ];
    let mut waiting: Vec<(u16, Bytes)> = Vec::new();
    for txn in submitted {
        let home = txn.visits[0].partition;
        let frame = Frame::encode(None, [Envelope::submit(txn)].iter());
        waiting.push((home, frame));
        while !waiting.is_empty() {
            for (to, record) in std::mem::take(&mut waiting) {
                let world = &mut worlds[usize::from(to)];
                records.commands.extend(apart(&record).map(|one| (to, one)));
                world.feed(record).unwrap();
                let (frames, changes) = world.run().unwrap();
                if to == 0 {
                    records.changes.extend(changes);
                }
                for out in frames {
                    match out.to.concern == CONCERN {
                        true => waiting.push((out.to.index, out.frame)),
                        false => records.audit.push(out.frame),
                    }
                }
            }
        }
    }
    records.changes.extend(worlds[0].worker.take_change(true));
    assert!(records.commands.len() > 8 && records.changes.len() > 4);
    assert!(records.audit.len() >= 3, "{}", records.audit.len());
    records
}

/// Every way to cut a record, and every bit of it flipped.
fn damaged(record: &Bytes) -> impl Iterator<Item = Bytes> {
    let cut = (0..record.len()).map(|length| record.slice(..length));
    let flipped = (0..record.len() * 8).map(|bit| {
        let mut bytes = record.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Bytes::from(bytes)
    });
    cut.chain(flipped)
}

#[test]
fn a_damaged_command_is_noticed_and_answered_or_stops() {
    for (to, record) in records().commands {
        let whole = Frame::decode(record.clone()).unwrap();
        for bytes in damaged(&record) {
            // The first byte tells the layout, and is not summed: an older one may be read.
            let Ok(frame) = Frame::decode(bytes.clone()) else {
                let mut world = World::new(to);
                let stop = world.feed(bytes).unwrap_err();
                assert!(matches!(stop, Stop::Unreadable { .. }), "{stop}");
                continue;
            };
            if bytes[1..] == record[1..] {
                continue;
            }
            assert!(frame.damaged, "{frame:?}");
            let heads = |frame: &Frame| -> Vec<_> {
                let heads = frame.envelopes.iter();
                heads.map(|one| one.head.clone()).collect()
            };
            assert_eq!(heads(&frame), heads(&whole));
            let mut world = World::new(to);
            world.feed(bytes).unwrap();
            let kind = frame.envelopes[0].head.kind;
            let came = world.run();
            match kind {
                Kind::Submit => {
                    let told = world.answers();
                    assert!(matches!(told[..], [Outcome::NotTaken(_)]), "{told:?}");
                }
                // A transaction is refused, a saga parked; either is told to its caller.
                Kind::Visit => {
                    came.unwrap();
                    let told = world.answers();
                    let is_told = matches!(told[..], [Outcome::Refused(_) | Outcome::Parked(_)]);
                    assert!(is_told, "{told:?}");
                    if matches!(told[..], [Outcome::Parked(_)]) {
                        world.never_resumes(frame.envelopes[0].head.txn);
                    }
                }
                _ => assert!(matches!(came, Err(Stop::Unreadable { .. })), "{kind:?}"),
            }
        }
    }
}

#[test]
fn a_damaged_change_record_stops_take_over_and_storage() {
    for record in records().changes {
        for bytes in damaged(&record) {
            let mut fold = TakeOver::new(config(0), StoredPosition::default());
            let stop = fold.fold(bytes.clone()).unwrap_err();
            assert!(matches!(stop, Stop::Unreadable { .. }), "{stop}");
            let mut storage = Storage::new(StoredPosition::default(), 1);
            let stop = storage.take(bytes).unwrap_err();
            assert!(matches!(stop, StorageStop::Unreadable { .. }), "{stop}");
        }
    }
}

#[test]
fn a_damaged_audit_record_is_noticed() {
    for record in records().audit {
        for bytes in damaged(&record) {
            match Frame::decode(bytes.clone()) {
                Err(_) => {}
                Ok(frame) => assert!(frame.damaged || bytes[1..] == record[1..]),
            }
        }
    }
}

/// A transaction of another schema runs as far as it is known; its body, which this build may not have, is not
/// asked. What it has locked is given back.
#[test]
fn the_body_of_a_transaction_of_another_schema_is_not_asked() {
    let [here, there] = [key_at(0, 0), key_at(1, 0)];
    let foreign = |nth, late: bool| {
        let mut txn = write(nth, Mode::Transaction, &[here, there], "word");
        txn.schema = 2;
        if late {
            txn.late = true;
            txn.visits[1].steps[0].args = rkcy_core::txn::Args::Late;
        }
        Frame::encode(None, [Envelope::submit(txn)].iter())
    };
    let mut world = World::new(0);
    world.feed(foreign(1, true)).unwrap();
    world.run().unwrap();
    let told = world.answers();
    let code = |outcome: &Outcome| outcome.fault().map(|fault| fault.code.to_string());
    assert!(
        matches!(&told[..], [refused @ Outcome::Refused(_)] if code(refused).as_deref() == Some("schema_changed")),
        "{told:?}"
    );
    assert!(world.worker.partition().state().locks.is_empty());
    // With everything known it goes on to the other partition.
    world.feed(foreign(2, false)).unwrap();
    let (frames, _) = world.run().unwrap();
    assert_eq!(
        frames.iter().filter(|out| out.to == partition(1)).count(),
        1
    );
}

/// What a saga would undo is only what it has made.
#[test]
fn an_undo_of_a_visit_that_was_not_made_is_not_taken() {
    let mut txn = write(1, Mode::Saga, &[key_at(0, 0), key_at(0, 1)], "loud!");
    txn.undo.push(rkcy_core::txn::Undo {
        number: 0,
        visit: 7,
        place: rkcy_core::txn::Place::Root,
        op: UNDO,
        args: Bytes::new(),
        claims_for: None,
    });
    let mut world = World::new(0);
    let frame = Frame::encode(None, [Envelope::submit(txn)].iter());
    world.feed(frame).unwrap();
    world.run().unwrap();
    let told = world.answers();
    assert!(matches!(told[..], [Outcome::NotTaken(_)]), "{told:?}");
}

#[test]
fn storage_does_not_write_rows_of_another_schema() {
    let mut storage = Storage::new(StoredPosition::default(), 2);
    // Those before hold no rows: what they tell is the engine's own.
    let mut changes = records().changes.into_iter();
    let stop = changes.find_map(|change| storage.take(change).err());
    let stop = stop.unwrap();
    let StorageStop::ForeignSchema { found, own, .. } = stop else {
        panic!("{stop}");
    };
    assert_eq!((found, own), (1, 2));
    assert!(
        storage
            .take_batch()
            .is_none_or(|batch| batch.rows.is_empty())
    );
}

/// Bytes with a few of them changed, left out, or put in.
fn nonsense(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.next_u32() % 3 {
        let at = rng.next_u32() as usize % (bytes.len() + 1);
        match rng.next_u32() % 4 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next_u32() as u8),
            _ if at == bytes.len() => {}
            2 => bytes[at] = rng.next_u32() as u8,
            // Small numbers are what counts and indexes are made of.
            _ => bytes[at] = (rng.next_u32() % 8) as u8,
        }
    }
    bytes
}

/// Runs it; a panic fails with what it was about.
fn unpanicked<T>(about: &dyn std::fmt::Debug, run: impl FnOnce() -> T) -> T {
    let done = catch_unwind(AssertUnwindSafe(run));
    done.unwrap_or_else(|_| panic!("it panicked on {about:?}"))
}

#[test]
fn bodies_of_nonsense_under_a_right_sum_are_answered_or_stop() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut bodies: Vec<(u16, Option<Source>, Envelope)> = Vec::new();
    for (to, record) in records().commands {
        let frame = Frame::decode(record).unwrap();
        let sent = frame.envelopes.into_iter();
        bodies.extend(sent.map(|envelope| (to, frame.source, envelope)));
    }
    let open = Open {
        owner: 2,
        build: 1,
        after: None,
        accept_replay: false,
        accept_clock: false,
        settings: Settings::default(),
    };
    for (kind, body) in [
        (Kind::Open, Body::Open(open)),
        (Kind::Seal, Body::Seal(0)),
        (Kind::Resume, Body::Resume(1)),
        (Kind::Ask, Body::Ask(Ask::One(TxnId([7; 16])))),
        (Kind::Cancel, Body::Cancel),
    ] {
        let id = TxnId::from_parts(1_000, 1);
        bodies.push((0, None, Envelope::request(kind, id, ReplyTo(9), &body)));
    }
    for _ in 0..20_000 {
        let (to, source, envelope) = &bodies[rng.next_u32() as usize % bodies.len()];
        let envelope = Envelope {
            head: envelope.head.clone(),
            body: nonsense(&mut rng, &envelope.body).into(),
        };
        let mut world = World::new(*to);
        let frame = Frame::encode(*source, [envelope.clone()].iter());
        // What waits, holds or runs because of it must not hurt what comes behind.
        let next = write(9, Mode::Transaction, &[key_at(*to, 0)], "next");
        let next = Frame::encode(None, [Envelope::submit(next)].iter());
        unpanicked(&envelope, || {
            for record in [frame, next] {
                if world.feed(record).is_err() || world.run().is_err() {
                    return;
                }
            }
        });
    }
}

#[test]
fn change_records_of_nonsense_under_a_right_sum_are_folded_or_stop() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let changes = records().changes;
    for _ in 0..20_000 {
        let nth = rng.next_u32() as usize % changes.len();
        let mut bytes = nonsense(&mut rng, &changes[nth][4..]);
        let sum = crc32c::crc32c(&bytes).to_le_bytes();
        bytes.splice(0..0, sum);
        let bytes = Bytes::from(bytes);
        let about = Change::from_wire(bytes.clone());
        unpanicked(&about, || {
            let mut fold = TakeOver::new(config(0), StoredPosition::default());
            let before = changes[..nth].iter().cloned();
            if !before
                .chain([bytes.clone()])
                .all(|it| fold.fold(it).is_ok())
            {
                return;
            }
            if let Ok(worker) = fold.finish(Arc::new(WORDS)) {
                let mut world = World {
                    next: worker.next_offset(),
                    worker,
                };
                let next = write(9, Mode::Transaction, &[key_at(0, 0)], "next");
                let next = Frame::encode(None, [Envelope::submit(next)].iter());
                if world.feed(next).is_ok() {
                    let _ = world.run();
                }
            }
        });
        unpanicked(&about, || {
            let mut storage = Storage::new(StoredPosition::default(), 1);
            let _ = storage.take(bytes.clone());
            let _ = storage.take_batch();
        });
    }
}
