//! What happens to the instances of `Beta`.

use super::{Handlers, append, remember, withdraw};
use crate::generated::{
    Beta, BetaAdd, BetaAppend, BetaAppendRefusal, BetaDescribe, BetaDie, BetaHandlers, BetaTake,
    BetaTakeRefusal, BetaWithdraw, Death, Note,
};
use rkcy_runtime::codegen::{Context, Text};

impl BetaHandlers for Handlers {
    fn add(beta: &mut Beta, payload: &BetaAdd, _cx: &Context<'_>) -> Result<i64, Text> {
        beta.n = beta.n.checked_add(payload.amount).ok_or("overflow")?;
        Ok(beta.n)
    }

    fn take(
        beta: &mut Beta,
        payload: &BetaTake,
        _cx: &Context<'_>,
    ) -> Result<i64, BetaTakeRefusal> {
        let rest = beta.n.checked_sub(payload.amount).filter(|rest| *rest >= 0);
        beta.n = rest.ok_or(BetaTakeRefusal::TooLittle)?;
        Ok(beta.n)
    }

    fn append(
        beta: &mut Beta,
        payload: &BetaAppend,
        _cx: &Context<'_>,
    ) -> Result<(), BetaAppendRefusal> {
        match append(&mut beta.log, payload.entry) {
            true => Ok(()),
            false => Err(BetaAppendRefusal::Full),
        }
    }

    fn withdraw(beta: &mut Beta, payload: &BetaWithdraw, _cx: &Context<'_>) {
        withdraw(&mut beta.log, payload.entry);
    }

    fn note(beta: &mut Beta, payload: &Note, _cx: &Context<'_>) -> Result<(), Text> {
        remember(&mut beta.log, payload.n);
        Ok(())
    }

    fn total(beta: &Beta, _cx: &Context<'_>) -> Result<i64, Text> {
        Ok(beta.n)
    }

    fn describe(beta: &Beta, payload: &BetaDescribe, _cx: &Context<'_>) -> Result<Note, Text> {
        Ok(Note {
            from: beta.id(),
            n: beta.n.checked_mul(payload.factor).ok_or("overflow")?,
        })
    }

    fn die(beta: &mut Beta, payload: &BetaDie, _cx: &Context<'_>) {
        match payload.by {
            Death::Abort => std::process::abort(),
            Death::Overflow => beta.n = deeper(beta.n),
            Death::Spin => loop {
                std::hint::spin_loop();
            },
        }
    }
}

/// Calls itself until there is no stack left.
fn deeper(n: i64) -> i64 {
    let frame = std::hint::black_box([n; 64]);
    match frame[0] {
        i64::MIN => 0,
        n => deeper(n.wrapping_add(1)).wrapping_add(frame[1]),
    }
}
