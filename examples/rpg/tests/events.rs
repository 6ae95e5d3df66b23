//! How transactions end, as server-sent events.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;
#[path = "../../../rkcy-runtime/tests/support/house.rs"]
mod house;

use house::House;
use rkcy_runtime::codegen::serde_json::{self, Value as Json, json};
use rkcy_runtime::edge::Limits;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

/// A game whose audit tells of everything.
fn game() -> House {
    House::audited(rpg::platform(), Limits::default())
}

/// A listener, line by line.
struct Stream(BufReader<ureq::BodyReader<'static>>);

/// An event: its id, its kind, what it says.
type Event = (String, String, Json);

impl Stream {
    fn open(house: &House, query: &str, last: Option<&str>) -> Stream {
        let mut request = ureq::get(format!("http://{}/v1/events{query}", house.addr()));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.call().unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/event-stream");
        Stream(BufReader::new(response.into_body().into_reader()))
    }

    /// The next event; `None` where the stream has ended.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(id) = line.strip_prefix("id: ") {
                event.0 = id.to_owned();
            } else if let Some(kind) = line.strip_prefix("event: ") {
                event.1 = kind.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.2 = serde_json::from_str(data).unwrap();
            } else if line.is_empty() && !event.1.is_empty() {
                return Some(event);
            }
        }
    }

    /// The next one is of this kind.
    #[track_caller]
    fn expect(&mut self, kind: &str) -> Event {
        let event = self.next().unwrap();
        assert_eq!(event.1, kind, "{event:?}");
        event
    }
}

fn player(house: &House, name: &str) {
    let new = json!({ "username": name });
    house.post("/v1/c/Player", &new).ok(201);
}

/// Somebody signs up: committed, or refused where the name is taken.
fn sign_up(house: &House, name: &str) -> u16 {
    let new = json!({ "username": name, "fullname": "Anna" });
    house.post("/v1/txn/sign_up", &new).status
}

#[test]
fn listeners_hear_how_transactions_end_as_they_do() {
    let house = game();
    let mut all = Stream::open(&house, "", None);
    let mut errors = Stream::open(&house, "?errors=true&txn=sign_up", None);
    all.expect("caught_up");
    errors.expect("caught_up");
    assert_eq!(sign_up(&house, "anna"), 200);
    assert_eq!(sign_up(&house, "anna"), 409);
    let (_, _, committed) = all.expect("finished");
    assert_eq!(committed["outcome"], "committed");
    assert_eq!(committed["name"], "sign_up");
    assert!(committed["result"].is_object(), "{committed}");
    let (_, _, refused) = all.expect("finished");
    assert_eq!(refused["outcome"], "refused");
    assert_eq!(refused["error"]["code"], "taken");
    // Who wants less hears less.
    assert_eq!(errors.expect("finished").2, refused);
    // What it names can be asked for.
    let path = format!("/v1/id/{}", refused["id"].as_str().unwrap());
    assert_eq!(house.get(&path).body["facts"][0]["state"], "refused");
}

#[test]
fn who_was_cut_off_goes_on_behind_the_last_event() {
    let mut house = game();
    player(&house, "anna");
    player(&house, "bert");
    let mut listener = Stream::open(&house, "?from=start", None);
    let (first, _, one) = listener.expect("finished");
    let (_, _, two) = listener.expect("finished");
    listener.expect("caught_up");
    drop(listener);
    player(&house, "carl");
    let mut back = Stream::open(&house, "", Some(&first));
    assert_eq!(back.expect("finished").2, two);
    let (last, _, three) = back.expect("finished");
    back.expect("caught_up");
    drop(back);
    // Another process cannot tell what this one was told: it tells all that is kept.
    house.restart();
    let mut again = Stream::open(&house, "", Some(&last));
    let told: Vec<Json> = (0..3).map(|_| again.expect("finished").2).collect();
    for known in [one, two, three] {
        assert!(told.contains(&known), "{known}");
    }
    again.expect("caught_up");
}

#[test]
fn a_listener_does_not_keep_an_edge_from_stopping() {
    let mut house = game();
    let mut listener = Stream::open(&house, "", None);
    listener.expect("caught_up");
    let begun = Instant::now();
    house.edge.take().unwrap().stop();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(listener.next(), None);
}

#[test]
fn so_many_may_listen() {
    let limits = Limits {
        listeners: 1,
        ..Limits::default()
    };
    let house = House::audited(rpg::platform(), limits);
    let mut one = Stream::open(&house, "", None);
    one.expect("caught_up");
    house.get("/v1/events").problem(429, "too_many_listeners");
    drop(one);
    // Its connection is found to be closed when the next event is sent.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        player(&house, &format!("anna{}", begun.elapsed().as_micros()));
        let again = ureq::get(format!("http://{}/v1/events", house.addr())).call();
        if again.is_ok() {
            return;
        }
    }
    panic!("the place is not free again");
}

#[test]
fn what_cannot_be_listened_to_is_told() {
    let house = game();
    house
        .get("/v1/events?form=start")
        .problem(400, "wrong_query");
    house.get("/v1/events?from=end").problem(400, "wrong_query");
    house
        .get("/v1/events?concern=Playr")
        .at("unknown_name", "concern");
    house
        .get("/v1/events?txn=sign_in")
        .at("unknown_name", "txn");
    for id in ["", "1", "1-", "-1", "1-x", "99999999999999999999-1"] {
        let headers = [("last-event-id", id)];
        let answer = house.ask("GET", "/v1/events", &headers, b"");
        answer.problem(400, "wrong_header");
    }
}
