//! What the lists tell: what is wrong without any circle, and which attempt stands before which.

use super::graph::{Graph, Step};
use super::{Anomaly, Attempt, Class, Heard, Op};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// What is known of one list.
#[derive(Default)]
struct List<'a> {
    /// Who appended an entry.
    writers: BTreeMap<i64, usize>,
    /// The last entry that an attempt appended.
    last_of: BTreeMap<usize, i64>,
    /// Who read it, and what others had written there.
    reads: Vec<(usize, &'a [i64])>,
    /// The longest that anybody read: the order of its entries.
    longest: &'a [i64],
}

/// Reads a history.
pub(super) fn read<K: Ord + Clone + Debug>(history: &[Attempt<K>]) -> (Vec<Anomaly>, Graph<'_, K>) {
    let mut anomalies = Vec::new();
    let mut lists: BTreeMap<&K, List<'_>> = BTreeMap::new();
    for (who, attempt) in history.iter().enumerate() {
        for op in &attempt.ops {
            if let Op::Append { list, entry } = op {
                let list = lists.entry(list).or_default();
                list.writers.insert(*entry, who);
                list.last_of.insert(who, *entry);
            }
        }
    }
    for (who, attempt) in history.iter().enumerate() {
        if matches!(attempt.heard, Heard::Committed { .. }) {
            read_attempt(who, attempt, &mut lists, &mut anomalies);
        }
    }
    let mut graph = Graph::new(history.len());
    for (name, list) in &lists {
        judge(history, name, list, &mut anomalies);
        link(history, name, list, &mut graph);
    }
    link_in_time(history, &mut graph);
    (anomalies, graph)
}

fn anomaly<K: Debug>(class: Class, attempts: Vec<usize>, list: &K, what: &str) -> Anomaly {
    Anomaly {
        class,
        real_time: false,
        text: format!("{list:?}: {what}"),
        attempts,
    }
}

/// Takes what an attempt read, without its own entries.
fn read_attempt<'a, K: Ord + Clone + Debug>(
    who: usize,
    attempt: &'a Attempt<K>,
    lists: &mut BTreeMap<&'a K, List<'a>>,
    anomalies: &mut Vec<Anomaly>,
) {
    // Its own entries so far, and what it found of others.
    let mut mine: BTreeMap<&K, Vec<i64>> = BTreeMap::new();
    let mut found: BTreeMap<&K, &[i64]> = BTreeMap::new();
    for op in &attempt.ops {
        match op {
            Op::Append { list, entry } => mine.entry(list).or_default().push(*entry),
            Op::Read { entries: None, .. } => {}
            Op::Read {
                list: name,
                entries: Some(entries),
            } => {
                let list = lists.entry(name).or_default();
                let own = mine.get(name).map_or(&[][..], Vec::as_slice);
                let Some(others) = entries.strip_suffix(own) else {
                    let what = format!("#{who} read {entries:?} after it had appended {own:?}");
                    anomalies.push(anomaly(Class::Internal, vec![who], name, &what));
                    continue;
                };
                let before = *found.entry(name).or_insert(others);
                if before != others {
                    let what = format!("#{who} read {before:?}, and then {others:?}");
                    anomalies.push(anomaly(Class::Internal, vec![who], name, &what));
                }
                list.reads.push((who, others));
                if entries.len() > list.longest.len() {
                    list.longest = entries;
                }
            }
        }
    }
}

