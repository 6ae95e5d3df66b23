//! The platform over HTTP: what is answered, and what bad input is told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;
#[path = "../../../rkcy-runtime/tests/support/house.rs"]
mod house;

use house::{House, spoken};
use rkcy_runtime::codegen::serde_json::{Value as Json, json};
use rkcy_runtime::driver::Client;
use rkcy_runtime::edge::{Limits, Settings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::time::Duration;

/// The game, with an edge.
fn game() -> House {
    House::of(rpg::platform(), Limits::default())
}

/// A player with a character of so much gold; their keys.
fn character(house: &House, name: &str, gold: u32) -> (String, String) {
    let player = house.post("/v1/c/Player", &json!({ "username": name }));
    let player = player.ok(201)["id"].as_str().unwrap().to_owned();
    let new = json!({ "player": player, "fullname": "Anna", "currency": { "gold": gold } });
    let character = house.post("/v1/c/Character", &new);
    (player, character.ok(201)["id"].as_str().unwrap().to_owned())
}

#[test]
fn an_instance_is_made_read_changed_asked_and_removed() {
    let house = game();
    let made = house.post("/v1/c/Player", &json!({ "username": "anna" }));
    let id = made.ok(201)["id"].as_str().unwrap().to_owned();
    let place = format!("/v1/c/Player/{id}");
    assert_eq!(made.location.as_deref(), Some(place.as_str()));
    assert_eq!(house.get(&place).ok(200)["username"], "anna");
    let changed = house.send("PATCH", &place, &json!({ "active": false }));
    assert_eq!(changed.ok(200)["active"], false);
    let (_, character) = character(&house, "bert", 7);
    let character = format!("/v1/c/Character/{character}");
    assert_eq!(house.get(&format!("{character}/worth")).ok(200), &json!(7));
    let renamed = house.post(
        &format!("{character}/rename"),
        &json!({ "fullname": "Bert" }),
    );
    assert_eq!(renamed.ok(200)["outcome"], "committed");
    assert_eq!(house.get(&character).ok(200)["fullname"], "Bert");
    let removed = house.ask("DELETE", &place, &[], b"");
    assert_eq!(removed.status, 204);
    house.get(&place).problem(404, "not_found");
    house
        .send("PATCH", &place, &json!({}))
        .problem(404, "not_found");
}

#[test]
fn a_transaction_is_committed_or_refused_by_name() {
    let house = game();
    let (_, anna) = character(&house, "anna", 10);
    let (_, bert) = character(&house, "bert", 0);
    let offer = |character: &str, gold: i64| json!({ "character": character, "currency": { "gold": gold } });
    let trade = |gold| json!({ "lhs": offer(&anna, gold), "rhs": offer(&bert, 0) });
    let done = house.post("/v1/txn/trade", &trade(6));
    assert_eq!(done.ok(200)["outcome"], "committed");
    assert_eq!(done.body["id"].as_str(), done.id.as_deref());
    let refused = house.post("/v1/txn/trade", &trade(6));
    refused.problem(409, "insufficient_funds");
    let id = refused.id.clone().unwrap();
    assert_eq!(refused.body["instance"], format!("/v1/id/{id}"));
    let same = json!({ "lhs": offer(&anna, 1), "rhs": offer(&anna, 1) });
    house
        .post("/v1/txn/trade", &same)
        .problem(409, "same_character");
    let gold =
        |who: &str| house.get(&format!("/v1/c/Character/{who}")).body["currency"]["gold"].clone();
    assert_eq!((gold(&anna), gold(&bert)), (json!(4), json!(6)));
    // Where it went can be asked.
    let known = house.get(&format!("/v1/id/{id}"));
    assert_eq!(known.body["facts"][0]["state"], "refused", "{known:?}");
}

#[test]
fn what_is_asked_for_twice_with_one_id_runs_once() {
    let house = game();
    let (_, anna) = character(&house, "anna", 0);
    let id = Client::new_id().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("rkcy-id", id.as_str()),
    ];
    let fund = json!({ "to": anna, "amount": { "gold": 5 } }).to_string();
    for _ in 0..3 {
        let done = house.ask("POST", "/v1/txn/fund", &headers, fund.as_bytes());
        assert_eq!(done.ok(200)["result"]["currency"]["gold"], 5);
    }
    // What is created without a key has the one that its id gives.
    let id = Client::new_id().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("rkcy-id", id.as_str()),
    ];
    let new = json!({ "username": "bert" }).to_string();
    let made = house.ask("POST", "/v1/c/Player", &headers, new.as_bytes());
    let again = house.ask("POST", "/v1/c/Player", &headers, new.as_bytes());
    assert_eq!(made.ok(201), again.ok(201));
    // Something else with an id that has been given is not answered with what came of the first.
    let id = Client::new_id().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("rkcy-id", id.as_str()),
    ];
    let rename = format!("/v1/c/Character/{anna}/rename");
    house
        .ask("POST", &rename, &headers, br#"{"fullname":"Anna"}"#)
        .ok(200);
    house
        .ask("POST", "/v1/txn/fund", &headers, fund.as_bytes())
        .problem(422, "id_reused");
}

