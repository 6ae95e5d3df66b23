//! What the customers of the bank do under simulation, and what must hold of their money.

use crate::generated::txn::{
    Accrue, AddAccount, Deposit, Open, Pay, PayAll, SetRate, Settle, Transfer, Withdraw,
};
use crate::generated::{Account, Customer, CustomerBlock, Day, Payment, Receipt, Tariff};
use rand::RngExt;
use rkcy_runtime::codegen::{Bytes, ConfigRef, Decimal, Fault, Ref, Transaction, Txn, encode};
use rkcy_runtime::simulate::{Request, Workload, World, payload};
use std::collections::BTreeMap;

/// What accrues. Cents.
type Interest = Decimal<18, 6>;

/// Accounts that are opened at the start of a run; few, so that they are contended.
const OPENED: usize = 6;

/// A handful of customers who pay each other, now and then more than they may.
#[derive(Debug)]
pub struct Counter;

impl Workload for Counter {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        let (Some(one), Some(other)) = (request.any_key::<Account>(), request.any_key::<Account>())
        else {
            return open(nth, request);
        };
        if nth < OPENED {
            return open(nth, request);
        }
        let (from, to) = (Ref::new(one), Ref::new(other));
        let amount = request.rng.random_range(1..30_000);
        match request.rng.random_range(0..100) {
            0..30 => request.transaction(&Deposit { to, amount }),
            30..38 => request.transaction(&Withdraw { from, amount }),
            38..58 => request.transaction(&Transfer { from, to, amount }),
            58..66 => {
                let payments = (0..request.rng.random_range(1..=6)).filter_map(|_| {
                    let to = Ref::new(request.any_key::<Account>()?);
                    let amount = request.rng.random_range(1..5_000);
                    Some(Payment { to, amount })
                });
                let payments = payments.collect();
                request.transaction(&PayAll { from, payments })
            }
            66..76 => match request.any_key::<Customer>() {
                Some(payer) => request.transaction(&Pay {
                    payer: Ref::new(payer),
                    from,
                    to,
                    amount,
                }),
                None => open(nth, request),
            },
            76..84 => request.transaction(&Settle { from, to, amount }),
            84..86 => {
                let days = request.rng.random_range(0..400);
                request.transaction(&Accrue {
                    account: from,
                    days,
                })
            }
            86..88 => {
                let rate = Decimal::from_units(request.rng.random_range(0..500));
                let rate = rate.unwrap_or_default();
                request.transaction(&SetRate {
                    account: from,
                    rate,
                })
            }
            88..91 => open(nth, request),
            91..94 => add_account(nth, request),
            94..97 => block(nth, request),
            _ => request.single::<Account>(&one, "get", Bytes::new()),
        }
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        let here: i64 = (world.all::<Account>()?.iter())
            .map(|account| account.balance)
            .sum();
        let came = amounts(world, Deposit::NUMBER)?;
        let left = amounts(world, Withdraw::NUMBER)?;
        if here != came - left {
            return Err(format!(
                "{here} cents are there; {came} came in and {left} left"
            ));
        }
        accrued(world)?;
        // Each day of each account holds what those were told who moved money in it.
        let mut spent = BTreeMap::<_, i64>::new();
        for number in [
            Withdraw::NUMBER,
            Transfer::NUMBER,
            PayAll::NUMBER,
            Pay::NUMBER,
        ] {
            for receipt in receipts(world, number) {
                let receipt = receipt?;
                *spent.entry((receipt.account, receipt.day)).or_default() += receipt.amount;
            }
        }
        for day in world.all::<Day>()? {
            let told = spent.remove(&(*day.account().key(), day.day()));
            if day.spent != told.unwrap_or(0) {
                return Err(format!("{told:?} cents were told of, in {day:?}"));
            }
        }
        match spent.is_empty() {
            true => Ok(()),
            false => Err(format!("no row for what was spent: {spent:?}")),
        }
    }
}

fn receipts(world: &World, number: u32) -> impl Iterator<Item = Result<Receipt, String>> {
    (world.committed(number)).map(|(_, result)| payload::<Receipt>(result))
}

/// Each part of a cent that has accrued was told to somebody.
fn accrued(world: &World) -> Result<(), String> {
    let told = (world.committed(Accrue::NUMBER)).map(|(_, result)| payload::<Interest>(result));
    let told = told.map(|interest| Ok(interest?.units()));
    let told: i128 = told.sum::<Result<i128, String>>()?;
    let accounts = world.all::<Account>()?;
    let here: i128 = accounts.iter().map(|it| it.accrued.units()).sum();
    match here == told {
        true => Ok(()),
        false => Err(format!(
            "{here} parts of a cent accrued, and {told} were told"
        )),
    }
}

/// Cents, of all transactions of one kind.
fn amounts(world: &World, number: u32) -> Result<i64, String> {
    receipts(world, number)
        .map(|receipt| Ok(receipt?.amount))
        .sum()
}

fn open(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    // Some want an address that another has.
    let wanted = match request.rng.random_range(0..20) {
        0 if nth > OPENED => nth / 2,
        _ => nth,
    };
    let tariff = tariff(request);
    request.transaction(&Open {
        email: format!("customer-{wanted}@example.org"),
        tariff,
    })
}

fn add_account(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    let Some(owner) = request.any_key::<Customer>() else {
        return open(nth, request);
    };
    let owner = Ref::new(owner);
    let tariff = tariff(request);
    request.transaction(&AddAccount { owner, tariff })
}

fn block(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    let Some(key) = request.any_key::<Customer>() else {
        return open(nth, request);
    };
    let blocked = request.rng.random_bool(0.5);
    let args = encode(&CustomerBlock { blocked });
    request.single::<Customer>(&key, "block", args)
}

/// Some accounts have the tariff of somebody's choice, which may be there or not.
fn tariff(request: &mut Request<'_>) -> Option<ConfigRef<Tariff>> {
    let code = *["a", "b", "c"].get(request.rng.random_range(0..6))?;
    Some(ConfigRef::new(code.to_owned()))
}
