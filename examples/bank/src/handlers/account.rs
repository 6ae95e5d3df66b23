//! What happens to an account: to the money on it.

use crate::generated::{
    Account, AccountAccrue, AccountAccrueRefusal, AccountDeposit, AccountGiveBack, AccountHandlers,
    AccountSetRate, AccountWithdraw, AccountWithdrawRefusal,
};
use rkcy_runtime::codegen::{Context, Decimal, Text};

/// What may leave in a day an account whose tariff is not there. Cents.
const PER_DAY: i64 = 50_000;
/// The parts of a cent that interest is counted in, and the parts of a whole that a rate is counted in.
const CENT: i128 = 1_000_000;
const WHOLE: i128 = 100 * 100;
/// As banks count.
const DAYS_OF_YEAR: i128 = 365;

impl AccountHandlers for super::Handlers {
    fn accrue(
        account: &mut Account,
        payload: &AccountAccrue,
        _cx: &Context<'_>,
    ) -> Result<Decimal<18, 6>, AccountAccrueRefusal> {
        let (balance, days) = (i128::from(account.balance), i128::from(payload.days));
        let parts = account.rate.units() * balance * days * CENT / (WHOLE * DAYS_OF_YEAR);
        let interest = Decimal::from_units(parts).ok_or(AccountAccrueRefusal::TooMuch)?;
        let accrued = account.accrued.checked_add(interest);
        account.accrued = accrued.ok_or(AccountAccrueRefusal::TooMuch)?;
        Ok(interest)
    }

    fn set_rate(account: &mut Account, payload: &AccountSetRate, _cx: &Context<'_>) {
        account.rate = payload.rate;
    }

    fn deposit(
        account: &mut Account,
        payload: &AccountDeposit,
        _cx: &Context<'_>,
    ) -> Result<i64, Text> {
        let balance = account.balance.checked_add(payload.amount);
        account.balance = balance.ok_or_else(|| Text::from("too much for one account"))?;
        Ok(account.balance)
    }

    fn withdraw(
        account: &mut Account,
        payload: &AccountWithdraw,
        _cx: &Context<'_>,
    ) -> Result<i64, AccountWithdrawRefusal> {
        if account.balance < payload.amount {
            return Err(AccountWithdrawRefusal::InsufficientFunds);
        }
        account.balance -= payload.amount;
        Ok(account.balance)
    }

    fn give_back(account: &mut Account, payload: &AccountGiveBack, _cx: &Context<'_>) {
        account.balance = account.balance.saturating_add(payload.amount);
    }

    fn per_day(account: &Account, cx: &Context<'_>) -> i64 {
        let tariff = account.tariff.as_ref().and_then(|tariff| tariff.read(cx));
        tariff.map_or(PER_DAY, |tariff| tariff.per_day)
    }
}
