//! Operators who edit configuration, and what must hold of it.
//!
//! Owns the edits of a run, some of which cross, and three checks that read nothing but the records of the logs: what
//! each partition knows at the end is what the topic says; at no position does it know less than before; and
//! what each step has seen, for the serial execution to be told the same.

use super::cluster::Cluster;
use super::faults::Fault;
use super::member::Member;
use super::observe::Violation;
use super::overheard::{Listener, Overheard};
use super::serial::{Beside, Seen};
use super::values::{Values, at_random};
use crate::codegen::{self, Bytes, Call, Logic, RowKey, TxnId};
use crate::log::StreamId;
use rand::RngExt;
use rkcy_core::config::{Configs, Edit, Entry, Topic};
use rkcy_core::frame::{Body, Envelope, Kind};
use rkcy_core::id::PartitionId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often an operator edits something, in each step of a run.
const EDITS: f64 = 0.03;

/// What operators know.
pub(super) struct Operators {
    values: Arc<Values>,
    /// The topic, as one of them has read it last.
    topic: Topic,
}

impl Operators {
    /// For a platform that has configuration.
    pub(super) fn new(desc: &'static codegen::PlatformDesc) -> Option<Operators> {
        (!desc.configs.is_empty()).then(|| Operators {
            values: Arc::new(Values::new(desc)),
            topic: Topic::default(),
        })
    }
}

/// Reads what is durable of the topic.
pub(super) fn read_on(topic: &mut Topic, logs: &super::logs::Logs) {
    let stream = logs.stream(StreamId::CONFIG);
    while let Some((stamp, bytes)) = stream.get(topic.next_offset(), true) {
        topic.take(topic.next_offset(), stamp, bytes);
    }
}

impl Cluster<'_> {
    /// Now and then an operator edits an object, by what it has read a moment or longer ago.
    pub(super) fn edit_configs(&mut self) {
        let Some(mut operators) = self.operators.take() else {
            return;
        };
        if self.rng.random_bool(EDITS) {
            self.edit_one(&mut operators);
        }
        self.operators = Some(operators);
    }

    fn edit_one(&mut self, operators: &mut Operators) {
        if self.rng.random_bool(0.7) {
            read_on(&mut operators.topic, &self.logs);
        }
        let Some(config) = at_random(&mut self.rng, self.desc.configs) else {
            return;
        };
        let values = Arc::clone(&operators.values);
        let drawn = self.draw_object(&values, config.fields);
        // What breaks a constraint is refused where it is edited.
        let Ok((key, value)) = drawn.and_then(config.from_json) else {
            self.observer.count("config: refused");
            return;
        };
        let removed = !config.required && self.rng.random_bool(0.1);
        let edit = Edit {
            object: config.object(key),
            value: (!removed).then_some(value),
            read: operators.topic.next_offset(),
            by: "operator".to_owned(),
            restates: None,
        };
        self.observer.count("config: edits");
        let text = config.object_text(&edit.object);
        let what = if removed { "removes" } else { "edits" };
        self.observer.note(|| format!("operator {what} {text}"));
        let mut frame = edit.frame();
        if self.happens(Fault::Unreadable) {
            frame = self.make_unreadable(&frame);
        }
        self.append(StreamId::CONFIG, frame);
        for edit in operators.topic.unsettled() {
            self.append(StreamId::CONFIG, edit.frame());
        }
    }

    /// A worker reads the topic, and tells its partition; whether there was anything to tell.
    pub(super) fn tell_configs(&mut self, nth: usize) -> bool {
        if self.desc.configs.is_empty() {
            return false;
        }
        let member = &mut self.members[nth];
        read_on(&mut member.topic, &self.logs);
        let frames = member.worker.tell_configs(&member.topic);
        let (any, to) = (!frames.is_empty(), StreamId::commands(member.partition));
        for frame in frames {
            self.observer.count("config: told");
            match self.draw.atomic {
                true => drop(self.append(to, frame)),
                false => self.members[nth].push_news(to, frame),
            }
        }
        any
    }

    /// The same, sooner or later.
    pub(super) fn may_tell_configs(&mut self, nth: usize) {
        if !self.desc.configs.is_empty() && self.rng.random_bool(0.3) {
            self.tell_configs(nth);
        }
    }
}

