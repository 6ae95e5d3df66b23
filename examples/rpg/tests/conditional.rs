//! Conditional requests over HTTP: what is changed only where it is as its caller knows it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;
#[path = "../../../rkcy-runtime/tests/support/house.rs"]
mod house;

use house::{Answer, Asker, House};
use rkcy_runtime::codegen::serde_json::json;
use rkcy_runtime::codegen::{Expected, Tag, encode};
use rkcy_runtime::edge::Limits;
use rpg::generated::{Player, PlayerPatch};

const JSON: (&str, &str) = ("content-type", "application/json");

/// The game, with one player: the path.
fn game() -> (House, String) {
    let house = House::of(rpg::platform(), Limits::default());
    let made = house.post("/v1/c/Player", &json!({ "username": "anna" }));
    let path = made.location.clone().unwrap();
    // What was made is told with its tag, and read with the same.
    assert_eq!(made.tag, house.get(&path).tag);
    (house, path)
}

fn change(house: &House, path: &str, tag: &str, active: bool) -> Answer {
    change_by(&house.asker(), path, tag, active)
}

fn change_by(asker: &Asker, path: &str, tag: &str, active: bool) -> Answer {
    let body = json!({ "active": active }).to_string();
    asker.ask("PATCH", path, &[JSON, ("if-match", tag)], body.as_bytes())
}

#[test]
fn what_is_not_as_its_caller_knows_it_stays_as_it_is() {
    let (house, path) = game();
    let first = house.get(&path).tag.unwrap();
    let changed = change(&house, &path, &first, false);
    assert_eq!(changed.ok(200)["active"], false);
    let second = changed.tag.unwrap();
    assert_ne!(first, second);
    assert_eq!(house.get(&path).tag.as_deref(), Some(second.as_str()));
    // It has been changed since.
    change(&house, &path, &first, true).problem(412, "precondition_failed");
    let old = [("if-match", first.as_str())];
    let deactivate = format!("{path}/deactivate");
    for (method, path) in [("DELETE", &path), ("GET", &path), ("POST", &deactivate)] {
        let answer = house.ask(method, path, &old, b"");
        answer.problem(412, "precondition_failed");
    }
    assert_eq!(house.get(&path).tag.as_deref(), Some(second.as_str()));
    // Any of several, or whatever it is, as long as it is there.
    change(&house, &path, &format!("\"elsewhere\", {second}"), false).ok(200);
    change(&house, &path, "*", true).ok(200);
    let now = house.get(&path).tag.unwrap();
    let removed = house.ask("DELETE", &path, &[("if-match", &now)], b"");
    assert_eq!(removed.status, 204);
    for tag in [now.as_str(), "*"] {
        change(&house, &path, tag, true).problem(412, "precondition_failed");
    }
}

#[test]
fn of_those_who_know_the_same_one_comes_through() {
    let (house, path) = game();
    for round in 0..10 {
        let tag = house.get(&path).tag.unwrap();
        let (path, tag) = (&path, &tag);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let active = round % 2 == 1;
            let all: Vec<_> = (0..8)
                .map(|_| {
                    let asker = house.asker();
                    scope.spawn(move || change_by(&asker, path, tag, active).status)
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let through = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(through, 1, "{statuses:?}");
        assert!(
            statuses.iter().all(|it| [200, 412].contains(it)),
            "{statuses:?}"
        );
    }
}

#[test]
fn a_tag_outlives_the_process() {
    let (mut house, path) = game();
    let tag = house.get(&path).tag.unwrap();
    house.restart();
    assert_eq!(house.get(&path).tag.as_deref(), Some(tag.as_str()));
    change(&house, &path, &tag, false).ok(200);
}

#[test]
fn who_has_an_instance_is_not_sent_it_again() {
    let (house, path) = game();
    let tag = house.get(&path).tag.unwrap();
    let ask = |tag: &str| house.ask("GET", &path, &[("if-none-match", tag)], b"");
    for known in [tag.clone(), format!("W/{tag}"), "*".to_owned()] {
        let answer = ask(&known);
        assert_eq!((answer.status, answer.tag.as_ref()), (304, Some(&tag)));
    }
    assert_eq!(ask("\"other\"").ok(200)["username"], "anna");
}

#[test]
fn a_condition_that_cannot_be_is_refused() {
    let (house, path) = game();
    for wrong in ["abc", "\"a", "\"a\" \"b\"", "\"a\", *", ""] {
        change(&house, &path, wrong, true).problem(400, "wrong_header");
    }
    let on = |method: &str, path: &str, header: &str, body: &[u8]| {
        let headers = [JSON, (header, "\"a\"")];
        house
            .ask(method, path, &headers, body)
            .problem(400, "wrong_header");
    };
    on(
        "POST",
        "/v1/txn/sign_up",
        "if-match",
        br#"{"username":"bert","fullname":"Bert"}"#,
    );
    on(
        "POST",
        "/v1/c/Player",
        "if-match",
        br#"{"username":"bert"}"#,
    );
    on("PATCH", &path, "if-none-match", b"{}");
    on("DELETE", &path, "if-none-match", b"");
    assert_eq!(house.get(&path).ok(200)["active"], true);
}

#[test]
fn a_key_belongs_to_what_was_expected_as_well() {
    let (house, path) = game();
    let tag = house.get(&path).tag.unwrap();
    let ask = |tag: &str| {
        let headers = [JSON, ("if-match", tag), ("idempotency-key", "once")];
        house.ask("PATCH", &path, &headers, br#"{"active":false}"#)
    };
    ask(&tag).ok(200);
    // The same request hears the same, though the instance has another tag by now.
    ask(&tag).ok(200);
    ask("*").problem(409, "key_reused");
}

#[test]
fn a_typed_client_expects_as_well() {
    let (house, path) = game();
    let key = path.rsplit('/').next().unwrap().parse().unwrap();
    let client = house.running.as_ref().unwrap().client();
    let runtime = &house.place.runtime;
    let player: Player = runtime.block_on(client.get(&key)).unwrap();
    let knows = client.expecting(Expected::One(vec![Tag::of(&encode(&player))]));
    let patch = PlayerPatch {
        active: Some(false),
        ..PlayerPatch::default()
    };
    runtime
        .block_on(knows.update::<Player>(&key, &patch))
        .unwrap();
    let again = runtime.block_on(knows.update::<Player>(&key, &patch));
    assert_eq!(again.unwrap_err().code, "precondition_failed");
}
