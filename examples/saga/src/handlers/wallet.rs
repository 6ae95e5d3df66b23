//! What happens to a `Wallet`.

use crate::generated::{Money, Wallet, WalletDebitRefusal, WalletHandlers};
use rkcy_runtime::codegen;

impl WalletHandlers for super::Handlers {
    fn debit(
        wallet: &mut Wallet,
        payload: &Money,
        _: &codegen::Context<'_>,
    ) -> Result<i64, WalletDebitRefusal> {
        if wallet.cents < payload.cents {
            return Err(WalletDebitRefusal::InsufficientFunds);
        }
        wallet.cents -= payload.cents;
        Ok(wallet.cents)
    }

    fn credit_back(wallet: &mut Wallet, payload: &Money, _: &codegen::Context<'_>) {
        wallet.cents = wallet.cents.saturating_add(payload.cents);
    }

    fn credit(
        wallet: &mut Wallet,
        payload: &Money,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        let cents = wallet.cents.checked_add(payload.cents);
        wallet.cents = cents.ok_or("no wallet holds that much")?;
        Ok(())
    }

    fn debit_back(wallet: &mut Wallet, payload: &Money, _: &codegen::Context<'_>) {
        wallet.cents = wallet.cents.saturating_sub(payload.cents);
    }

    fn note(wallet: &mut Wallet, _: &codegen::Context<'_>) {
        wallet.cents = wallet.cents.max(0);
    }

    fn worth(wallet: &Wallet, _: &codegen::Context<'_>) -> i64 {
        wallet.cents
    }
}