/// What each partition knows is what the topic says: of each object the last edit that counts.
pub(super) fn check_known(cluster: &Cluster<'_>) -> Result<(), Violation> {
    let stream = cluster.logs.stream(StreamId::CONFIG);
    let records =
        (stream.start()..stream.end()).map_while(|at| Some((at, stream.get(at, true)?.1)));
    let mut counted: BTreeMap<RowKey, (u64, Option<Bytes>)> = BTreeMap::new();
    for (offset, bytes) in records {
        let Some(edit) = Edit::of_frame(bytes).filter(|edit| edit.restates.is_none()) else {
            continue;
        };
        let last = counted.get(&edit.object);
        if last.is_none_or(|(last, _)| *last < edit.read) {
            counted.insert(edit.object, (offset, edit.value));
        }
    }
    let wanted: Configs = (counted.into_iter())
        .map(|(object, (offset, value))| {
            let version = offset + 1;
            (object, Entry { version, value })
        })
        .collect();
    let wrong = |id: &&PartitionId| {
        let owner = cluster.members.iter().rfind(|it| it.partition == **id);
        owner.is_some_and(|member: &Member| member.worker.partition().state().configs != wanted)
    };
    match cluster.partitions().iter().find(wrong) {
        None => Ok(()),
        Some(id) => Err(Violation(format!(
            "{id}: the configuration that is known is not what its topic says"
        ))),
    }
}

/// What a partition must know of the configuration, by the records of its log alone, while that is applied again.
pub(super) struct Watched {
    id: PartitionId,
    known: Arc<Configs>,
}

impl Watched {
    pub(super) fn new(id: PartitionId) -> Watched {
        Watched {
            id,
            known: Arc::default(),
        }
    }

    /// The next envelope is about to be applied.
    pub(super) fn take(&mut self, envelope: &Envelope, damaged: bool) {
        if envelope.head.kind != Kind::Config || damaged {
            return;
        }
        let Ok(Body::Config(news)) = Body::decode(Kind::Config, envelope.body.clone()) else {
            return;
        };
        let known = Arc::make_mut(&mut self.known);
        match known.get(&news.object) {
            Some(before) if before.version >= news.entry.version => {}
            _ => drop(known.insert(news.object, news.entry)),
        }
    }

    pub(super) fn known(&self) -> &Arc<Configs> {
        &self.known
    }

    /// It has been applied.
    pub(super) fn check(&self, known: &Configs) -> Result<(), Violation> {
        match *known == *self.known {
            true => Ok(()),
            false => Err(Violation(format!(
                "{}: an older configuration has taken the place of a newer one",
                self.id
            ))),
        }
    }
}

/// A note of what each step may have seen.
pub(super) struct Noting {
    /// Whether there is anything to see.
    notes: bool,
    noted: Mutex<(Arc<Configs>, Seen)>,
}

impl Noting {
    pub(super) fn new(logic: Arc<dyn Logic>, notes: bool) -> Arc<Overheard<Noting>> {
        let noted = Mutex::default();
        Overheard::new(logic, Noting { notes, noted })
    }

    fn noted(&self) -> MutexGuard<'_, (Arc<Configs>, Seen)> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is run from here on sees this.
    pub(super) fn shows(&self, known: &Arc<Configs>) {
        self.noted().0 = Arc::clone(known);
    }

    /// What was run has had no effect: it runs again.
    pub(super) fn runs_again(&self) {
        self.noted().1.forget_application();
    }

    /// An application is over.
    pub(super) fn applied(&self) {
        self.noted().1.keep_application();
    }

    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut self.noted().1)
    }
}

impl Listener for Noting {
    fn hears(&self, call: &Call<'_>) {
        let views = call.context.views();
        if self.notes || !views.is_empty() {
            let step: (TxnId, u16, u16) = (call.context.txn_id(), call.context.step(), call.op);
            let (known, seen) = &mut *self.noted();
            let beside = Beside {
                configs: Arc::clone(known),
                views: views.clone(),
            };
            seen.note(step, beside);
        }
    }
}
