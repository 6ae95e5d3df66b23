//! What may have happened where nobody knows.
//!
//! Transactions whose outcome was never heard, and whose ids are too old to ask for, have happened or
//! not. This decides whether some choice among them explains the money that is there: an exact search,
//! for each group of characters that they connect, with a bound on its steps.

use super::action::Purse;
use super::history::add;
use rkcy_runtime::codegen::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// Steps of the search for one group of characters; a few seconds at most.
const STEPS: usize = 20_000_000;

/// What the search has shown for a group of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Some choice gives exactly what is there.
    Explained,
    /// None does.
    Impossible,
    /// Too many to try.
    Undecided,
}

/// What a transaction changes where it happened.
pub(crate) type Effects = Vec<(Uuid, Purse)>;

/// Verdicts for each group of characters that open transactions connect; `rest` is what each character
/// has more, or less, than the known ones explain.
pub(crate) fn explain(
    rest: &BTreeMap<Uuid, Purse>,
    open: &[Effects],
) -> Vec<(BTreeSet<Uuid>, usize, Verdict)> {
    groups(open)
        .into_iter()
        .map(|(characters, mut open)| {
            // Neighbours follow each other, so that a character is settled, and checked, early.
            open.sort_by_key(|effects| effects.iter().map(|(character, _)| *character).min());
            let verdict = Search::new(&characters, rest, &open).run();
            (characters, open.len(), verdict)
        })
        .collect()
}

/// Characters that transactions connect, with these transactions.
fn groups(open: &[Effects]) -> Vec<(BTreeSet<Uuid>, Vec<Effects>)> {
    let mut groups: Vec<(BTreeSet<Uuid>, Vec<Effects>)> = Vec::new();
    for effects in open.iter().filter(|effects| !effects.is_empty()) {
        let mut characters: BTreeSet<Uuid> = effects.iter().map(|(one, _)| *one).collect();
        let mut members = vec![effects.clone()];
        groups.retain_mut(|(others, theirs)| {
            let apart = others.is_disjoint(&characters);
            if !apart {
                characters.append(others);
                members.append(theirs);
            }
            apart
        });
        groups.push((characters, members));
    }
    groups
}

/// The search for one group.
struct Search<'a> {
    open: &'a [Effects],
    rest: BTreeMap<Uuid, Purse>,
    /// Least and most that the transactions from each on can add to each character.
    reach: Vec<BTreeMap<Uuid, (Purse, Purse)>>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(
        characters: &BTreeSet<Uuid>,
        rest: &BTreeMap<Uuid, Purse>,
        open: &'a [Effects],
    ) -> Search<'a> {
        let mut last: BTreeMap<Uuid, (Purse, Purse)> = characters
            .iter()
            .map(|one| (*one, Default::default()))
            .collect();
        let mut reach = vec![last.clone()];
        for effects in open.iter().rev() {
            for (character, change) in effects {
                let (least, most) = last.entry(*character).or_default();
                add(least, &change.map(|amount| amount.min(0)));
                add(most, &change.map(|amount| amount.max(0)));
            }
            reach.push(last.clone());
        }
        reach.reverse();
        Search {
            open,
            rest: (characters.iter())
                .map(|one| (*one, rest.get(one).copied().unwrap_or_default()))
                .collect(),
            reach,
            steps: 0,
        }
    }

    fn run(mut self) -> Verdict {
        let within = self.rest.keys().copied().collect::<Vec<_>>();
        if !within.iter().all(|one| self.reachable(*one, 0)) {
            return Verdict::Impossible;
        }
        match self.from(0) {
            Some(true) => Verdict::Explained,
            Some(false) => Verdict::Impossible,
            None => Verdict::Undecided,
        }
    }

    /// Whether a choice among the transactions from `nth` on explains the rest; `None`: too many steps.
    fn from(&mut self, nth: usize) -> Option<bool> {
        self.steps += 1;
        if self.steps > STEPS {
            return None;
        }
        let Some(effects) = self.open.get(nth) else {
            return Some(self.rest.values().all(|rest| *rest == Purse::default()));
        };
        for happened in [true, false] {
            if happened {
                self.take(effects, -1);
            }
            let possible = effects.iter().all(|(one, _)| self.reachable(*one, nth + 1));
            let found = if possible {
                self.from(nth + 1)
            } else {
                Some(false)
            };
            if happened {
                self.take(effects, 1);
            }
            if found != Some(false) {
                return found;
            }
        }
        Some(false)
    }

    fn take(&mut self, effects: &Effects, sign: i64) {
        for (character, change) in effects {
            let rest = self.rest.entry(*character).or_default();
            add(rest, &change.map(|amount| sign * amount));
        }
    }

    /// Whether the transactions from `nth` on can add up to what is left of one character.
    fn reachable(&self, character: Uuid, nth: usize) -> bool {
        let (Some(rest), Some((least, most))) =
            (self.rest.get(&character), self.reach[nth].get(&character))
        else {
            return true;
        };
        (0..rest.len()).all(|kind| (least[kind]..=most[kind]).contains(&rest[kind]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn pays(from: u128, to: u128, gold: i64) -> Effects {
        vec![(who(from), [-gold, 0, 0, 0]), (who(to), [gold, 0, 0, 0])]
    }

    fn rest(of: &[(u128, i64)]) -> BTreeMap<Uuid, Purse> {
        of.iter()
            .map(|(one, gold)| (who(*one), [*gold, 0, 0, 0]))
            .collect()
    }

    #[test]
    fn a_choice_that_fits_is_found() {
        let open = [pays(1, 2, 5), pays(1, 2, 3), pays(2, 1, 4)];
        let verdicts = explain(&rest(&[(1, 1), (2, -1)]), &open);
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0].2, Verdict::Explained);
    }

    #[test]
    fn half_a_transaction_fits_nothing() {
        let open = [pays(1, 2, 5), pays(1, 2, 3)];
        let verdicts = explain(&rest(&[(1, -5), (2, 0)]), &open);
        assert_eq!(verdicts[0].2, Verdict::Impossible);
    }

    #[test]
    fn groups_that_share_nobody_are_judged_apart() {
        let open = [pays(1, 2, 5), pays(3, 4, 7), pays(4, 5, 1)];
        let verdicts = explain(&rest(&[(1, -5), (2, 5), (3, 7)]), &open);
        let by_size = |size| verdicts.iter().find(|(group, ..)| group.len() == size);
        assert_eq!(by_size(2).map(|group| &group.2), Some(&Verdict::Explained));
        assert_eq!(by_size(3).map(|group| &group.2), Some(&Verdict::Impossible));
    }
}
