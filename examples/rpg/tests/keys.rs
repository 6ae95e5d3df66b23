//! Idempotency keys on real files, through the client: who repeats a request hears what came of the first.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;

use embedded::Place;
use rkcy_runtime::codegen::{Class, Fault, IdempotencyKey, Ref, Uuid, derived_uuid};
use rkcy_runtime::driver::Client;
use rpg::generated::txn::{Fund, SignUp};
use rpg::generated::{Character, Currency};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

fn sign_up(username: &str) -> SignUp {
    SignUp {
        username: username.to_owned(),
        fullname: "Anna".to_owned(),
    }
}

impl Place {
    fn character(&self, client: &Client) -> Uuid {
        let id = Client::new_id();
        let params = sign_up(&Uuid::from_bytes(id.0).simple().to_string());
        self.runtime.block_on(client.call_as(id, &params)).unwrap();
        derived_uuid(id, 3, 0)
    }

    fn fund(&self, client: &Client, to: Uuid, gold: i64) -> Result<(), Fault> {
        let amount = Currency {
            gold,
            ..Currency::default()
        };
        let to = Ref::new(to);
        let called = self.runtime.block_on(client.call(&Fund { to, amount }));
        called.map(drop)
    }

    fn gold_of(&self, client: &Client, character: &Uuid) -> i64 {
        let found = self.runtime.block_on(client.get::<Character>(character));
        found.unwrap().currency.gold
    }
}

#[test]
fn a_repeat_hears_the_first_answer_also_after_a_crash_and_a_restart() {
    let place = Place::new(rpg::platform());
    let running = place.start();
    let client = running.client();
    let character = place.character(&client);
    let keyed = client.with_key(key("order-1"));
    place.fund(&keyed, character, 5).unwrap();
    place.fund(&keyed, character, 5).unwrap();
    let fault = place.fund(&keyed, character, 6).unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_ref()),
        (Class::Refusal, "key_reused")
    );
    // A refusal is an answer as well, though the name is free in the end.
    let taken = client.with_key(key("sign-up"));
    let (first, other) = (sign_up("somebody"), sign_up("somebody"));
    place.runtime.block_on(client.call(&first)).unwrap();
    let fault = place.runtime.block_on(taken.call(&other)).unwrap_err();
    assert_eq!(fault.code, "taken");
    // Somebody else's key of that name is another one.
    let others = client.with_key(key("order-1").of("bert").unwrap());
    place.fund(&others, character, 6).unwrap();
    assert_eq!(place.gold_of(&client, &character), 11);
    drop((client, keyed, taken, others));
    // As a crash would.
    drop(running);

    let running = place.start();
    let client = running.client();
    let keyed = client.with_key(key("order-1"));
    place.fund(&keyed, character, 5).unwrap();
    let fault = place.fund(&keyed, character, 7).unwrap_err();
    assert_eq!(fault.code, "key_reused");
    drop((client, keyed));
    running.stop().unwrap();

    let running = place.start();
    let client = running.client();
    let keyed = client.with_key(key("order-1"));
    place.fund(&keyed, character, 5).unwrap();
    let taken = client.with_key(key("sign-up"));
    let fault = place.runtime.block_on(taken.call(&other)).unwrap_err();
    assert_eq!(fault.code, "taken");
    assert_eq!(place.gold_of(&client, &character), 11);
    drop((client, keyed, taken));
    running.stop().unwrap();
}

#[test]
fn many_at_once_with_one_key_are_one() {
    let place = Place::new(rpg::platform());
    let running = place.start();
    let client = running.client();
    let character = place.character(&client);
    place.runtime.block_on(async {
        let mut calls = tokio::task::JoinSet::new();
        for nth in 0..90 {
            let client = client.with_key(key("order-1"));
            let amount = Currency {
                gold: 5,
                ..Currency::default()
            };
            let to = Ref::new(character);
            calls.spawn(async move {
                let called = client.call(&Fund { to, amount }).await;
                called.map_err(|fault| format!("{nth}: {fault}"))
            });
        }
        calls
            .join_all()
            .await
            .into_iter()
            .for_each(|it| drop(it.unwrap()));
    });
    assert_eq!(place.gold_of(&client, &character), 5);
    drop(client);
    running.stop().unwrap();
}

#[test]
fn single_operations_take_keys_and_reads_do_not() {
    let place = Place::new(rpg::platform());
    let running = place.start();
    let client = running.client();
    let character = place.character(&client);
    let keyed = client.with_key(key("delete-1"));
    let delete = || {
        place
            .runtime
            .block_on(keyed.delete::<Character>(&character))
    };
    delete().unwrap();
    // Without a key it is not there any more.
    delete().unwrap();
    let again = place
        .runtime
        .block_on(client.delete::<Character>(&character));
    assert_eq!(again.unwrap_err().code, "not_found");
    let read = place.runtime.block_on(keyed.get::<Character>(&character));
    assert_eq!(read.unwrap_err().code, "not_found");
    drop((client, keyed));
    running.stop().unwrap();
}
