//! Many who want one name, and many who refer to one player.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rkcy_runtime::codegen::{Fault, Ref, Uuid};
use rkcy_runtime::testing::TestPlatform;
use rpg::generated::txn::SignUp;
use rpg::generated::{Character, Player};
use std::collections::BTreeMap;

fn code<T>(result: Result<T, Fault>) -> String {
    result
        .err()
        .map_or_else(|| "done".to_owned(), |fault| fault.code.to_string())
}

/// How often each was told.
fn counted(told: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    told.for_each(|code| *counts.entry(code).or_default() += 1);
    counts
}

#[test]
fn ten_thousand_sign_ups_with_one_name() {
    let mut platform = TestPlatform::new(rpg::platform());
    let sign_up = SignUp {
        username: "Anna".to_owned(),
        fullname: "Anna the First".to_owned(),
    };
    let told = counted((0..10_000).map(|_| code(platform.call(&sign_up))));
    assert_eq!(
        told,
        [("done".to_owned(), 1), ("taken".to_owned(), 9_999)].into()
    );
    // Nothing is left of those who lost.
    let counts = (
        platform.all::<Player>().len(),
        platform.all::<Character>().len(),
    );
    assert_eq!(counts, (1, 1));
}

#[test]
fn two_thousand_characters_of_one_player() {
    let mut platform = TestPlatform::new(rpg::platform());
    let player = Player::new(Uuid::from_u128(1), "Bert".to_owned());
    let character = |nth: u128| {
        let player = Ref::new(Uuid::from_u128(1));
        Character::new(Uuid::from_u128(nth), player, format!("Hero {nth}"))
    };
    assert_eq!(code(platform.create(&character(1))), "not_found");
    platform.create(&player).unwrap();
    let told = counted((1..=2_000).map(|nth| code(platform.create(&character(nth)))));
    assert_eq!(
        told,
        [("done".to_owned(), 100), ("full".to_owned(), 1_900)].into()
    );
    let fault = platform.delete::<Player>(&Uuid::from_u128(1)).unwrap_err();
    assert_eq!(
        (fault.code.as_ref(), fault.message.as_ref()),
        ("in_use", "100 Character refer to this Player")
    );
    for nth in 1..=100 {
        platform.delete::<Character>(&Uuid::from_u128(nth)).unwrap();
    }
    assert_eq!(code(platform.delete::<Player>(&Uuid::from_u128(1))), "done");
}
