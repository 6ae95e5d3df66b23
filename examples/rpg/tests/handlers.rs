//! The handlers in memory: whole transactions, at once, with a clock that stands still.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rkcy_runtime::codegen::{Class, ConfigRef, Empty, Fault, Ref, Uuid};
use rkcy_runtime::testing::TestPlatform;
use rpg::generated::txn::{Fund, Gift, SignUp, Trade};
use rpg::generated::{Character, Currency, Limits, Offer, Player, PlayerPatch};

fn platform() -> TestPlatform {
    TestPlatform::new(rpg::platform())
}

fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

/// A player with one character; gives the character.
fn sign_up(platform: &mut TestPlatform, username: &str) -> Character {
    let player = platform
        .call(&SignUp {
            username: username.to_owned(),
            fullname: username.to_owned(),
        })
        .unwrap();
    let mut characters = platform.all::<Character>().into_iter();
    characters
        .find(|character| character.player() == Ref::new(player.id()))
        .unwrap()
}

fn fund(platform: &mut TestPlatform, to: Uuid, amount: i64) -> Result<Character, Fault> {
    platform.call(&Fund {
        to: Ref::new(to),
        amount: gold(amount),
    })
}

fn purse(platform: &mut TestPlatform, character: Uuid) -> i64 {
    platform.get::<Character>(&character).unwrap().currency.gold
}

#[test]
fn a_trade_is_made_by_both_or_by_nobody() {
    let mut platform = platform();
    let (anna, bert) = (
        sign_up(&mut platform, "anna").id(),
        sign_up(&mut platform, "bert").id(),
    );
    fund(&mut platform, anna, 10).unwrap();
    let trade = |lhs, rhs| Trade {
        lhs: Offer {
            character: Ref::new(anna),
            currency: gold(lhs),
        },
        rhs: Offer {
            character: Ref::new(bert),
            currency: gold(rhs),
        },
    };
    platform.call(&trade(7, 0)).unwrap();
    assert_eq!(purse(&mut platform, anna), 3);
    assert_eq!(purse(&mut platform, bert), 7);
    // Bert cannot pay, so Anna does not either.
    let refused = platform.call(&trade(3, 8)).unwrap_err();
    assert_eq!(
        (refused.class, &*refused.code),
        (Class::Refusal, "insufficient_funds")
    );
    assert_eq!(purse(&mut platform, anna), 3);
    assert_eq!(purse(&mut platform, bert), 7);
}

#[test]
fn a_gift_that_is_not_taken_comes_back() {
    let mut platform = platform();
    let anna = sign_up(&mut platform, "anna").id();
    fund(&mut platform, anna, 10).unwrap();
    let gift = Gift {
        giver: Ref::new(anna),
        taker: Ref::new(Uuid::nil()),
        amount: gold(4),
    };
    let refused = platform.call(&gift).unwrap_err();
    assert_eq!(&*refused.code, "not_found");
    assert_eq!(purse(&mut platform, anna), 10);
}

#[test]
fn what_exists_is_not_created_again() {
    let mut platform = platform();
    let anna = Player::new(Uuid::from_u128(1), "anna".to_owned());
    let other = Player::new(Uuid::from_u128(1), "bert".to_owned());
    platform.create(&anna).unwrap();
    for again in [&anna, &other] {
        let refused = platform.create(again).unwrap_err();
        assert_eq!(
            (refused.class, &*refused.code),
            (Class::Refusal, "already_exists")
        );
        assert_eq!(refused.message, "this Player exists");
    }
    assert_eq!(platform.all::<Player>(), [anna]);
}

#[test]
fn a_text_of_a_handler_is_the_message_of_its_refusal() {
    let mut platform = platform();
    let anna = sign_up(&mut platform, "anna").id();
    fund(&mut platform, anna, i64::MAX).unwrap();
    let refused = fund(&mut platform, anna, 1).unwrap_err();
    assert_eq!((refused.class, &*refused.code), (Class::Refusal, "refused"));
    assert_eq!(refused.message, "overflow");
    assert_eq!(purse(&mut platform, anna), i64::MAX);
}

#[test]
fn operators_limit_the_characters_of_a_player() {
    let mut platform = platform();
    let player = sign_up(&mut platform, "anna").player();
    let add = |platform: &mut TestPlatform| {
        let added = platform.run::<Player, ()>(player.key(), "add_character", &Empty {});
        added.map_err(|fault| fault.code)
    };
    add(&mut platform).unwrap();
    let limits = Uuid::from_u128(7);
    let patch = PlayerPatch {
        limits: Some(Some(ConfigRef::new(limits))),
        ..PlayerPatch::default()
    };
    platform.update::<Player>(player.key(), &patch).unwrap();
    // What nobody has said yet limits nobody.
    add(&mut platform).unwrap();
    let most = |most| Limits {
        id: limits,
        max_characters_per_player: most,
    };
    platform.configure(&most(4)).unwrap();
    add(&mut platform).unwrap();
    assert_eq!(add(&mut platform).unwrap_err(), "too_many_characters");
    platform.configure(&most(5)).unwrap();
    add(&mut platform).unwrap();
    assert_eq!(platform.get::<Player>(player.key()).unwrap().count, 5);
    assert!(platform.configure(&most(101)).is_err());
}

#[test]
fn the_same_test_is_the_same_run() {
    let run = || {
        let mut platform = platform();
        let anna = sign_up(&mut platform, "anna").id();
        fund(&mut platform, anna, 10).unwrap();
        (platform.all::<Player>(), platform.all::<Character>())
    };
    assert_eq!(run(), run());
}

#[test]
fn ten_thousand_transactions_are_soon_made() {
    let mut platform = platform();
    let anna = sign_up(&mut platform, "anna").id();
    let begin = std::time::Instant::now();
    for _ in 0..10_000 {
        fund(&mut platform, anna, 1).unwrap();
    }
    println!("{:?} for one `fund`", begin.elapsed() / 10_000);
    assert_eq!(purse(&mut platform, anna), 10_000);
}
