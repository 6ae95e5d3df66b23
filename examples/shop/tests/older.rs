//! What is older than a field: records of it, and rows. Both hold afterwards what the field was born with, and the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rkcy_core::id::PartitionId;
use rkcy_runtime::codegen::{Bytes, Concern, Ref, RowKey, Timestamp, Uuid, answer, decode, encode};
use rkcy_runtime::store::{self, Store, StoreChoice};
use shop::generated::{Customer, Line, Order, PLATFORM, Product, Stage, Terms, Way};
use sqlx::{Connection, SqliteConnection};
use std::path::Path;

/// How many migrations there were before the fields.
const BEFORE: usize = 2;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn text(number: u8, text: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, text.len() as u8], text].concat()
}

fn customer_of_then() -> Bytes {
    [text(1, id(1).as_bytes()), text(2, b"a@b.c")]
        .concat()
        .into()
}

fn order_of_then() -> Bytes {
    let line = [text(1, b"apple"), vec![2 << 3, 3, 3 << 3, 5]].concat();
    let rest = [
        vec![3 << 3, 1],
        text(4, &line),
        vec![5 << 3, 15],
        [&[6 << 3 | 1], 7_i64.to_le_bytes().as_slice()].concat(),
    ];
    let ids = [text(1, id(2).as_bytes()), text(2, id(1).as_bytes())];
    [ids.concat(), rest.concat()].concat().into()
}

fn product_of_then() -> Bytes {
    [text(1, b"apple"), text(2, b"Apples")].concat().into()
}

#[test]
fn a_record_that_is_older_holds_what_the_field_was_born_with() {
    let customer: Customer = decode(&customer_of_then()).unwrap();
    assert_eq!(customer.terms, Terms::default());
    let order: Order = decode(&order_of_then()).unwrap();
    assert_eq!((order.way, order.stage), (Way::Post, Stage::Open));
    let product: Product = decode(&product_of_then()).unwrap();
    assert_eq!(
        (product.reorder_at, product.shelf.as_str()),
        (10, "new goods")
    );
}

#[test]
fn zero_is_not_taken_for_a_field_that_was_not_there() {
    let mut product = Product::new("apple".to_owned(), "Apples".to_owned());
    product.reorder_at = 0;
    let read: Product = decode(&encode(&product)).unwrap();
    assert_eq!(read, product);
}

/// With an id that was given for something else before, one hears what came of that: of nothing, a product could be read.
#[test]
fn the_result_of_something_else_is_no_product() {
    let nothing = Bytes::new();
    assert!(decode::<Product>(&nothing).is_ok());
    assert!(answer::<Product>(nothing.clone(), true).is_err());
    assert!(answer::<Product>(nothing, false).is_ok());
    assert!(answer::<Product>(product_of_then(), true).is_ok());
}

#[tokio::test]
async fn a_row_that_is_older_holds_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.db");
    let old = opened(&file).await;
    old.migrate_up(&PLATFORM.sqlite[..BEFORE]).await.unwrap();
    old.close().await;
    let mut database = SqliteConnection::connect(file.to_str().unwrap())
        .await
        .unwrap();
    for (sql, keys) in [
        (
            "INSERT INTO customer VALUES (?, 'a@b.c', 0, 0, 0, 0)",
            vec![1],
        ),
        (
            "INSERT INTO \"order\" VALUES (?, ?, 'open', '[{\"product\":\"apple\",\"quantity\":3,\"price\":5}]', 15, 7, 0, 0, 0)",
            vec![2, 1],
        ),
        (
            "INSERT INTO product VALUES ('apple', 'Apples', 0, 0, '{}', NULL, 0, 0, 0)",
            Vec::new(),
        ),
    ] {
        let keys = keys.into_iter().map(id);
        let statement = keys.fold(sqlx::query(sql), |it, key| it.bind(key.as_bytes().to_vec()));
        statement.execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    let new = opened(&file).await;
    new.migrate_up(PLATFORM.sqlite).await.unwrap();
    let store = new.as_ref();
    let customer = Customer::group_and_row(&id(1)).1;
    same::<Customer>(store, customer, customer_of_then()).await;
    let order = Order::group_and_row(&id(2)).1;
    same::<Order>(store, order, order_of_then()).await;
    let product = Product::group_and_row(&"apple".to_owned()).1;
    same::<Product>(store, product, product_of_then()).await;
}

/// Holds the row of today against the record of then.
async fn same<C: Concern>(store: &dyn Store, row: RowKey, then: Bytes) {
    let partition = PartitionId {
        concern: C::ID,
        index: 0,
    };
    let loaded = store.load(partition, vec![row]).await.unwrap();
    let read: C = decode(&then).unwrap();
    assert_eq!(loaded.rows[0].1.value, Some(encode(&read)));
}

async fn opened(file: &Path) -> std::sync::Arc<dyn Store> {
    let choice = StoreChoice::Sqlite(file.to_owned());
    store::open(&choice, PLATFORM.tables()).await.unwrap()
}

#[test]
fn the_order_of_then_is_one() {
    let order: Order = decode(&order_of_then()).unwrap();
    let line = Line {
        product: "apple".to_owned(),
        quantity: 3,
        price: 5,
    };
    assert_eq!(order.lines, [line]);
    assert_eq!(order.customer(), Ref::new(id(1)));
    assert_eq!(
        (order.total, order.placed()),
        (15, Timestamp::from_micros(7))
    );
}
