//! Frames: what one record of a command log holds.
//!
//! Owns the layout. A frame is a small checksummed header that every build can read, and the bodies of
//! one or more envelopes from one source:
//!
//! ```text
//! byte 0       layout version, 2; 1 is the same without `accept_clock` in an Open, and is read
//! bytes 1..5   CRC-32C of the header, little-endian
//! bytes 5..9   length of the header, little-endian
//! header       source (none, or partition and number of the first envelope), count, and for each
//!              envelope its head and the length of its body
//! 4 bytes      CRC-32C of the bodies, little-endian
//! bodies       one after the other
//! ```
//!
//! The head of an envelope holds what is needed to give the transaction up where the body cannot be
//! read (rule 7), and the key that a driver may load in advance.

use crate::claim::GiveBack;
use crate::config::{Edit, News};
use crate::fault::Fault;
use crate::id::{PartitionId, Position, TxnId};
use crate::key::RowKey;
use crate::related::Push;
use crate::settings::Settings;
use crate::status::Ask;
use crate::txn::{Mode, Outcome, ReplyTo, Txn};
use crate::wire::{Malformed, Reader, Wire, put_integer};
use bytes::Bytes;

/// Version of the layout that is written.
pub const LAYOUT: u8 = 2;

/// Versions of the layout that are read.
const READ: std::ops::RangeInclusive<u8> = 1..=LAYOUT;

/// Bytes before the header: version, checksum, length.
const PREFIX: usize = 9;

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A transaction from a submitter, at its first visit.
    Submit = 1,
    /// A transaction from another partition, at a later visit.
    Visit = 2,
    /// The end of a transaction's locks in this partition.
    Release = 3,
    /// The end of a transaction, told to the partition that remembers its id.
    Outcome = 4,
    /// A new owner of the partition.
    Open = 5,
    /// An orderly stop of the owner.
    Seal = 6,
    /// Nothing but time.
    Tick = 7,
    /// A caller wants a transaction to end, from a submitter or from the partition that it went on from.
    Cancel = 8,
    /// An operator wants a parked saga to go on.
    Resume = 9,
    /// Somebody asks where transactions are.
    Ask = 10,
    /// How a transaction ended, in an audit.
    Finished = 11,
    /// A careful worker is about to apply the envelope at a position (rule 7).
    Trying = 12,
    /// The envelope at a position has ended its workers: it is applied without its handlers.
    Park = 13,
    /// A unique value or a reference is given back, since its transaction is committed.
    GiveBack = 14,
    /// What was given back has been taken back.
    GivenBack = 15,
    /// News of an object of configuration.
    Config = 16,
    /// An operator's edit of an object of configuration: in the config topic, and in an audit.
    Edit = 17,
    /// What became of a member of a related view.
    Related = 18,
    /// An operator wants nothing new to begin, or wants that again.
    Drain = 19,
}

impl Kind {
    const ALL: [Kind; 19] = [
        Kind::Submit,
        Kind::Visit,
        Kind::Release,
        Kind::Outcome,
        Kind::Open,
        Kind::Seal,
        Kind::Tick,
        Kind::Cancel,
        Kind::Resume,
        Kind::Ask,
        Kind::Finished,
        Kind::Trying,
        Kind::Park,
        Kind::GiveBack,
        Kind::GivenBack,
        Kind::Config,
        Kind::Edit,
        Kind::Related,
        Kind::Drain,
    ];

    /// Whether an envelope of this kind may run handlers: of its transaction, or of those that it lets go
    /// on. What any record may do beside that, since time passes by it, is told by
    /// [`Partition::due`](crate::partition::Partition::due).
    #[must_use]
    pub fn may_run_handlers(self) -> bool {
        match self {
            Kind::Submit
            | Kind::Visit
            | Kind::Release
            | Kind::Outcome
            | Kind::Cancel
            | Kind::Resume
            | Kind::Tick
            | Kind::GiveBack => true,
            Kind::Open
            | Kind::Seal
            | Kind::Ask
            | Kind::Finished
            | Kind::Trying
            | Kind::Park
            | Kind::GivenBack
            | Kind::Config
            | Kind::Edit
            | Kind::Related
            | Kind::Drain => false,
        }
    }
}