#[test]
fn a_caller_need_not_wait() {
    let house = game();
    let (_, anna) = character(&house, "anna", 0);
    let headers = [
        ("content-type", "application/json"),
        ("prefer", "respond-async, wait=1"),
    ];
    let fund = json!({ "to": anna, "amount": { "gold": 5 } }).to_string();
    let taken = house.ask("POST", "/v1/txn/fund", &headers, fund.as_bytes());
    assert_eq!(
        (taken.status, &taken.body["outcome"]),
        (202, &json!("submitted"))
    );
    // A read waits for what was submitted before it.
    let read = house.get(&format!("/v1/c/Character/{anna}"));
    assert_eq!(read.ok(200)["currency"]["gold"], 5);
    let known = house.get(&taken.location.unwrap());
    assert_eq!(known.body["facts"][0]["state"], "committed", "{known:?}");
    let id = taken.id.unwrap();
    house
        .ask("POST", &format!("/v1/id/{id}/cancel"), &[], b"")
        .problem(409, "committed");
    house
        .ask("POST", &format!("/v1/id/{id}/resume"), &[], b"")
        .problem(409, "not_parked");
    let nobody = Client::new_id();
    house
        .get(&format!("/v1/id/{nobody}"))
        .problem(404, "unknown_id");
    house
        .ask("POST", &format!("/v1/id/{nobody}/cancel"), &[], b"")
        .problem(404, "unknown_id");
    for state in ["running", "parked"] {
        let none = house.get(&format!("/v1/id?state={state}"));
        assert_eq!((none.status, none.body), (200, json!([])));
    }
    house.get("/v1/id?state=lost").problem(400, "wrong_query");
}

#[test]
fn what_does_not_fit_the_schema_is_told_with_its_field() {
    let house = game();
    let (player, anna) = character(&house, "anna", 0);
    let fund = |amount: Json| house.post("/v1/txn/fund", &json!({ "to": anna, "amount": amount }));
    fund(json!({ "gold": -1 })).at("constraint", "amount.gold");
    fund(json!({ "gold": "much" })).at("wrong_type", "amount.gold");
    fund(json!({ "gold": 1.5 })).at("wrong_type", "amount.gold");
    fund(json!({ "gold": 18_446_744_073_709_551_615_u64 })).at("wrong_type", "amount.gold");
    fund(json!({ "silver": 1 })).at("unknown_field", "amount.silver");
    house
        .post("/v1/txn/fund", &json!({ "to": anna }))
        .at("missing_field", "amount");
    house
        .post("/v1/txn/fund", &json!({ "to": "anna", "amount": {} }))
        .at("wrong_type", "to");
    house
        .post("/v1/txn/fund", &json!([1]))
        .problem(422, "wrong_type");
    house
        .post("/v1/c/Player", &json!({ "username": "abc" }))
        .at("constraint", "username");
    house
        .post("/v1/c/Player", &json!({}))
        .at("missing_field", "username");
    let immutable = json!({ "username": "other" });
    let patched = house.send("PATCH", &format!("/v1/c/Player/{player}"), &immutable);
    patched.at("unknown_field", "username");
    house.get("/v1/c/Player/anna").problem(422, "wrong_key");
    let worth = format!("/v1/c/Character/{anna}/worth");
    house
        .get(&format!("{worth}?in=euro"))
        .at("unknown_field", "in");
    house
        .get(&format!("{worth}?in=euro&in=gold"))
        .at("argument_twice", "in");
}

