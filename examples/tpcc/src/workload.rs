//! What terminals ask for under simulation, in the mix of the specification (5.2.3), and its conditions of
//! consistency 1 to 4 (3.3.2).

use crate::generated::txn::{
    Build, DeliveryTransaction, Enter, NewOrderTransaction, OrderStatusByName,
    OrderStatusTransaction, Payment, PaymentByName, StockLevel, StockUp,
};
use crate::generated::{CustomerKey, District, DistrictKey, NewOrder, Order, Wanted, Warehouse};
use rand::RngExt;
use rkcy_runtime::codegen::{Bytes, Fault, Ref, Txn};
use rkcy_runtime::simulate::{Request, Workload, World};
use std::collections::{BTreeMap, BTreeSet};

/// Warehouses. Fewer than in a measured run, as all else here, so that terminals meet.
const WAREHOUSES: u32 = 2;
/// Districts of each that are used.
const DISTRICTS: u32 = 2;
/// Customers of each district.
const CUSTOMERS: u32 = 3;
/// Items in stock; not all of them are known as items, so that some orders are rolled back (2.4.1.4).
const ITEMS: u32 = 6;
/// Surnames, which are shared.
const SURNAMES: [&str; 2] = ["BARBAR", "OUGHTPRES"];

/// Some terminals at a few warehouses.
#[derive(Debug)]
pub struct Terminals;

impl Workload for Terminals {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        match u32::try_from(nth).unwrap_or(u32::MAX) {
            nth @ ..WAREHOUSES => return build(request, nth),
            nth if nth < 2 * WAREHOUSES => return stock_up(request, nth % WAREHOUSES),
            nth if nth < 2 * WAREHOUSES + WAREHOUSES * DISTRICTS * CUSTOMERS => {
                return enter(request, nth);
            }
            _ => {}
        }
        // Here and there somebody asks for what may not have come to be.
        let warehouse = Ref::new(request.rng.random_range(0..WAREHOUSES));
        let district = request.rng.random_range(1..=DISTRICTS);
        let customer = request.rng.random_range(1..=CUSTOMERS);
        let name = SURNAMES[request.rng.random_range(0..SURNAMES.len())].to_owned();
        let home = home(request, warehouse, district);
        let amount = request.rng.random_range(100..500_000);
        let carrier = request.rng.random_range(1..=10);
        let threshold = request.rng.random_range(10..=20);
        match request.rng.random_range(0..100) {
            0..42 => new_order(request, warehouse, district, customer),
            42..60 => request.transaction(&Payment {
                warehouse,
                district,
                customer: Ref::new(CustomerKey {
                    district: home,
                    number: customer,
                }),
                amount,
            }),
            60..82 => request.transaction(&PaymentByName {
                warehouse,
                district,
                home,
                last: name,
                amount,
            }),
            82..84 => request.transaction(&OrderStatusTransaction {
                warehouse,
                district,
                customer,
            }),
            84..87 => request.transaction(&OrderStatusByName {
                warehouse,
                district,
                name,
            }),
            87..92 => request.transaction(&DeliveryTransaction { warehouse, carrier }),
            92..96 => request.transaction(&StockLevel {
                warehouse,
                district,
                threshold,
            }),
            96..98 => {
                let nth = request
                    .rng
                    .random_range(0..WAREHOUSES * DISTRICTS * CUSTOMERS);
                enter(request, nth)
            }
            98 => stock_up(request, *warehouse.key()),
            _ => request.single::<Warehouse>(warehouse.key(), "get", Bytes::new()),
        }
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        let districts = world.all::<District>()?;
        condition_1(&world.all::<Warehouse>()?, &districts)?;
        let mut orders = BTreeMap::<DistrictKey, BTreeSet<u32>>::new();
        for order in world.all::<Order>()? {
            // 4: an order has as many lines as it says.
            if usize::try_from(order.count) != Ok(order.lines.len()) {
                return Err(format!("condition 4: {order:?}"));
            }
            let numbers = orders.entry(*order.district().key()).or_default();
            numbers.insert(order.number());
        }
        let mut open = BTreeMap::<DistrictKey, BTreeSet<u32>>::new();
        for order in world.all::<NewOrder>()? {
            let numbers = open.entry(*order.district().key()).or_default();
            numbers.insert(order.number());
        }
        for district in &districts {
            let key = rkcy_runtime::codegen::Concern::key(district);
            let orders = orders.remove(&key).unwrap_or_default();
            let open = open.remove(&key).unwrap_or_default();
            conditions_2_and_3(district, &orders, &open)?;
        }
        Ok(())
    }
}