/// What every build can read of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// The transaction concerned; zero for control records.
    pub txn: TxnId,
    /// Rows that the visit needs, as far as they are known: they may be loaded in advance.
    pub rows: Vec<RowKey>,
    /// Who is told if the transaction must be given up here.
    pub reply: ReplyTo,
    /// The partitions it has passed, the first one first: they hold its locks.
    pub passed: Vec<PartitionId>,
    /// Whether it is a saga: one that cannot be read is parked, since what it did must be undone.
    pub saga: bool,
}

/// So many rows stand in a head at most; the others are loaded when they are met.
const ROWS_IN_A_HEAD: usize = 32;

impl Head {
    /// Head of a control record, or of one that needs no more than a kind and an id.
    #[must_use]
    pub fn plain(kind: Kind, txn: TxnId) -> Head {
        Head {
            kind,
            txn,
            rows: Vec::new(),
            reply: ReplyTo(0),
            passed: Vec::new(),
            saga: false,
        }
    }

    /// Head of a transaction at its next visit.
    #[must_use]
    pub fn of_txn(kind: Kind, txn: &Txn) -> Head {
        let mut rows: Vec<RowKey> = Vec::new();
        if let Some(visit) = txn.visit() {
            for row in visit.steps.iter().filter_map(|step| step.row(&visit.group)) {
                if rows.len() < ROWS_IN_A_HEAD && !rows.contains(row) {
                    rows.push(row.clone());
                }
            }
        }
        Head {
            kind,
            txn: txn.id,
            rows,
            reply: txn.reply,
            passed: txn.passed(),
            saga: txn.mode == Mode::Saga,
        }
    }
}

impl Wire for Head {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind as u8);
        self.txn.put(out);
        self.rows.put(out);
        self.reply.0.put(out);
        self.passed.put(out);
        self.saga.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let kind = input.byte()?;
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind);
        Ok(Head {
            kind: kind.ok_or_else(|| input.malformed("an unknown kind of envelope"))?,
            txn: Wire::take(input)?,
            rows: Wire::take(input)?,
            reply: ReplyTo(Wire::take(input)?),
            passed: Wire::take(input)?,
            saga: Wire::take(input)?,
        })
    }
}

/// A new owner announces itself (rule 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// A number that the owner drew at random.
    pub owner: u64,
    /// Hash of its executable.
    pub build: u64,
    /// Offset of the Seal it comes after, where it is of another build.
    pub after: Option<u64>,
    /// It takes over from another build without a Seal, and answers for the replay.
    pub accept_replay: bool,
    /// It sets the partition's clock to its own stamp, also backwards, and answers for that nobody
    /// still repeats ids that were made while the clock was ahead of it.
    pub accept_clock: bool,
    /// What holds from here on.
    pub settings: Settings,
}

impl Wire for Open {
    fn put(&self, out: &mut Vec<u8>) {
        self.owner.put(out);
        self.build.put(out);
        self.after.put(out);
        out.push(u8::from(self.accept_replay) | u8::from(self.accept_clock) << 1);
        self.settings.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let (owner, build, after) = (Wire::take(input)?, Wire::take(input)?, Wire::take(input)?);
        let accepts = input.byte()?;
        if accepts > 3 {
            return Err(input.malformed("an Open that accepts what is not known"));
        }
        Ok(Open {
            owner,
            build,
            after,
            accept_replay: accepts & 1 != 0,
            accept_clock: accepts & 2 != 0,
            settings: Wire::take(input)?,
        })
    }
}

/// Body of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A transaction, at the visit to make.
    Txn(Box<Txn>),
    /// Whether what was pending is committed.
    Release(bool),
    /// How the transaction ended.
    Outcome(Outcome),
    /// A new owner.
    Open(Open),
    /// Epoch that is sealed.
    Seal(u64),
    /// Nothing.
    Tick,
    /// The head says which.
    Cancel,
    /// Number of the attempt that was parked.
    Resume(u32),
    /// What is asked.
    Ask(Ask),
    /// How a transaction ended.
    Finished(Finished),
    /// The envelope that is tried.
    Trying(Care),
    /// The envelope that is parked.
    Park(Care),
    /// What is given back; the head says for which transaction.
    GiveBack(GiveBack),
    /// Nothing: the head says for which transaction.
    GivenBack,
    /// What is new.
    Config(News),
    /// What an operator has changed.
    Edit(Edit),
    /// What became of a member.
    Related(Push),
    /// Whether a drain begins or ends.
    Drain(bool),
}

