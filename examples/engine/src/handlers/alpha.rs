//! What happens to the instances of `Alpha`.

use super::{Handlers, append, remember, withdraw};
use crate::generated::{
    Alpha, AlphaAdd, AlphaAppend, AlphaAppendRefusal, AlphaHandlers, AlphaPoint, AlphaTake,
    AlphaTakeRefusal, AlphaWithdraw, Note,
};
use rkcy_runtime::codegen::{Context, Text};

impl AlphaHandlers for Handlers {
    fn add(alpha: &mut Alpha, payload: &AlphaAdd, _cx: &Context<'_>) -> Result<i64, Text> {
        alpha.n = alpha.n.checked_add(payload.amount).ok_or("overflow")?;
        Ok(alpha.n)
    }

    fn take(
        alpha: &mut Alpha,
        payload: &AlphaTake,
        _cx: &Context<'_>,
    ) -> Result<i64, AlphaTakeRefusal> {
        let rest = alpha
            .n
            .checked_sub(payload.amount)
            .filter(|rest| *rest >= 0);
        alpha.n = rest.ok_or(AlphaTakeRefusal::TooLittle)?;
        Ok(alpha.n)
    }

    fn append(
        alpha: &mut Alpha,
        payload: &AlphaAppend,
        _cx: &Context<'_>,
    ) -> Result<(), AlphaAppendRefusal> {
        match append(&mut alpha.log, payload.entry) {
            true => Ok(()),
            false => Err(AlphaAppendRefusal::Full),
        }
    }

    fn withdraw(alpha: &mut Alpha, payload: &AlphaWithdraw, _cx: &Context<'_>) {
        withdraw(&mut alpha.log, payload.entry);
    }

    fn note(alpha: &mut Alpha, payload: &Note, _cx: &Context<'_>) -> Result<(), Text> {
        remember(&mut alpha.log, payload.n);
        Ok(())
    }

    fn point(alpha: &mut Alpha, payload: &AlphaPoint, _cx: &Context<'_>) {
        alpha.next = payload.next;
    }

    fn total(alpha: &Alpha, _cx: &Context<'_>) -> Result<i64, Text> {
        Ok(alpha.n)
    }
}
