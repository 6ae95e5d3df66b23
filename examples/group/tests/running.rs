//! The platform at work on real files: groups, keys of several parts, and what every concern can do.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;

use embedded::Place;
use group::generated::txn::{Leave, MoveStock, NewOrder, Payment, RateTransaction, Rename};
use group::generated::{
    Customer, CustomerKey, CustomerPatch, District, DistrictKey, Item, ItemPatch, Line, Order,
    Rate, RateKey, RatePatch, Region, Stock, StockKey, StockPatch, Warehouse,
};
use rkcy_runtime::codegen::{Class, Fault, Ref, Uuid, key_text};
use rkcy_runtime::driver::Client;
use rkcy_runtime::testing::TestPlatform;

impl Place {
    fn wait<T>(&self, done: impl Future<Output = T>) -> T {
        self.runtime.block_on(done)
    }
}

fn warehouse(code: &str) -> Ref<Warehouse> {
    Ref::new(code.to_owned())
}

fn district(code: &str) -> DistrictKey {
    DistrictKey {
        warehouse: warehouse(code),
        number: 1,
    }
}

fn customer() -> CustomerKey {
    CustomerKey {
        district: Ref::new(district("A")),
        id: Uuid::from_u128(7),
    }
}

fn stock(code: &str, item: u32) -> StockKey {
    StockKey {
        warehouse: warehouse(code),
        item: Ref::new(item),
    }
}

/// Two warehouses, each with a district and two items; one customer.
async fn furnish(client: &Client) -> Result<(), Fault> {
    for number in [1, 2] {
        client
            .create(&Item::new(number, format!("item {number}")))
            .await?;
    }
    for code in ["A", "B"] {
        client
            .create(&Warehouse::new(code.to_owned(), String::new()))
            .await?;
        client.create(&District::new(warehouse(code), 1)).await?;
    }
    for item in [1, 2] {
        let full = StockPatch {
            quantity: Some(10),
            ..StockPatch::default()
        };
        let new = Stock::new(warehouse("A"), Ref::new(item));
        let made = client.create(&new).await?;
        client
            .update(&rkcy_runtime::codegen::Concern::key(&made), &full)
            .await?;
    }
    let CustomerKey { district, id } = customer();
    client
        .create(&Customer::new(district, id, "Carl".to_owned(), None))
        .await?;
    Ok(())
}

fn order(quantity: u32) -> NewOrder {
    let line = |item| Line {
        item: Ref::new(item),
        quantity,
    };
    NewOrder {
        warehouse: warehouse("A"),
        district: 1,
        customer: customer().id,
        lines: vec![line(1), line(2)],
    }
}

#[test]
fn a_group_is_one_visit_and_is_there_after_a_restart() {
    let place = Place::new(group::platform());
    let running = place.start();
    let client = running.client();
    place.wait(furnish(&client)).unwrap();
    let first: Order = place.wait(client.call(&order(3))).unwrap();
    assert_eq!(first.number(), 1);
    let paid = Payment {
        warehouse: warehouse("A"),
        district: 1,
        customer: customer().id,
        amount: 5,
    };
    assert_eq!(place.wait(client.call(&paid)).unwrap().balance, -5);
    // The second line is refused, and with it the first, and the number.
    let mut too_much = order(7);
    too_much.lines[1].quantity = 8;
    let refused = place.wait(client.call(&too_much)).unwrap_err();
    assert_eq!(
        (refused.class, refused.code.as_ref()),
        (Class::Refusal, "sold_out")
    );
    drop(client);
    running.stop().unwrap();

    let running = place.start();
    let client = running.client();
    let left: Stock = place.wait(client.get(&stock("A", 1))).unwrap();
    assert_eq!((left.quantity, left.sold), (7, 3));
    let second: Order = place.wait(client.call(&order(1))).unwrap();
    assert_eq!(second.number(), 2);
    let again: Order = place
        .wait(client.get(&rkcy_runtime::codegen::Concern::key(&first)))
        .unwrap();
    assert_eq!(again, first);
    drop(client);
    running.stop().unwrap();
}

#[test]
fn two_groups_in_one_transaction() {
    let place = Place::new(group::platform());
    let running = place.start();
    let client = running.client();
    place.wait(furnish(&client)).unwrap();
    let moved = MoveStock {
        from: warehouse("A"),
        to: warehouse("B"),
        item: Ref::new(1),
        quantity: 4,
    };
    // The first time it makes the stock, the second time there is one.
    for _ in 0..2 {
        place.wait(client.call(&moved)).unwrap();
    }
    let there: Stock = place.wait(client.get(&stock("B", 1))).unwrap();
    let here: Stock = place.wait(client.get(&stock("A", 1))).unwrap();
    assert_eq!((there.quantity, here.quantity), (8, 2));
    let refused = place.wait(client.call(&moved)).unwrap_err();
    assert_eq!(refused.code, "sold_out");
    drop(client);
    running.stop().unwrap();
}