/// What a careful worker says of an envelope (rule 7). It counts as long as its author owns the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Care {
    /// The author's epoch: the offset of its Open.
    pub epoch: u64,
    /// What the author's process drew.
    pub process: u64,
    /// The envelope; [`Position::START`] where the one said before has not ended the process.
    pub at: Position,
}

impl Wire for Care {
    fn put(&self, out: &mut Vec<u8>) {
        self.epoch.put(out);
        self.process.put(out);
        self.at.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Care {
            epoch: Wire::take(input)?,
            process: Wire::take(input)?,
            at: Wire::take(input)?,
        })
    }
}

/// How a transaction ended, as the audit tells it. The head has its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Number of the transaction in the schema; 0 is a single operation, or one that could not be read.
    pub kind: u32,
    /// Who called, as the edge verified it; opaque to the engine.
    pub caller: Bytes,
    /// When it was decided: milliseconds since the Unix epoch, by the clock of the partition.
    pub decided: u64,
    /// The instances that were visited, by the roots of their groups.
    pub groups: Vec<RowKey>,
    /// How it ended. A parked saga is told of as well, and again when it has ended.
    pub outcome: Outcome,
}

impl Wire for Finished {
    fn put(&self, out: &mut Vec<u8>) {
        self.kind.put(out);
        self.caller.put(out);
        self.decided.put(out);
        self.groups.put(out);
        self.outcome.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Finished {
            kind: Wire::take(input)?,
            caller: Wire::take(input)?,
            decided: Wire::take(input)?,
            groups: Wire::take(input)?,
            outcome: Wire::take(input)?,
        })
    }
}

impl Body {
    /// The bytes of the body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Body::Txn(txn) => txn.to_wire(),
            Body::Release(commit) => commit.to_wire(),
            Body::Outcome(outcome) => outcome.to_wire(),
            Body::Open(open) => open.to_wire(),
            Body::Seal(epoch) => epoch.to_wire(),
            Body::Tick | Body::Cancel | Body::GivenBack => Vec::new(),
            Body::GiveBack(give) => give.to_wire(),
            Body::Resume(attempt) => attempt.to_wire(),
            Body::Ask(ask) => ask.to_wire(),
            Body::Finished(finished) => finished.to_wire(),
            Body::Trying(care) | Body::Park(care) => care.to_wire(),
            Body::Config(news) => news.to_wire(),
            Body::Edit(edit) => edit.to_wire(),
            Body::Related(push) => push.to_wire(),
            Body::Drain(begin) => begin.to_wire(),
        }
    }

    /// Reads the body of an envelope of `kind`.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes are not a body of that kind.
    pub fn decode(kind: Kind, bytes: Bytes) -> Result<Body, Malformed> {
        Ok(match kind {
            Kind::Submit | Kind::Visit => Body::Txn(Box::new(Txn::from_wire(bytes)?)),
            Kind::Release => Body::Release(Wire::from_wire(bytes)?),
            Kind::Outcome => Body::Outcome(Wire::from_wire(bytes)?),
            Kind::Open => Body::Open(Wire::from_wire(bytes)?),
            Kind::Seal => Body::Seal(Wire::from_wire(bytes)?),
            Kind::Tick => Body::Tick,
            Kind::Cancel => Body::Cancel,
            Kind::Resume => Body::Resume(Wire::from_wire(bytes)?),
            Kind::Ask => Body::Ask(Wire::from_wire(bytes)?),
            Kind::Finished => Body::Finished(Wire::from_wire(bytes)?),
            Kind::Trying => Body::Trying(Wire::from_wire(bytes)?),
            Kind::Park => Body::Park(Wire::from_wire(bytes)?),
            Kind::GiveBack => Body::GiveBack(Wire::from_wire(bytes)?),
            Kind::GivenBack => Body::GivenBack,
            Kind::Config => Body::Config(Wire::from_wire(bytes)?),
            Kind::Edit => Body::Edit(Wire::from_wire(bytes)?),
            Kind::Related => Body::Related(Wire::from_wire(bytes)?),
            Kind::Drain => Body::Drain(Wire::from_wire(bytes)?),
        })
    }
}

/// One envelope, its body not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What every build can read.
    pub head: Head,
    /// The rest.
    pub body: Bytes,
}