/// What is wrong with the reads of a list by themselves.
fn judge<K: Debug>(
    history: &[Attempt<K>],
    name: &K,
    list: &List<'_>,
    anomalies: &mut Vec<Anomaly>,
) {
    let mut seen = BTreeSet::new();
    for entry in list.longest {
        if !seen.insert(entry) {
            let what = format!("{entry} stands in it twice: {:?}", list.longest);
            anomalies.push(anomaly(Class::Duplicate, Vec::new(), name, &what));
        }
    }
    for (who, entries) in &list.reads {
        let mut report = |class, other: Option<usize>, what: String| {
            let attempts = [Some(*who), other].into_iter().flatten().collect();
            anomalies.push(anomaly(class, attempts, name, &what));
        };
        if !list.longest.starts_with(entries) {
            let what = format!("#{who} read {entries:?}, another {:?}", list.longest);
            report(Class::Incompatible, None, what);
        }
        for entry in *entries {
            match list.writers.get(entry) {
                None => {
                    let what = format!("#{who} read {entry}, which nobody appended");
                    report(Class::Garbage, None, what);
                }
                Some(writer) if history[*writer].heard == Heard::Refused => {
                    let what = format!("#{who} read {entry} of #{writer}, which was refused");
                    report(Class::G1a, Some(*writer), what);
                }
                Some(_) => {}
            }
        }
        let last = entries.last();
        if let Some((last, writer)) = last.and_then(|it| Some((it, list.writers.get(it)?)))
            && writer != who
            && list.last_of.get(writer) != Some(last)
        {
            let what = format!("#{who} read up to {last} of #{writer}, which appended more");
            report(Class::G1b, Some(*writer), what);
        }
    }
}

/// Which attempt stands before which because of a list.
fn link<'a, K: Debug>(
    history: &[Attempt<K>],
    name: &'a K,
    list: &List<'_>,
    graph: &mut Graph<'a, K>,
) {
    let writer = |entry: &i64| {
        let writer = list.writers.get(entry).copied();
        writer.filter(|writer| history[*writer].heard != Heard::Refused)
    };
    let mut link = |from: Option<usize>, to: Option<usize>, step| {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            graph.link(from, to, step, Some(name));
        }
    };
    for pair in list.longest.windows(2) {
        link(writer(&pair[0]), writer(&pair[1]), Step::WriteWrite);
    }
    // Entries that nobody has read yet came behind all that anybody did. Of attempts of which nothing was
    // heard it is not known whether there are any.
    let seen: BTreeSet<i64> = list.longest.iter().copied().collect();
    let unseen = list.writers.iter().filter(|(entry, writer)| {
        !seen.contains(entry) && matches!(history[**writer].heard, Heard::Committed { .. })
    });
    let unseen: BTreeSet<usize> = unseen.map(|(_, writer)| *writer).collect();
    for later in &unseen {
        let last = list.longest.last().and_then(writer);
        link(last, Some(*later), Step::WriteWrite);
    }
    for (who, entries) in &list.reads {
        link(entries.last().and_then(writer), Some(*who), Step::WriteRead);
        match list.longest.get(entries.len()) {
            Some(next) => link(Some(*who), writer(next), Step::ReadWrite),
            None => {
                for later in &unseen {
                    link(Some(*who), Some(*later), Step::ReadWrite);
                }
            }
        }
    }
}

/// Who was asked for after another was heard of stands behind it. One node for each answer, in a chain, keeps
/// the links few.
fn link_in_time<K>(history: &[Attempt<K>], graph: &mut Graph<'_, K>) {
    let heard = |(who, attempt): (usize, &Attempt<K>)| match attempt.heard {
        Heard::Committed { at } => Some((at, who)),
        Heard::Refused | Heard::Nothing => None,
    };
    let mut answers: Vec<(u64, usize)> = history.iter().enumerate().filter_map(heard).collect();
    answers.sort_unstable();
    let mut moments = Vec::with_capacity(answers.len());
    for (_, who) in &answers {
        let moment = graph.moment();
        graph.link(*who, moment, Step::RealTime, None);
        if let Some(before) = moments.last() {
            graph.link(*before, moment, Step::RealTime, None);
        }
        moments.push(moment);
    }
    for (who, attempt) in history.iter().enumerate() {
        let before = answers.partition_point(|(at, _)| *at < attempt.asked);
        if attempt.heard != Heard::Refused
            && let Some(moment) = before.checked_sub(1).and_then(|nth| moments.get(nth))
        {
            graph.link(*moment, who, Step::RealTime, None);
        }
    }
}
