//! What the functions of the schema give.

use crate::generated::{Functions, Items, Named, OrderLine, Taken, Wanted};
use std::collections::BTreeSet;

/// Of ten thousand, all.
const WHOLE: i64 = 10_000;

impl Functions for super::Handlers {
    fn order_lines(wanted: &[Wanted], taken: &[Taken]) -> Vec<OrderLine> {
        let lines = wanted.iter().zip(taken);
        lines
            .map(|(wanted, taken)| OrderLine {
                item: wanted.item,
                supplier: *wanted.supplier.key(),
                quantity: wanted.quantity,
                amount: taken.price * i64::from(wanted.quantity),
                district: taken.district.clone(),
            })
            .collect()
    }

    fn all_local(warehouse: u32, wanted: &[Wanted]) -> bool {
        wanted.iter().all(|it| *it.supplier.key() == warehouse)
    }

    fn is_remote(warehouse: u32, supplier: u32) -> bool {
        warehouse != supplier
    }

    fn count(wanted: &[Wanted]) -> u32 {
        u32::try_from(wanted.len()).unwrap_or(u32::MAX)
    }

    fn all_districts() -> Vec<u32> {
        (1..=10).collect()
    }

    fn total(lines: &[OrderLine], warehouse_tax: u32, district_tax: u32, discount: u32) -> i64 {
        let sum: i64 = lines.iter().map(|line| line.amount).sum();
        let discounted = sum * (WHOLE - i64::from(discount)) / WHOLE;
        discounted * (WHOLE + i64::from(warehouse_tax) + i64::from(district_tax)) / WHOLE
    }

    fn middle(customers: &[Named]) -> u32 {
        let mut sorted: Vec<&Named> = customers.iter().collect();
        sorted.sort_by_key(|named| (&named.first, named.customer));
        let middle = sorted.len().div_ceil(2).saturating_sub(1);
        sorted.get(middle).map_or(0, |named| named.customer)
    }

    fn last_twenty(next: u32) -> Vec<u32> {
        (next.saturating_sub(20).max(1)..next).collect()
    }

    fn distinct(orders: &[Items]) -> Vec<u32> {
        let items = orders.iter().flat_map(|order| &order.items);
        let items: BTreeSet<u32> = items.copied().collect();
        items.into_iter().collect()
    }

    fn below(threshold: i32, left: &[i32]) -> u32 {
        let below = left.iter().filter(|left| **left < threshold).count();
        u32::try_from(below).unwrap_or(u32::MAX)
    }
}
