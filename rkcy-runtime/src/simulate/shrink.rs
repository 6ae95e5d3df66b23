//! A run that breaks a promise, made smaller before anybody has to read it.

use super::Options;

/// So many smaller runs are tried at most.
const TRIES: usize = 300;

/// Fewer transactions, fewer kinds of faults, fewer partitions, as long as `breaks` says that a promise is
/// still broken.
pub fn shrink(options: &Options, mut breaks: impl FnMut(&Options) -> bool) -> Options {
    let mut least = options.clone();
    let mut tries = 0;
    loop {
        let smaller = candidates(&least);
        let found = smaller.into_iter().find(|candidate| {
            tries += 1;
            tries <= TRIES && breaks(candidate)
        });
        match found {
            Some(found) => least = found,
            None => return least,
        }
    }
}

/// The next smaller runs, those that leave out most first.
fn candidates(from: &Options) -> Vec<Options> {
    let fewer = [from.transactions / 4, from.transactions / 2];
    let fewer = fewer
        .into_iter()
        .chain([from.transactions * 3 / 4, from.transactions - 1]);
    let fewer = fewer.filter(|count| *count > 0 && *count < from.transactions);
    let mut smaller: Vec<Options> = fewer
        .map(|transactions| Options {
            transactions,
            ..from.clone()
        })
        .collect();
    smaller.dedup_by_key(|options| options.transactions);
    smaller.extend((1..from.partitions).map(|partitions| Options {
        partitions,
        ..from.clone()
    }));
    if from.faults.len() > 1 {
        smaller.push(Options {
            faults: Default::default(),
            ..from.clone()
        });
    }
    for fault in from.faults.keys() {
        let mut without = from.clone();
        without.faults.remove(fault);
        smaller.push(without);
    }
    smaller
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::Fault;

    #[test]
    fn only_what_is_needed_is_left() {
        let needs = |options: &Options| {
            options.transactions >= 7 && options.faults.contains_key(&Fault::Crash)
        };
        let least = shrink(&Options::default(), needs);
        assert_eq!((least.transactions, least.partitions), (7, 1));
        assert_eq!(least.faults.keys().collect::<Vec<_>>(), [&Fault::Crash]);
    }
}