impl Envelope {
    /// An envelope around `body`.
    #[must_use]
    pub fn new(head: Head, body: &Body) -> Envelope {
        Envelope {
            head,
            body: body.encode().into(),
        }
    }

    /// A submission, for the partition of its first visit.
    #[must_use]
    pub fn submit(txn: Txn) -> Envelope {
        Envelope::new(Head::of_txn(Kind::Submit, &txn), &Body::Txn(Box::new(txn)))
    }

    /// A request about the transaction `txn`, or about any, with where the answer goes.
    #[must_use]
    pub fn request(kind: Kind, txn: TxnId, reply: ReplyTo, body: &Body) -> Envelope {
        let head = Head {
            reply,
            ..Head::plain(kind, txn)
        };
        Envelope::new(head, body)
    }

    /// A control record.
    #[must_use]
    pub fn control(kind: Kind, body: &Body) -> Envelope {
        Envelope::new(Head::plain(kind, TxnId([0; 16])), body)
    }
}

impl Wire for Envelope {
    fn put(&self, out: &mut Vec<u8>) {
        self.head.put(out);
        self.body.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Envelope {
            head: Wire::take(input)?,
            body: Wire::take(input)?,
        })
    }
}

/// Who sent a frame: a partition, with the number of its first envelope on the channel. A submitter is
/// not a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The sending partition.
    pub partition: PartitionId,
    /// Number of the first envelope on the channel, from 1.
    pub first: u64,
}

/// One record of a command log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Who sent it.
    pub source: Option<Source>,
    /// What it holds, in order.
    pub envelopes: Vec<Envelope>,
    /// Whether the bodies were damaged on the way; the heads never are.
    pub damaged: bool,
}

impl Frame {
    /// The bytes of a frame that holds `envelopes`.
    pub fn encode<'a>(
        source: Option<Source>,
        envelopes: impl ExactSizeIterator<Item = &'a Envelope> + Clone,
    ) -> Bytes {
        let bodies: usize = envelopes.clone().map(|envelope| envelope.body.len()).sum();
        let mut out = Vec::with_capacity(PREFIX + 4 + bodies + 64 * envelopes.len() + 32);
        out.resize(PREFIX, 0);
        match source {
            None => out.push(0),
            Some(source) => {
                out.push(1);
                source.partition.put(&mut out);
                source.first.put(&mut out);
            }
        }
        put_integer(&mut out, envelopes.len() as u64);
        for envelope in envelopes.clone() {
            envelope.head.put(&mut out);
            put_integer(&mut out, envelope.body.len() as u64);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a frame is below the broker's limit"
        )]
        let length = (out.len() - PREFIX) as u32;
        out[0] = LAYOUT;
        let sum = crc32c::crc32c(&out[PREFIX..]);
        out[1..5].copy_from_slice(&sum.to_le_bytes());
        out[5..9].copy_from_slice(&length.to_le_bytes());
        let mark = out.len();
        out.extend_from_slice(&[0; 4]);
        for envelope in envelopes {
            out.extend_from_slice(&envelope.body);
        }
        let sum = crc32c::crc32c(&out[mark + 4..]);
        out[mark..mark + 4].copy_from_slice(&sum.to_le_bytes());
        out.into()
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`Malformed`] where the header cannot be read; of a frame between partitions that stops the
    /// receiver. Damaged bodies are no error: they are marked.
    pub fn decode(bytes: Bytes) -> Result<Frame, Malformed> {
        let mut input = Reader::new(bytes);
        if !READ.contains(&input.byte()?) {
            return Err(input.malformed("a frame of an unknown layout"));
        }
        let sum = take_u32(&mut input)?;
        let length = take_u32(&mut input)? as usize;
        let header = input.share(length)?;
        if crc32c::crc32c(&header) != sum {
            return Err(input.malformed("a frame whose header is damaged"));
        }
        let body_sum = take_u32(&mut input)?;
        let bodies = input.share(input.remaining())?;

        let mut header = Reader::new(header);
        let source = bool::take(&mut header)?
            .then(|| {
                Ok(Source {
                    partition: Wire::take(&mut header)?,
                    first: header.integer()?,
                })
            })
            .transpose()?;
        let count = header.count()?;
        let mut envelopes = Vec::with_capacity(count);
        let mut at = 0_usize;
        for _ in 0..count {
            let head = Head::take(&mut header)?;
            let length: usize = header.narrow()?;
            let end = at.saturating_add(length).min(bodies.len());
            envelopes.push(Envelope {
                head,
                body: bodies.slice(at..end),
            });
            at = end;
        }
        header.end()?;
        let damaged = crc32c::crc32c(&bodies) != body_sum;
        Ok(Frame {
            source,
            envelopes,
            damaged,
        })
    }
}

