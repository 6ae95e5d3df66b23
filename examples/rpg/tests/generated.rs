//! Generated code at work: JSON in and out, plans, columns.

use rkcy_runtime::codegen::{
    Bytes, Class, ConfigRef, Fault, OpDesc, Origin, Patch, TransactionDesc, Txn, TxnId, Uuid,
    Value, decode, encode, serde_json,
};
use rpg::generated::{Character, Currency, Item, Limits, PLATFORM, Player, PlayerPatch};
use serde_json::{Value as Json, json};

fn transaction(name: &str) -> &'static TransactionDesc {
    PLATFORM
        .transaction(name)
        .expect("a transaction of the schema")
}

fn operation(concern: &str, name: &str) -> &'static OpDesc {
    let ops = PLATFORM
        .concern(concern)
        .expect("a concern of the schema")
        .ops;
    ops.iter()
        .find(|op| op.name == name)
        .expect("an operation of the concern")
}

fn planned(name: &str, params: Json) -> Result<Txn, Fault> {
    let origin = Origin {
        id: TxnId::from_parts(1, 2),
        schema: PLATFORM.schema,
        caller: &Bytes::new(),
        logic: &*(rpg::platform().logic)(1),
        key: None,
        expected: None,
    };
    (transaction(name).from_json)(params, origin)
}

/// Class, code and path of the fault.
fn fault(name: &str, params: Json) -> (Class, String, String) {
    let fault = planned(name, params).expect_err("a refusal");
    let (code, path) = (fault.code.into_owned(), fault.path.into_owned());
    (fault.class, code, path)
}

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[test]
fn a_wrong_argument_is_told_with_its_path() {
    let wrong = |amount: Json| fault("fund", json!({ "to": ID, "amount": amount }));
    let invalid = |code: &str, path: &str| (Class::Invalid, code.to_owned(), path.to_owned());
    assert_eq!(
        wrong(json!({ "gold": "x" })),
        invalid("wrong_type", "amount.gold")
    );
    assert_eq!(
        wrong(json!({ "gold": 1.5 })),
        invalid("wrong_type", "amount.gold")
    );
    assert_eq!(
        wrong(json!({ "silver": 1 })),
        invalid("unknown_field", "amount.silver")
    );
    assert_eq!(
        wrong(json!({ "gold": -1 })),
        invalid("constraint", "amount.gold")
    );
    assert_eq!(fault("fund", json!({})), invalid("missing_field", "to"));
    assert_eq!(
        fault("fund", json!({ "to": "x" })),
        invalid("wrong_type", "to")
    );
    assert_eq!(fault("fund", json!([])), invalid("wrong_type", ""));
    assert_eq!(
        fault("fund", json!({ "to": ID, "extra": 1 })),
        invalid("unknown_field", "extra")
    );
    assert_eq!(
        fault(
            "trade",
            json!({ "lhs": { "currency": {} }, "rhs": { "character": ID } })
        ),
        invalid("missing_field", "lhs.character")
    );
    assert_eq!(
        fault(
            "sign_up",
            json!({ "username": "a\0bcd", "fullname": "Bob" })
        ),
        invalid("constraint", "username")
    );
    let extra = (operation("Player", "deactivate").args_from_json)(json!({ "x": 1 })).unwrap_err();
    assert_eq!((extra.class, extra.path.as_ref()), (Class::Invalid, "x"));
}

#[test]
fn a_require_on_parameters_refuses_at_once() {
    let side = json!({ "character": ID, "currency": { "gold": 1 } });
    let refused = fault("trade", json!({ "lhs": side, "rhs": side }));
    assert_eq!(
        refused,
        (Class::Refusal, "same_character".to_owned(), String::new())
    );
}