#[test]
fn what_is_no_request_is_told_so() {
    let house = game();
    let json = [("content-type", "application/json")];
    let fund = "/v1/txn/fund";
    house
        .ask("POST", fund, &json, b"{\"to\":")
        .problem(400, "malformed_json");
    house
        .ask("POST", fund, &json, b"{\"to\":\"\xff\"}")
        .problem(400, "malformed_json");
    let deep = "[".repeat(100_000);
    house
        .ask("POST", fund, &json, deep.as_bytes())
        .problem(400, "malformed_json");
    house
        .ask("POST", fund, &[("content-type", "text/plain")], b"{}")
        .problem(415, "not_json");
    let huge = vec![b' '; Limits::default().body_bytes + 1];
    house
        .ask("POST", fund, &json, &huge)
        .problem(413, "body_too_large");
    for (name, value) in [("rkcy-deadline", "0"), ("rkcy-deadline", "soon")] {
        house
            .ask("POST", fund, &[json[0], (name, value)], b"{}")
            .problem(400, "wrong_header");
    }
    let version_4 = "8a6e0804-2bd0-4672-b79d-d97027f9071a";
    house
        .ask("POST", fund, &[json[0], ("rkcy-id", version_4)], b"{}")
        .problem(422, "wrong_id");
    for path in [
        "/",
        "/v1",
        "/v1/txn/found",
        "/v1/c/Plyer",
        "/v1/c/Character/x/y/z",
        "/v1/id/x/y",
    ] {
        house.get(path).problem(404, "no_such_path");
    }
    for path in [
        "/../etc/passwd",
        "/v1/c/Character/..%2F..%2Fetc",
        "//healthz",
        "/v1/id/%00",
    ] {
        let status = house.get(path).status;
        assert!(status == 404 || status == 422, "{path}: {status}");
    }
    for (method, path, allow) in [
        ("GET", fund, "POST"),
        ("PUT", "/v1/c/Player", "POST"),
        ("POST", "/v1/c/Player/x", "GET,HEAD,PATCH,DELETE"),
        ("GET", "/v1/c/Character/x/rename", "POST"),
        ("POST", "/v1/c/Character/x/worth", "GET,HEAD"),
    ] {
        let refused = house.ask(method, path, &[], b"");
        refused.problem(405, "method_not_allowed");
        let mut methods: Vec<&str> = refused.allow.as_deref().unwrap().split(',').collect();
        let mut expected: Vec<&str> = allow.split(',').collect();
        methods.sort_unstable();
        expected.sort_unstable();
        assert_eq!(methods, expected, "{method} {path}");
    }
}

#[test]
fn a_page_of_another_origin_is_not_heard() {
    let house = game();
    let own = format!("http://{}", house.addr());
    let new = json!({ "username": "anna" }).to_string();
    let ask = |origin: &str| {
        let headers = [("content-type", "application/json"), ("origin", origin)];
        house.ask("POST", "/v1/c/Player", &headers, new.as_bytes())
    };
    for origin in ["http://evil.example", "null", "https://127.0.0.1:1"] {
        ask(origin).problem(403, "foreign_origin");
    }
    ask(&own).ok(201);
}

#[test]
fn health_metrics_and_the_document_are_told() {
    let house = game();
    assert_eq!(house.get("/healthz").body["status"], "ok");
    assert_eq!(house.get("/readyz").body["platform"], "rpg");
    let document = house.get("/openapi.json");
    assert_eq!(document.body["openapi"], "3.1.0");
    let name = |ty: &str| format!("/components/schemas/{ty}/type");
    assert_eq!(
        document.body.pointer(&name("Player")),
        Some(&json!("object"))
    );
    for (path, method) in [
        ("/v1/id", "get"),
        ("/v1/id/{id}", "get"),
        ("/v1/id/{id}/cancel", "post"),
        ("/v1/id/{id}/resume", "post"),
    ] {
        assert!(document.body["paths"][path][method].is_object(), "{path}");
    }
    let text = house.text("/metrics");
    let counted = "rkcy_edge_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1";
    assert!(text.contains(counted), "{text}");
    assert!(text.contains("rkcy_edge_connections"), "{text}");
}