fn take_u32(input: &mut Reader) -> Result<u32, Malformed> {
    let mut raw = [0; 4];
    raw.copy_from_slice(input.slice(4)?);
    Ok(u32::from_le_bytes(raw))
}

/// What a submitter hears: one answer to one envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who asked.
    pub to: ReplyTo,
    /// About which transaction.
    pub txn: TxnId,
    /// How it ended.
    pub outcome: Outcome,
}

impl Reply {
    /// The fault of an outcome that is not a commit.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.outcome.fault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ConcernId;

    fn release(number: u8, commit: bool) -> Envelope {
        Envelope::new(
            Head::plain(Kind::Release, TxnId([number; 16])),
            &Body::Release(commit),
        )
    }

    /// A change here breaks every log that was ever written.
    #[test]
    fn golden_bytes() {
        let source = Source {
            partition: PartitionId {
                concern: ConcernId(2),
                index: 1,
            },
            first: 300,
        };
        let bytes = Frame::encode(Some(source), [release(7, true)].iter());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "029d8601df1c000000010201ac02010307070707070707070707070707070707000000000152d016a001"
        );
    }

    /// In layout 1 the flags were 0 or 1, so those Opens are read as they were meant.
    #[test]
    fn golden_bytes_of_an_open() {
        let hex = |open: &Open| -> String {
            let bytes = open.to_wire();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let mut open = Open {
            owner: 7,
            build: 9,
            after: Some(300),
            accept_replay: true,
            accept_clock: false,
            settings: Settings::default(),
        };
        let settings = "e0d40380808020904ee807808010808020a08d060080b89929";
        assert_eq!(hex(&open), format!("070901ac0201{settings}"));
        open.accept_clock = true;
        assert_eq!(hex(&open), format!("070901ac0203{settings}"));
        assert_eq!(Open::from_wire(open.to_wire().into()), Ok(open));
    }

    #[test]
    fn golden_bytes_of_a_trying_and_a_park() {
        let at = Position::new(299, 2);
        let care = Care {
            epoch: 7,
            process: 9,
            at,
        };
        let hex = |kind, body: &Body| -> String {
            let bytes = Frame::encode(None, [Envelope::control(kind, body)].iter());
            let back = Frame::decode(bytes.clone()).unwrap().envelopes.remove(0);
            assert_eq!(Body::decode(kind, back.body).as_ref(), Ok(body));
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        assert_eq!(
            hex(Kind::Trying, &Body::Trying(care)),
            "02a95c155a1800000000010c000000000000000000000000000000000000000005bee797cc0709ac0202"
        );
        assert_eq!(
            hex(Kind::Park, &Body::Park(care)),
            "021db200061800000000010d000000000000000000000000000000000000000005bee797cc0709ac0202"
        );
    }

    /// Frames of before are read.
    #[test]
    fn the_layout_of_before_is_read() {
        let bytes = Frame::encode(None, [release(1, true)].iter());
        let mut before = bytes.to_vec();
        before[0] = 1;
        assert_eq!(Frame::decode(before.clone().into()), Frame::decode(bytes));
        before[0] = 3;
        assert!(Frame::decode(before.into()).is_err());
    }

    #[test]
    fn a_damaged_body_keeps_its_heads_and_a_damaged_header_is_an_error() {
        let envelopes = [release(1, true), release(2, false)];
        let bytes = Frame::encode(None, envelopes.iter());
        let frame = Frame::decode(bytes.clone()).unwrap();
        assert_eq!(frame.envelopes, envelopes);
        assert!(!frame.damaged);
        for at in 0..bytes.len() {
            let mut broken = bytes.to_vec();
            broken[at] ^= 0x10;
            match Frame::decode(broken.into()) {
                Err(_) => {}
                Ok(frame) => {
                    assert!(frame.damaged, "byte {at} was changed unseen");
                    assert_eq!(frame.envelopes[1].head, envelopes[1].head);
                }
            }
        }
    }
}
