//! What callers did to lists and heard of it: whether all of it can have happened one after the other.
//!
//! Owns the judgement of a history by itself. Callers append entries that are unique in a list, and read
//! whole lists. A list that was read tells in which order its entries came, so who wrote, read or missed
//! what can be told from the history alone, without a word from the engine: which attempt must stand
//! before which. A circle of these is an anomaly, by the names that Adya gave them; with real time among
//! what orders, the absence of circles is strict serializability. (The method is that of Elle.)
//!
//! It knows nothing of the simulator, so a history of a real system can be judged as well.
//!
//! ```text
//! attempts ─► order: what is wrong by itself; which attempt stands before which ─► graph: circles
//! ```

mod graph;
mod order;

use graph::{Graph, Step};
use std::fmt;

/// One operation of an attempt, in the order in which the attempt made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op<K> {
    /// Appends an entry to a list; nobody else appends the same one to it.
    Append {
        /// The list.
        list: K,
        /// The entry.
        entry: i64,
    },
    /// Reads a list.
    Read {
        /// The list.
        list: K,
        /// Its entries; `None` where the caller did not hear them.
        entries: Option<Vec<i64>>,
    },
}

/// What the caller of an attempt has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is done.
    Committed {
        /// When it was heard.
        at: u64,
    },
    /// Nothing of it was done, and nothing ever will be.
    Refused,
    /// Nobody knows.
    Nothing,
}

/// A transaction, as its caller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<K> {
    /// When it was asked for, by the clock or the count by which [`Heard::Committed`] is timed.
    pub asked: u64,
    /// What came of it.
    pub heard: Heard,
    /// What it did, or would have done.
    pub ops: Vec<Op<K>>,
}

/// What is wrong with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A list holds an entry that nobody has appended.
    Garbage,
    /// A list holds an entry twice.
    Duplicate,
    /// Two reads of a list disagree about the order of its entries, or an entry is gone.
    Incompatible,
    /// An attempt does not see what it did itself, or sees a list change between two reads.
    Internal,
    /// Dirty write: writes of two attempts are before each other.
    G0,
    /// Aborted read: an entry of an attempt that was refused.
    G1a,
    /// Intermediate read: an entry after which the same attempt appended another one.
    G1b,
    /// Circular flow of information: writes and reads of what was written.
    G1c,
    /// Read skew and its kin: a circle with one read that missed a write.
    GSingle,
    /// Write skew and its kin: a circle with several reads that missed a write.
    G2,
}

impl Class {
    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Garbage => "garbage read",
            Class::Duplicate => "duplicate entry",
            Class::Incompatible => "incompatible order",
            Class::Internal => "internal inconsistency",
            Class::G0 => "G0",
            Class::G1a => "G1a",
            Class::G1b => "G1b",
            Class::G1c => "G1c",
            Class::GSingle => "G-single",
            Class::G2 => "G2",
        }
    }
}

/// Something that no serial execution in real time can have brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is.
    pub class: Class,
    /// Whether it is one because of real time alone: it would be serializable.
    pub real_time: bool,
    /// Indexes of the attempts concerned; of a circle, in its order.
    pub attempts: Vec<usize>,
    /// The lists, and how each attempt of a circle stands before the next.
    pub text: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let real_time = if self.real_time { " in real time" } else { "" };
        write!(f, "{}{real_time}: {}", self.class.name(), self.text)
    }
}

/// Judges a history: gives its anomalies, those that explain others first. Of circles, one for each knot of
/// attempts and class.
///
/// Without real time among what orders it takes a time that grows with the operations and with the entries
/// read; with it, the logarithm of the attempts beside.
#[must_use]
pub fn check<K: Ord + Clone + fmt::Debug>(history: &[Attempt<K>]) -> Vec<Anomaly> {
    let (mut anomalies, graph) = order::read(history);
    anomalies.extend(circles(&graph));
    anomalies.sort_by_key(|anomaly| (anomaly.real_time, anomaly.class));
    anomalies
}

/// What makes a circle one of a class: a step of this kind, and a way back by those.
const CIRCLES: [(Class, Step, &[Step]); 4] = [
    (Class::G0, Step::WriteWrite, &[Step::WriteWrite]),
    (
        Class::G1c,
        Step::WriteRead,
        &[Step::WriteWrite, Step::WriteRead],
    ),
    (
        Class::GSingle,
        Step::ReadWrite,
        &[Step::WriteWrite, Step::WriteRead],
    ),
    (
        Class::G2,
        Step::ReadWrite,
        &[Step::WriteWrite, Step::WriteRead, Step::ReadWrite],
    ),
];

fn circles<K: fmt::Debug>(graph: &Graph<K>) -> Vec<Anomaly> {
    let mut found = Vec::new();
    for real_time in [false, true] {
        // What is a circle without it, is one with it.
        if !found.is_empty() || !graph.has_circle(|step| real_time || step != Step::RealTime) {
            continue;
        }
        for (class, through, back) in CIRCLES {
            // A circle through one missed write is also one through several.
            if class == Class::G2 && found.iter().any(|it: &Anomaly| it.class == Class::GSingle) {
                continue;
            }
            let may = |step: Step| back.contains(&step) || (real_time && step == Step::RealTime);
            for circle in graph.circles(through, may) {
                found.push(Anomaly {
                    class,
                    real_time,
                    attempts: graph.attempts(&circle),
                    text: graph.text(&circle),
                });
            }
        }
    }
    found
}
