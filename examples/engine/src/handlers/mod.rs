//! What happens to the instances of each concern.

mod alpha;
mod beta;
mod gamma;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;

/// The longest log that the schema takes.
const MAX_LOG: usize = 64;

/// Appends to a log; the oldest entries make room.
fn remember(log: &mut Vec<i64>, entry: i64) {
    log.push(entry);
    let excess = log.len().saturating_sub(MAX_LOG);
    log.drain(..excess);
}

/// Appends to a log, unless it is full.
fn append(log: &mut Vec<i64>, entry: i64) -> bool {
    let fits = log.len() < MAX_LOG;
    if fits {
        log.push(entry);
    }
    fits
}

/// Takes an entry out of a log.
fn withdraw(log: &mut Vec<i64>, entry: i64) {
    log.retain(|known| *known != entry);
}

#[cfg(test)]
mod tests {
    use super::{Handlers, MAX_LOG, remember};
    use crate::generated::{Beta, BetaAdd, BetaDescribe, BetaHandlers, BetaTake, BetaTakeRefusal};
    use rkcy_runtime::codegen::{Bytes, Context, TxnId, Uuid};

    #[test]
    fn a_log_keeps_the_newest_entries() {
        let mut log = Vec::new();
        (0..100).for_each(|entry| remember(&mut log, entry));
        assert_eq!(log.len(), MAX_LOG);
        assert_eq!(log.last(), Some(&99));
    }

    #[test]
    fn nothing_overflows_and_nobody_takes_more_than_there_is() {
        let caller = Bytes::new();
        let cx = &Context::new(TxnId::from_parts(0, 0), 0, &caller);
        let mut beta = Beta::new(Uuid::nil());
        assert_eq!(Handlers::add(&mut beta, &BetaAdd { amount: 5 }, cx), Ok(5));
        assert_eq!(
            Handlers::take(&mut beta, &BetaTake { amount: 2 }, cx),
            Ok(3)
        );
        assert_eq!(
            Handlers::take(&mut beta, &BetaTake { amount: 4 }, cx),
            Err(BetaTakeRefusal::TooLittle)
        );
        assert!(Handlers::add(&mut beta, &BetaAdd { amount: i64::MAX }, cx).is_err());
        assert!(Handlers::describe(&beta, &BetaDescribe { factor: i64::MAX }, cx).is_err());
        assert_eq!(beta.n, 3);
    }
}
