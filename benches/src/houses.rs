//! The load of the benchmarks of groups: warehouses with their stock, picked from and ordered of.

use group::generated::txn::{NewOrder, Pick};
use group::generated::{Line, Stock};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rkcy_runtime::codegen::Ref;
use uuid::Uuid;

/// Warehouses.
pub(crate) const HOUSES: u32 = 100;
/// Items that each of them has.
const ITEMS: u32 = 100;

/// Codes of the warehouses.
pub(crate) fn codes() -> impl Iterator<Item = String> {
    (0..HOUSES).map(code)
}

/// Code of one of them.
pub(crate) fn any(rng: &mut ChaCha8Rng) -> String {
    code(rng.random_range(0..HOUSES))
}

fn code(house: u32) -> String {
    format!("W{house}")
}

/// What a warehouse has of each item: enough.
pub(crate) fn stocks(code: &str) -> impl Iterator<Item = Stock> {
    (0..ITEMS).map(move |item| {
        let mut stock = Stock::new(Ref::new(code.to_owned()), Ref::new(item));
        stock.quantity = 1_000_000_000;
        stock
    })
}

/// So many items, one after the other, leave a warehouse: as many steps.
pub(crate) fn pick(rng: &mut ChaCha8Rng, warehouse: String, lines: u32) -> Pick {
    let first = rng.random_range(0..ITEMS);
    Pick {
        warehouse: Ref::new(warehouse),
        lines: (first..first + lines)
            .map(|nth| line(nth % ITEMS))
            .collect(),
    }
}

/// An order of ten lines.
pub(crate) fn order(rng: &mut ChaCha8Rng, warehouse: String) -> NewOrder {
    NewOrder {
        lines: (0..10).map(|_| line(rng.random_range(0..ITEMS))).collect(),
        warehouse: Ref::new(warehouse),
        district: 1,
        customer: Uuid::nil(),
    }
}

fn line(item: u32) -> Line {
    Line {
        item: Ref::new(item),
        quantity: 1,
    }
}
