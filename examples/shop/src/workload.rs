//! What shoppers do under simulation, and what must hold of goods and money.

use crate::generated::txn::{Cancel, Describe, Forget, Join, Pay, Place, Send, StockUp};
use crate::generated::{Customer, Delivery, Functions, Order, Product, Stage, Wanted, Way};
use crate::handlers::Handlers;
use rand::RngExt;
use rkcy_runtime::codegen::{Bytes, Fault, Ref, Transaction, Txn, serde_json};
use rkcy_runtime::simulate::{Request, Workload, World, payload};
use std::collections::BTreeMap;

/// Customers that join at the start of a run; as many products come after them.
const FIRST: usize = 4;

/// A handful of customers who want the same few products, of which there are not always enough.
#[derive(Debug)]
pub struct Shoppers;

impl Workload for Shoppers {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        let customer = request.any_key::<Customer>().map(Ref::new);
        let order = request.any_key::<Order>().map(Ref::new);
        let customer = match (nth, customer) {
            (FIRST.., Some(customer)) => customer,
            _ => return join(nth, request),
        };
        let order = match (nth, order) {
            (..8, _) => return stock_up(nth, request),
            (_, Some(order)) => order,
            (_, None) => return place(nth, request, customer),
        };
        match request.rng.random_range(0..100) {
            0..12 => stock_up(nth, request),
            12..45 => place(nth, request, customer),
            45..65 => request.transaction(&Pay { customer, order }),
            65..75 => request.transaction(&Send { order }),
            75..87 => request.transaction(&Cancel { customer, order }),
            87..92 => request.transaction(&Forget { order }),
            92..95 => request.single::<Customer>(customer.key(), "owes", Bytes::new()),
            95..97 => request.single::<Customer>(customer.key(), "delete", Bytes::new()),
            97 => join(nth, request),
            98 => describe(request),
            _ => request.single::<Order>(order.key(), "get", Bytes::new()),
        }
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        let orders = world.all::<Order>()?;
        // What came into the house is on the shelves, or in an order that stands.
        let mut there = BTreeMap::<_, i64>::new();
        for product in world.all::<Product>()? {
            if product.traits.values().any(String::is_empty) {
                return Err(format!("a trait says nothing: {product:?}"));
            }
            *there.entry(product.sku().to_owned()).or_default() += i64::from(product.stock);
        }
        for order in orders
            .iter()
            .filter(|order| order.stage != Stage::Cancelled)
        {
            for line in &order.lines {
                *there.entry(line.product.clone()).or_default() += i64::from(line.quantity);
            }
        }
        for (_, result) in world.committed(StockUp::NUMBER) {
            let Delivery {
                product, quantity, ..
            } = payload(result)?;
            *there.entry(product).or_default() -= i64::from(quantity);
        }
        if let Some((sku, more)) = there.iter().find(|(_, more)| **more != 0) {
            return Err(format!("of {sku} there are {more} more than came"));
        }
        for order in &orders {
            if order.total != Handlers::total_of(&order.lines) {
                return Err(format!("its lines do not come to its total: {order:?}"));
            }
        }
        // What was paid and not paid back is what paid orders come to.
        let mut paid = BTreeMap::<_, i64>::new();
        for order in &orders {
            if matches!(order.stage, Stage::Paid | Stage::Sent) {
                *paid.entry(*order.customer().key()).or_default() += order.total;
            }
        }
        for customer in world.all::<Customer>()? {
            let paid = paid.remove(&customer.id()).unwrap_or(0);
            if customer.paid != paid {
                return Err(format!("{paid} was paid for orders, of {customer:?}"));
            }
        }
        match paid.is_empty() {
            true => Ok(()),
            false => Err(format!("orders of nobody are paid: {paid:?}")),
        }
    }
}

fn join(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    // Some want an address that another has.
    let wanted = match request.rng.random_range(0..10) {
        0 if nth > FIRST => nth / 2,
        _ => nth,
    };
    let email = format!("customer-{wanted}@example.org");
    request.transaction(&Join { email })
}

fn stock_up(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    let which = match nth {
        ..8 => nth % FIRST,
        _ => request.rng.random_range(0..FIRST),
    };
    let stock_up = StockUp {
        sku: format!("P{which}"),
        name: format!("Product {which}"),
        price: request.rng.random_range(0..10_000),
        quantity: request.rng.random_range(1..60),
    };
    request.transaction(&stock_up)
}

fn describe(request: &mut Request<'_>) -> Result<Txn, Fault> {
    let Some(product) = request.any_key::<Product>().map(Ref::new) else {
        return stock_up(0, request);
    };
    let named = ["colour", "size", "made of"].map(|name| {
        let text = ["", "red", "of paper"][request.rng.random_range(0..3)];
        (name.to_owned(), text.to_owned())
    });
    let sheet = [
        "null",
        r#"{"weight": 1.50, "parts": [{"of": "wood"}]}"#,
        "[]",
    ];
    // As JSON says it, `null` is none.
    let sheet = serde_json::from_str(sheet[request.rng.random_range(0..3)]);
    request.transaction(&Describe {
        product,
        traits: named.into(),
        sheet: sheet.unwrap_or_default(),
    })
}

fn place(nth: usize, request: &mut Request<'_>, customer: Ref<Customer>) -> Result<Txn, Fault> {
    let count = request.rng.random_range(1..=8);
    let wanted = (0..count).filter_map(|_| {
        let product = Ref::new(request.any_key::<Product>()?);
        let quantity = request.rng.random_range(1..12);
        Some(Wanted { product, quantity })
    });
    let wanted: Vec<Wanted> = wanted.collect();
    // Where bounds are tight, nothing may have come into the house yet.
    if wanted.is_empty() {
        return stock_up(nth, request);
    }
    let way = [Way::Post, Way::Courier][request.rng.random_range(0..2)];
    request.transaction(&Place {
        customer,
        wanted,
        way,
    })
}
