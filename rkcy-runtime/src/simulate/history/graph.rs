//! Which attempt stands before which, and the circles in that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

/// Why one attempt stands before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Its entry stands before the other's.
    WriteWrite,
    /// The other read its entry.
    WriteRead,
    /// It read a list without the other's entry.
    ReadWrite,
    /// It was heard of before the other was asked for.
    RealTime,
}

/// Attempts, by their index, and behind them moments of real time.
pub(super) struct Graph<'a, K> {
    attempts: usize,
    links: Vec<BTreeMap<(usize, Step), Option<&'a K>>>,
}

/// Links of a circle: from, to, why.
pub(super) type Circle = Vec<(usize, usize, Step)>;

impl<'a, K: Debug> Graph<'a, K> {
    /// Whether there is any circle of these links.
    pub(super) fn has_circle(&self, may: impl Fn(Step) -> bool) -> bool {
        let knots = self.knots(&may);
        let mut sizes = vec![0_usize; self.links.len()];
        knots.iter().any(|knot| {
            sizes[*knot] += 1;
            sizes[*knot] > 1
        })
    }

    /// The shortest circle through a link of the kind `through`, back by links that may be gone: one for each
    /// knot.
    pub(super) fn circles(&self, through: Step, may: impl Fn(Step) -> bool) -> Vec<Circle> {
        let knots = self.knots(|step| step == through || may(step));
        let (mut done, mut circles) = (BTreeSet::new(), Vec::new());
        for (from, links) in self.links.iter().enumerate() {
            for (to, step) in links.keys() {
                if *step != through || knots[from] != knots[*to] || done.contains(&knots[from]) {
                    continue;
                }
                if let Some(back) = self.way(*to, from, &may) {
                    done.insert(knots[from]);
                    circles.push([(from, *to, *step)].into_iter().chain(back).collect());
                }
            }
        }
        circles
    }

    /// The attempts of a circle.
    pub(super) fn attempts(&self, circle: &Circle) -> Vec<usize> {
        let from = circle.iter().map(|(from, ..)| *from);
        from.filter(|node| *node < self.attempts).collect()
    }

    /// A circle in words.
    pub(super) fn text(&self, circle: &Circle) -> String {
        let mut text = String::new();
        for (from, to, step) in circle {
            let list = self.links[*from].get(&(*to, *step)).copied().flatten();
            let list = list.map(|list| format!(" to {list:?}")).unwrap_or_default();
            let attempt = *from < self.attempts;
            match step {
                Step::WriteWrite => text += &format!("#{from} appended{list} before "),
                Step::WriteRead => text += &format!("#{from} appended{list} what was read by "),
                Step::ReadWrite => {
                    text += &format!("#{from} has not read what was appended{list} by ")
                }
                Step::RealTime if attempt => {
                    text += &format!("#{from} was heard of before the asking of ")
                }
                Step::RealTime => {}
            }
        }
        if let Some((first, ..)) = circle.first() {
            text += &format!("#{first}");
        }
        text
    }

    /// The shortest way.
    fn way(&self, from: usize, to: usize, may: impl Fn(Step) -> bool) -> Option<Circle> {
        let mut came: BTreeMap<usize, (usize, Step)> = BTreeMap::new();
        let mut next = VecDeque::from([from]);
        while let Some(here) = next.pop_front() {
            if here == to {
                let (mut way, mut at) = (Circle::new(), to);
                while at != from {
                    let (before, step) = came[&at];
                    way.push((before, at, step));
                    at = before;
                }
                way.reverse();
                return Some(way);
            }
            for (there, step) in self.links[here].keys() {
                if may(*step) && *there != from && !came.contains_key(there) {
                    came.insert(*there, (here, *step));
                    next.push_back(*there);
                }
            }
        }
        None
    }

    /// For each node the number of its knot: the nodes that are on circles with each other (Tarjan's strongly
    /// connected components, without recursion).
    fn knots(&self, may: impl Fn(Step) -> bool) -> Vec<usize> {
        const NEW: usize = usize::MAX;
        let count = self.links.len();
        let next: Vec<Vec<usize>> = (self.links.iter())
            .map(|links| {
                let may = links.keys().filter(|(_, step)| may(*step));
                may.map(|(to, _)| *to).collect()
            })
            .collect();
        let (mut index, mut low, mut knots) = (vec![NEW; count], vec![0; count], vec![NEW; count]);
        let (mut stack, mut indexes, mut found) = (Vec::new(), 0, 0);
        for root in 0..count {
            if index[root] != NEW {
                continue;
            }
            let mut path = vec![(root, 0)];
            while let Some((node, at)) = path.pop() {
                if at == 0 {
                    (index[node], low[node]) = (indexes, indexes);
                    indexes += 1;
                    stack.push(node);
                }
                if let Some(to) = next[node].get(at) {
                    path.push((node, at + 1));
                    if index[*to] == NEW {
                        path.push((*to, 0));
                    } else if knots[*to] == NEW {
                        low[node] = low[node].min(index[*to]);
                    }
                    continue;
                }
                if low[node] == index[node] {
                    while let Some(member) = stack.pop() {
                        knots[member] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        knots
    }
}

impl<'a, K> Graph<'a, K> {
    pub(super) fn new(attempts: usize) -> Graph<'a, K> {
        Graph {
            attempts,
            links: (0..attempts).map(|_| BTreeMap::new()).collect(),
        }
    }

    /// Adds a moment of real time.
    pub(super) fn moment(&mut self) -> usize {
        self.links.push(BTreeMap::new());
        self.links.len() - 1
    }

    pub(super) fn link(&mut self, from: usize, to: usize, step: Step, list: Option<&'a K>) {
        self.links[from].entry((to, step)).or_insert(list);
    }
}
