//! What the platform makes where a `create` leaves it out.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;
#[path = "../../../rkcy-runtime/tests/support/house.rs"]
mod house;

use house::House;
use rkcy_runtime::codegen::Timestamp;
use rkcy_runtime::codegen::serde_json::{self, Value as Json, json};
use rkcy_runtime::edge::Limits;
use std::time::Duration;

const JSON: (&str, &str) = ("content-type", "application/json");

/// An order of one line, without the time at which it was entered.
fn order(number: u32) -> Json {
    json!({
        "district": { "warehouse": 1, "number": 1 },
        "number": number,
        "customer": 1,
        "count": 1,
        "all_local": true,
        "lines": [{ "item": 1, "supplier": 1, "quantity": 1, "amount": 5, "district": "x" }],
    })
}

fn entered(order: &Json) -> Timestamp {
    serde_json::from_value(order["entered"].clone()).unwrap()
}

#[test]
fn a_stamp_is_made_once_for_a_request_however_often_it_is_repeated() {
    let house = House::of(tpcc::platform(), Limits::default());
    let warehouse = json!({ "number": 1, "name": "a", "tax": 0, "ytd": 0 });
    house.post("/v1/c/Warehouse", &warehouse).ok(201);
    let district = json!({ "warehouse": 1, "number": 1, "name": "b", "tax": 0, "ytd": 0 });
    house.post("/v1/c/District", &district).ok(201);
    let made = entered(house.post("/v1/c/Order", &order(1)).ok(201));
    let mut given = order(2);
    given["entered"] = "2024-02-29T12:00:00Z".into();
    let second = entered(house.post("/v1/c/Order", &given).ok(201));
    assert!(made > second);
    let ask = |body: &Json| {
        let headers = [JSON, ("idempotency-key", "once")];
        house.ask("POST", "/v1/c/Order", &headers, body.to_string().as_bytes())
    };
    let third = entered(ask(&order(3)).ok(201));
    std::thread::sleep(Duration::from_millis(3));
    assert_eq!(entered(ask(&order(3)).ok(201)), third);
    assert!(third > made);
    // Who says when is another request, even by the same time.
    given["number"] = 3.into();
    given["entered"] = third.to_string().into();
    ask(&given).problem(409, "key_reused");
}
