//! What happens to an account: to the money on it.

use crate::generated::{
    Account, AccountDeposit, AccountGiveBack, AccountHandlers, AccountWithdraw,
    AccountWithdrawRefusal,
};
use rkcy_runtime::codegen::{Context, Text};

/// What may leave in a day an account whose tariff is not there. Cents.
const PER_DAY: i64 = 50_000;

impl AccountHandlers for super::Handlers {
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