/// The pages ask for nothing that is not in the binary, and run nothing that is not theirs.
#[test]
fn pages_come_out_of_the_binary() {
    let house = game();
    for page in ["/console", "/docs"] {
        let text = house.text(page);
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(
            text.contains("content-security-policy: default-src 'none'"),
            "{text}"
        );
        assert!(
            !text.contains("://") && !text.contains("<script>"),
            "{text}"
        );
        let parts = text.split(['"']).filter(|part| part.starts_with('/'));
        for part in parts.filter(|part| part.contains('.')) {
            assert_eq!(house.get(part).status, 200, "{part}");
        }
    }
    for outside in ["/docs/../console", "/docs/%2e%2e/Cargo.toml", "/docs/x.js"] {
        assert_eq!(house.get(outside).status, 404, "{outside}");
    }
}

#[test]
fn callers_that_are_slow_or_rude_are_cut_off_and_others_are_not() {
    let house = House::of(
        rpg::platform(),
        Limits {
            head: Duration::from_millis(200),
            body: Duration::from_millis(200),
            ..Limits::default()
        },
    );
    let connect = || TcpStream::connect(house.addr()).unwrap();
    // A head that does not end.
    spoken(&mut connect(), b"GET /healthz HTTP/1.1\r\nhost:");
    // A body that does not come.
    let head = b"POST /v1/txn/fund HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\nconnection: close\r\n\r\n{";
    let answer = spoken(&mut connect(), head);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // No HTTP at all, and headers without end.
    assert!(spoken(&mut connect(), b"\x16\x03\x01\x02hello\r\n\r\n").contains("400"));
    let mut many = b"GET /healthz HTTP/1.1\r\nhost: x\r\n".to_vec();
    many.extend("x: y\r\n".repeat(1_000).bytes());
    many.extend(b"\r\n");
    assert!(spoken(&mut connect(), &many).starts_with("HTTP/1.1 431"));
    // Half closed: what was asked is answered.
    let mut half = connect();
    half.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(spoken(&mut half, b"").starts_with("HTTP/1.1 200"));
    assert_eq!(house.get("/healthz").status, 200);
}

#[test]
fn more_than_there_is_room_for_is_told_to_ask_again() {
    let house = House::of(
        rpg::platform(),
        Limits {
            requests: 0,
            ..Limits::default()
        },
    );
    house
        .get("/v1/c/Player/x")
        .problem(429, "too_many_requests");
    assert_eq!(house.get("/healthz").status, 200);
}

#[test]
fn what_was_begun_is_answered_when_the_edge_stops() {
    let mut house = game();
    let (_, anna) = character(&house, "anna", 0);
    let addr = house.addr();
    let fund = json!({ "to": anna, "amount": { "gold": 5 } }).to_string();
    let length = fund.len();
    let head = format!(
        "POST /v1/txn/fund HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    );
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // It is asked for the body, so it is at work.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let edge = house.edge.take().unwrap();
    let stopping = std::thread::spawn(move || edge.stop());
    while TcpStream::connect(addr).is_ok() {
        std::thread::yield_now();
    }
    let answer = spoken(&mut stream, fund.as_bytes());
    stopping.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn one_caller_may_ask_so_often() {
    let security = Settings {
        anonymous: true,
        rate: NonZeroU32::new(1),
        burst: NonZeroU32::new(3),
        ..Settings::default()
    };
    let house = House::guarded(rpg::platform(), Limits::default(), &security);
    let path = "/v1/c/Player/00000000-0000-0000-0000-000000000001";
    for _ in 0..3 {
        house.get(path).problem(404, "not_found");
    }
    house.get(path).problem(429, "rate_limited");
    // Who looks whether it lives is not counted.
    for _ in 0..5 {
        assert_eq!(house.get("/readyz").status, 200);
    }
}
