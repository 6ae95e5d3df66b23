//! What happens to the instances of `Gamma`.

use super::{Handlers, remember};
use crate::generated::{Gamma, GammaAdd, GammaHandlers, GammaTake, GammaTakeRefusal, Note};
use rkcy_runtime::codegen::{Context, Text};

impl GammaHandlers for Handlers {
    fn add(gamma: &mut Gamma, payload: &GammaAdd, _cx: &Context<'_>) -> Result<i64, Text> {
        gamma.n = gamma.n.checked_add(payload.amount).ok_or("overflow")?;
        Ok(gamma.n)
    }

    fn take(
        gamma: &mut Gamma,
        payload: &GammaTake,
        _cx: &Context<'_>,
    ) -> Result<i64, GammaTakeRefusal> {
        let rest = gamma
            .n
            .checked_sub(payload.amount)
            .filter(|rest| *rest >= 0);
        gamma.n = rest.ok_or(GammaTakeRefusal::TooLittle)?;
        Ok(gamma.n)
    }

    fn note(gamma: &mut Gamma, payload: &Note, cx: &Context<'_>) -> Result<(), Text> {
        // The stamp of the submission, so that a clock which is not the log's would show.
        let second = i64::try_from(cx.now() % 1_000).unwrap_or_default();
        remember(&mut gamma.log, payload.n.wrapping_add(second));
        Ok(())
    }

    fn total(gamma: &Gamma, _cx: &Context<'_>) -> Result<i64, Text> {
        Ok(gamma.n)
    }
}