/// 1: what was paid to a warehouse is what was paid to its districts.
fn condition_1(warehouses: &[Warehouse], districts: &[District]) -> Result<(), String> {
    for warehouse in warehouses {
        let own = districts.iter();
        let own = own.filter(|it| *it.warehouse().key() == warehouse.number());
        let paid: i64 = own.map(|district| district.ytd).sum();
        if warehouse.ytd != paid {
            return Err(format!(
                "condition 1: {paid} in the districts of {warehouse:?}"
            ));
        }
    }
    Ok(())
}

/// 2: the next number is behind that of the last order, and of the last open one. 3: those open are the last ones.
fn conditions_2_and_3(
    district: &District,
    orders: &BTreeSet<u32>,
    open: &BTreeSet<u32>,
) -> Result<(), String> {
    let last = district.next_order - 1;
    let numbered: BTreeSet<u32> = (1..=last).collect();
    if *orders != numbered {
        return Err(format!("condition 2: orders {orders:?} of {district:?}"));
    }
    let undelivered: BTreeSet<u32> = (district.next_delivery..=last).collect();
    if *open != undelivered {
        return Err(format!("condition 3: open are {open:?} of {district:?}"));
    }
    Ok(())
}

fn build(request: &mut Request<'_>, number: u32) -> Result<Txn, Fault> {
    let name = format!("W{number}");
    let tax = request.rng.random_range(0..=2000);
    request.transaction(&Build { number, name, tax })
}

fn stock_up(request: &mut Request<'_>, warehouse: u32) -> Result<Txn, Fault> {
    let stock_up = StockUp {
        warehouse: Ref::new(warehouse),
        items: (0..ITEMS).collect(),
        quantity: request.rng.random_range(10..=100),
        districts: (1..=10).map(|district| format!("D{district}")).collect(),
    };
    request.transaction(&stock_up)
}

/// The `nth` customer is entered.
fn enter(request: &mut Request<'_>, nth: u32) -> Result<Txn, Fault> {
    let enter = Enter {
        warehouse: Ref::new(nth % WAREHOUSES),
        district: nth / WAREHOUSES % DISTRICTS + 1,
        number: nth / WAREHOUSES / DISTRICTS % CUSTOMERS + 1,
        first: format!("First{}", request.rng.random_range(0..3)),
        last: SURNAMES[request.rng.random_range(0..SURNAMES.len())].to_owned(),
        discount: request.rng.random_range(0..=5000),
    };
    request.transaction(&enter)
}

/// Where the customer is at home who pays: elsewhere in 15 of 100 (2.5.1.2).
fn home(request: &mut Request<'_>, warehouse: Ref<Warehouse>, district: u32) -> Ref<District> {
    let elsewhere = request.rng.random_bool(0.15);
    let key = match elsewhere {
        true => DistrictKey {
            warehouse: Ref::new(request.rng.random_range(0..WAREHOUSES)),
            number: request.rng.random_range(1..=DISTRICTS),
        },
        false => DistrictKey {
            warehouse,
            number: district,
        },
    };
    Ref::new(key)
}

/// Five to fifteen lines, of which one in a hundred is supplied from elsewhere; here: one in twenty.
fn new_order(
    request: &mut Request<'_>,
    warehouse: Ref<Warehouse>,
    district: u32,
    customer: u32,
) -> Result<Txn, Fault> {
    let count = request.rng.random_range(5..=15);
    let mut line = || Wanted {
        item: request.rng.random_range(0..ITEMS),
        supplier: match request.rng.random_bool(0.05) {
            true => Ref::new(request.rng.random_range(0..WAREHOUSES)),
            false => warehouse,
        },
        quantity: request.rng.random_range(1..=10),
    };
    let wanted = (0..count).map(|_| line()).collect();
    request.transaction(&NewOrderTransaction {
        warehouse,
        district,
        customer,
        wanted,
    })
}