#[test]
fn a_trade_is_two_visits_and_a_fund_is_one() {
    let other = "01890a5d-ac96-774b-bcce-b302099a8058";
    let side = |id: &str| json!({ "character": id, "currency": { "gold": 1 } });
    let trade = planned("trade", json!({ "lhs": side(ID), "rhs": side(other) })).unwrap();
    assert_eq!(trade.visits.len(), 2);
    let fund = planned("fund", json!({ "to": ID, "amount": {} })).unwrap();
    assert_eq!(fund.visits.len(), 1);
}

fn bob() -> Character {
    let player = rkcy_runtime::codegen::Ref::<Player>::new(Uuid::from_u128(1));
    let mut bob = Character::new(Uuid::from_u128(2), player, "Bob".to_owned());
    bob.currency = Currency {
        gold: i64::MAX,
        faction_1: 7,
        ..Currency::default()
    };
    bob.items.push(Item {
        id: Uuid::from_u128(3),
        description: "a \"sword\"".to_owned(),
    });
    bob
}

#[test]
fn an_instance_comes_back_out_of_its_columns() {
    let concern = PLATFORM.concern("Character").unwrap();
    let bytes = encode(&bob());
    let key = (concern.key_from_text)(&bob().id().to_string()).unwrap();
    let mut columns = (concern.table.key)(key.as_bytes()).unwrap();
    let values = (concern.table.to_columns)(&bytes).unwrap();
    assert_eq!(columns.len(), concern.table.key_columns.len());
    assert_eq!(values.len(), concern.table.value_columns.len());
    columns.extend(values);
    assert_eq!((concern.table.from_columns)(&columns).unwrap(), bytes);
    columns.pop();
    let missing = (concern.table.from_columns)(&columns).unwrap_err();
    assert_eq!(missing.class, Class::Corrupt);
}

#[test]
fn an_instance_is_shown_as_it_is_read() {
    let concern = PLATFORM.concern("Character").unwrap();
    let shown = (concern.to_json)(&encode(&bob())).unwrap();
    assert_eq!(shown["class"], "warrior");
    assert_eq!(shown["items"][0]["description"], "a \"sword\"");
    let bytes = (operation("Character", "create").args_from_json)(shown).unwrap();
    assert_eq!(bytes, encode(&bob()));
    let short = json!({ "id": ID, "player": ID, "fullname": "Bob" });
    let bytes = (operation("Character", "create").args_from_json)(short).unwrap();
    assert_eq!((concern.to_json)(&bytes).unwrap()["active"], true);
}

#[test]
fn null_in_a_patch_clears_and_what_is_absent_stays() {
    let update = operation("Player", "update").args_from_json;
    let patch = |json: Json| -> PlayerPatch { decode(&update(json).unwrap()).unwrap() };
    let limits = Some(ConfigRef::<Limits>::new(ID.parse().unwrap()));
    let mut anna = Player::new(Uuid::from_u128(1), "anna".to_owned());
    patch(json!({ "limits": ID, "count": 3 })).apply(&mut anna);
    assert_eq!((anna.limits, anna.count, anna.active), (limits, 3, true));
    patch(json!({ "active": false })).apply(&mut anna);
    assert_eq!((anna.limits, anna.count, anna.active), (limits, 3, false));
    patch(json!({ "limits": null })).apply(&mut anna);
    assert_eq!((anna.limits, anna.count, anna.active), (None, 3, false));
    // What is never absent is not cleared.
    let fault = update(json!({ "count": null })).unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_ref(), fault.path.as_ref()),
        (Class::Invalid, "wrong_type", "count")
    );
}

#[test]
fn a_number_that_is_no_value_of_an_enum_is_not_read() {
    let known = rpg::generated::Class::from_proto(1);
    assert_eq!(known, Ok(rpg::generated::Class::Warrior));
    for number in [0, 4, -1] {
        let mut proto = bob().to_proto();
        proto.class = number;
        let fault = Character::from_proto(proto).unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_ref(), fault.path.as_ref()),
            (Class::Corrupt, "unreadable", "class")
        );
        assert_eq!(fault.message, format!("{number} is no value of Class"));
    }
}
