//! The platform at work on real files, through its client.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;

use embedded::Place;
use rkcy_runtime::codegen::{Class, Ref, Uuid, derived_uuid};
use rkcy_runtime::driver::{Client, LogChoice, Options, Running, StoreChoice};
use rpg::generated::txn::{Fund, SignUp, Trade};
use rpg::generated::{Character, Currency, Offer};

impl Place {
    fn sign_up(&self, client: &Client) -> Uuid {
        let id = Client::new_id();
        let params = SignUp {
            username: Uuid::from_bytes(id.0).simple().to_string(),
            fullname: "Anna".to_owned(),
        };
        self.runtime.block_on(client.call_as(id, &params)).unwrap();
        derived_uuid(id, 3, 0)
    }

    fn gold_of(&self, client: &Client, character: &Uuid) -> i64 {
        let found = self.runtime.block_on(client.get::<Character>(character));
        found.unwrap().currency.gold
    }
}

fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

fn offer(character: Uuid, amount: i64) -> Offer {
    Offer {
        character: Ref::new(character),
        currency: gold(amount),
    }
}

#[test]
fn concurrent_callers_add_up_and_a_restart_changes_nothing() {
    let place = Place::new(rpg::platform());
    let running = place.start();
    let client = running.client();
    let (one, other) = (place.sign_up(&client), place.sign_up(&client));
    place.runtime.block_on(async {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let client = client.clone();
            let (to, amount) = (Ref::new(one), gold(3));
            calls.spawn(async move { client.call(&Fund { to, amount }).await.map(drop) });
        }
        calls.join_all().await.into_iter().for_each(Result::unwrap);
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let client = client.clone();
            let (lhs, rhs) = (offer(one, 2), offer(other, 0));
            calls.spawn(async move { client.call(&Trade { lhs, rhs }).await });
        }
        calls.join_all().await.into_iter().for_each(Result::unwrap);
    });
    drop(client);
    running.stop().unwrap();

    let running = place.start();
    let client = running.client();
    assert_eq!(running.recovered(), None);
    assert_eq!(
        (place.gold_of(&client, &one), place.gold_of(&client, &other)),
        (400, 200)
    );
    drop(client);
    running.stop().unwrap();
}

#[test]
fn one_id_runs_once_however_often_it_is_submitted() {
    let place = Place::new(rpg::platform());
    let running = place.start();
    let client = running.client();
    let character = place.sign_up(&client);
    let fund = Fund {
        to: Ref::new(character),
        amount: gold(7),
    };
    let id = Client::new_id();
    let planned = client.plan(id, &fund).unwrap();
    place.runtime.block_on(async {
        client.enqueue(planned).await.unwrap();
        client.call_as(id, &fund).await.unwrap();
        client.call_as(id, &fund).await.unwrap();
    });
    assert_eq!(place.gold_of(&client, &character), 7);
    drop(client);
    running.stop().unwrap();
}

#[test]
fn a_refused_trade_leaves_no_trace() {
    let place = Place::new(rpg::platform());
    let running = place.start();
    let client = running.client();
    let (one, other) = (place.sign_up(&client), place.sign_up(&client));
    let (to, amount) = (Ref::new(one), gold(10));
    place
        .runtime
        .block_on(client.call(&Fund { to, amount }))
        .unwrap();
    let (lhs, rhs) = (offer(one, 5), offer(other, 1));
    let fault = place
        .runtime
        .block_on(client.call(&Trade { lhs, rhs }))
        .unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_ref()),
        (Class::Refusal, "insufficient_funds")
    );
    assert_eq!(
        (place.gold_of(&client, &one), place.gold_of(&client, &other)),
        (10, 0)
    );
    drop(client);
    running.stop().unwrap();
}

#[test]
fn what_is_stopped_at_once_stops() {
    let place = Place::new(rpg::platform());
    // Told to stop before its partitions have come to their own first records.
    for _ in 0..5 {
        place.start().stop().unwrap();
    }
}

/// Positions of one log mean nothing in another: a database is tied to its own.
#[test]
fn a_database_of_another_log_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let options = |log: &str| Options {
        log: LogChoice::Embedded(home.path().join(log)),
        store: StoreChoice::Sqlite(home.path().join("rpg.db")),
        ..Options::default()
    };
    Running::start(&rpg::platform(), &options("one"))
        .unwrap()
        .stop()
        .unwrap();
    Running::start(&rpg::platform(), &options("one"))
        .unwrap()
        .stop()
        .unwrap();
    let fault = Running::start(&rpg::platform(), &options("other")).unwrap_err();
    assert_eq!(fault.code, "store_foreign");
}