#[test]
fn a_patch_changes_what_it_holds_and_clears_what_it_says() {
    let place = Place::new(group::platform());
    let running = place.start();
    let client = running.client();
    place.wait(furnish(&client)).unwrap();
    let key = customer();
    let change = |patch: CustomerPatch| place.wait(client.update::<Customer>(&key, &patch));
    let named = change(CustomerPatch {
        nickname: Some(Some("C".to_owned())),
        tags: Some(vec!["new".to_owned()]),
        ..CustomerPatch::default()
    });
    let named = named.unwrap();
    assert_eq!(
        (named.name.as_str(), named.nickname.as_deref()),
        ("Carl", Some("C"))
    );
    let unchanged = change(CustomerPatch::default()).unwrap();
    assert_eq!(unchanged, named);
    let cleared = change(CustomerPatch {
        nickname: Some(None),
        ..CustomerPatch::default()
    });
    assert_eq!(cleared.unwrap().nickname, None);
    let wrong = change(CustomerPatch {
        name: Some(String::new()),
        ..CustomerPatch::default()
    });
    assert_eq!(wrong.unwrap_err().path, "name");
    let renamed = Rename {
        customer: Ref::new(key.clone()),
        name: "Karl".to_owned(),
    };
    let renamed = place.wait(client.call(&renamed)).unwrap();
    assert_eq!((renamed.name.as_str(), renamed.tags.len()), ("Karl", 0));
    place
        .wait(client.call(&Leave {
            customer: Ref::new(key.clone()),
        }))
        .unwrap();
    let gone = place.wait(client.get::<Customer>(&key)).unwrap_err();
    assert_eq!(gone.code, "not_found");
    let twice = place.wait(client.delete::<Customer>(&key)).unwrap_err();
    assert_eq!(twice.code, "not_found");
    let cheap = ItemPatch {
        price: Some(-1),
        ..ItemPatch::default()
    };
    assert!(place.wait(client.update::<Item>(&1, &cheap)).is_err());
    drop(client);
    running.stop().unwrap();
}

#[test]
fn a_key_of_several_parts_has_one_text_and_one_json() {
    let key = RateKey {
        region: Region::South,
        year: -7,
        label: "a,b\\".to_owned(),
    };
    assert_eq!(key_text(&key), "south,-7,a\\,b\\\\");
    assert_eq!(key.to_string().parse::<RateKey>().unwrap(), key);
    let text = key_text(&customer());
    assert_eq!(text, "A,1,00000000-0000-0000-0000-000000000007");
    assert_eq!(text.parse::<CustomerKey>().unwrap(), customer());

    let place = Place::new(group::platform());
    let running = place.start();
    let client = running.client();
    let RateKey {
        region,
        year,
        label,
    } = key.clone();
    let ask = RateTransaction {
        region,
        year,
        label: label.clone(),
    };
    assert_eq!(place.wait(client.call(&ask)).unwrap(), 0);
    place
        .wait(client.create(&Rate::new(region, year, label)))
        .unwrap();
    let ten = RatePatch { percent: Some(10) };
    place.wait(client.update::<Rate>(&key, &ten)).unwrap();
    assert_eq!(place.wait(client.call(&ask)).unwrap(), 10);
    drop(client);
    running.stop().unwrap();
}

/// In memory.
#[test]
fn an_instance_is_not_larger_than_256_kib() {
    let mut platform = TestPlatform::new(group::platform());
    let key = customer();
    let carl = Customer::new(key.district.clone(), key.id, "Carl".to_owned(), None);
    platform.create(&carl).unwrap();
    let tagged = |bytes: usize| CustomerPatch {
        tags: Some(vec!["x".repeat(bytes)]),
        ..CustomerPatch::default()
    };
    let large = tagged(250 << 10);
    let made = platform.update::<Customer>(&key, &large).unwrap();
    let too_large = tagged(256 << 10);
    let refused = platform.update::<Customer>(&key, &too_large).unwrap_err();
    assert_eq!(
        (refused.class, refused.code.as_ref()),
        (Class::Bound, "instance_too_large")
    );
    assert_eq!(platform.get::<Customer>(&key).unwrap(), made);
}
