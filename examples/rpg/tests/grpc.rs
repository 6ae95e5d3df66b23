//! The platform over gRPC: the typed client, and what one who speaks it badly is told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;
#[path = "../../../rkcy-runtime/tests/support/house.rs"]
mod house;

use bytes::Bytes;
use house::House;
use rkcy_runtime::codegen::serde_json::json;
use rkcy_runtime::codegen::{Class, Fault, Ref, TxnId, Uuid, encode};
use rkcy_runtime::driver::Client;
use rkcy_runtime::edge::Limits;
use rkcy_runtime::grpc::{Calls, Remote};
use rpg::generated::txn::{Fund, SignUp, Trade};
use rpg::generated::{
    Character, CharacterPatch, Class as Calling, Currency, Item, Offer, Player, PlayerPatch,
};
use std::time::Duration;
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

fn remote(house: &House) -> Remote {
    let endpoint = format!("http://{}", house.addr());
    Remote::new(rpg::platform().desc, &endpoint, None).unwrap()
}

fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

/// What a client is used for, whichever it is.
async fn story(client: &impl Calls, name: &str) {
    let sign_up = SignUp {
        username: name.to_owned(),
        fullname: "Somebody".to_owned(),
    };
    let player = client.call(&sign_up).await.unwrap();
    assert_eq!((player.username(), player.count), (name, 1));
    // What is zero and has another default is what was given.
    let mut asleep = Player::new(Uuid::new_v4(), format!("{name}2"));
    asleep.active = false;
    assert_eq!(client.create(&asleep).await.unwrap(), asleep);
    // With an id of the caller's it runs once.
    let (anna, bert) = (Uuid::new_v4(), Uuid::new_v4());
    let mut made = Character::new(anna, Ref::new(player.id()), "Anna".to_owned());
    made.items.push(Item {
        id: Uuid::from_u128(5),
        description: "A rope".to_owned(),
    });
    made.class = Calling::Rogue;
    assert_eq!(client.create(&made).await.unwrap(), made);
    let other = Character::new(bert, Ref::new(player.id()), "Bert".to_owned());
    client.create(&other).await.unwrap();
    let told = client.create(&made).await.unwrap_err();
    assert_eq!(
        (told.class, &*told.code),
        (Class::Refusal, "already_exists")
    );
    let fund = Fund {
        to: Ref::new(anna),
        amount: gold(7),
    };
    let id = Client::new_id();
    for _ in 0..2 {
        let funded = client.call_as(id, &fund).await.unwrap();
        assert_eq!(funded.currency, gold(7));
    }
    let trade = |amount| Trade {
        lhs: Offer {
            character: Ref::new(anna),
            currency: gold(amount),
        },
        rhs: Offer {
            character: Ref::new(bert),
            currency: gold(0),
        },
    };
    client.call(&trade(4)).await.unwrap();
    let refused = client.call(&trade(4)).await.unwrap_err();
    assert_eq!(refused.class, Class::Refusal);
    assert_eq!(refused.code, "insufficient_funds");
    let read: Character = client.get(&bert).await.unwrap();
    assert_eq!(read.currency, gold(4));
    let patch = CharacterPatch {
        fullname: Some("Berta".to_owned()),
        items: Some(Vec::new()),
        ..CharacterPatch::default()
    };
    let patched: Character = client.update(&anna, &patch).await.unwrap();
    assert_eq!(
        (patched.fullname.as_str(), patched.items.len()),
        ("Berta", 0)
    );
    client.delete::<Character>(&anna).await.unwrap();
    let gone = client.get::<Character>(&anna).await.unwrap_err();
    assert_eq!((gone.class, &*gone.code), (Class::Refusal, "not_found"));
    // A constraint is told with its field, wherever it is checked.
    let negative = Fund {
        to: Ref::new(bert),
        amount: gold(-1),
    };
    let wrong = client.call(&negative).await.unwrap_err();
    assert_eq!((wrong.class, &*wrong.path), (Class::Invalid, "amount.gold"));
    let patch = PlayerPatch {
        active: Some(false),
        ..PlayerPatch::default()
    };
    let player: Player = client.update(&player.id(), &patch).await.unwrap();
    assert!(!player.active);
}

#[test]
fn a_client_in_the_process_and_one_beside_it_are_told_the_same() {
    let house = House::of(rpg::platform(), Limits::default());
    let runtime = runtime();
    runtime.block_on(async {
        story(&house.running.as_ref().unwrap().client(), "inside").await;
        story(&remote(&house), "beside").await;
    });
    // What was made over gRPC is read over HTTP.
    let metrics = house.text("/metrics");
    let counted = "route=\"/rkcy.rpg.api.Transactions/Trade\",status=\"409\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn what_is_left_out_of_a_new_instance_has_its_default() {
    let house = House::of(rpg::platform(), Limits::default());
    let runtime = runtime();
    // No key, and nothing but what has to be given: field 2, the name.
    let new = [&[2 << 3 | 2, 4][..], b"anna"].concat();
    let id = Client::new_id();
    let path = "/rkcy.rpg.api.PlayerService/Create";
    let made = |id: TxnId| runtime.block_on(raw(&house, path, Some(id), &new)).unwrap();
    let first = made(id);
    assert_eq!(first, made(id), "the key is derived from the id");
    // The answer is a message with the instance in its field 1.
    let instance = Bytes::from(first).slice(2..);
    let player: Player = rkcy_runtime::codegen::decode(&instance).unwrap();
    assert!(player.active, "as the schema says");
    assert_eq!(player.username(), "anna");
    let read = house.get(&format!("/v1/c/Player/{}", player.id()));
    assert_eq!(read.ok(200)["username"], json!("anna"));
    // What is given is taken, also where it is zero.
    let id = Uuid::from_u128(9);
    let all = [
        &[1 << 3 | 2, 16][..],
        id.as_bytes(),
        &[2 << 3 | 2, 4],
        b"bert",
        &[3 << 3, 0],
    ];
    let told = runtime.block_on(raw(&house, path, None, &all.concat()));
    let player: Player =
        rkcy_runtime::codegen::decode(&Bytes::from(told.unwrap()).slice(2..)).unwrap();
    assert_eq!((player.id(), player.active), (id, false));
}

/// One call with these bytes as its message.
async fn raw(
    house: &House,
    path: &str,
    id: Option<TxnId>,
    message: &[u8],
) -> Result<Vec<u8>, Fault> {
    remote(house)
        .ask_raw(path, id, message.to_vec().into())
        .await
        .map(|it| it.to_vec())
}

#[test]
fn what_is_no_message_is_told_so() {
    let house = House::of(rpg::platform(), Limits::default());
    let runtime = runtime();
    let told = |path: &str, message: &[u8]| {
        let fault = runtime
            .block_on(raw(&house, path, None, message))
            .unwrap_err();
        (fault.class, fault.code.to_string(), fault.path.to_string())
    };
    let fund = "/rkcy.rpg.api.Transactions/Fund";
    for wrong in [
        &[0xff_u8][..],
        &[0x0a, 40, 1],
        &[0x0b],
        b"{\"to\": \"anna\"}",
    ] {
        let (class, code, _) = told(fund, wrong);
        assert_eq!(
            (class, code.as_str()),
            (Class::Invalid, "malformed_message"),
            "{wrong:?}"
        );
    }
    // Nothing is no reference, and five bytes are none either.
    for wrong in [&[][..], &[0x0a, 5, 1, 2, 3, 4, 5]] {
        let expected = (Class::Invalid, "wrong_type".to_owned(), "to".to_owned());
        assert_eq!(told(fund, wrong), expected);
    }
    let (_, code, path) = told("/rkcy.rpg.api.PlayerService/Get", &[]);
    assert_eq!((code.as_str(), path.as_str()), ("wrong_type", "key"));
    // A text that is no UTF-8.
    let text = [&[2 << 3 | 2, 4][..], b"an\xff\xff"].concat();
    let (_, code, _) = told("/rkcy.rpg.api.PlayerService/Create", &text);
    assert_eq!(code, "malformed_message");
    let huge = vec![0_u8; Limits::default().body_bytes + 1];
    let (_, code, _) = told(fund, &huge);
    assert_eq!(code, "body_too_large");
    let (_, code, _) = told("/rkcy.rpg.api.Transactions/Found", &[]);
    assert_eq!(code, "unknown_method");
}

#[test]
fn a_call_waits_no_longer_than_its_caller() {
    let house = House::of(rpg::platform(), Limits::default());
    let runtime = runtime();
    runtime.block_on(async {
        let sign_up = SignUp {
            username: "anna".to_owned(),
            fullname: "Anna".to_owned(),
        };
        let player = remote(&house).call(&sign_up).await.unwrap().id();
        let hurried = remote(&house).within(Duration::from_nanos(1));
        let late = hurried.get::<Player>(&player).await.unwrap_err();
        assert_eq!(late.class, Class::Unavailable, "{late}");
    });
}

/// Who is told that nothing happened would ask again, under another id.
#[test]
fn an_outcome_that_is_unknown_is_told_as_such() {
    let limits = Limits {
        request: Duration::from_nanos(1),
        ..Limits::default()
    };
    let house = House::of(rpg::platform(), limits);
    let runtime = runtime();
    let sign_up = SignUp {
        username: "anna".to_owned(),
        fullname: "Anna".to_owned(),
    };
    let told = runtime.block_on(async { remote(&house).call(&sign_up).await });
    let told = told.unwrap_err();
    assert_eq!(
        (told.class, &*told.code),
        (Class::Unavailable, "outcome_unknown")
    );
    house
        .post(
            "/v1/txn/sign_up",
            &json!({ "username": "bert", "fullname": "Bert" }),
        )
        .problem(504, "outcome_unknown");
}

#[test]
fn what_is_long_is_told_short() {
    let house = House::of(rpg::platform(), Limits::default());
    let runtime = runtime();
    // A name that is too long by far, and says so in no more than fits into headers.
    let name = "\u{416}".repeat(100_000);
    let new = [&[2 << 3 | 2][..], &length(name.len()), name.as_bytes()].concat();
    let path = "/rkcy.rpg.api.PlayerService/Create";
    let told = runtime.block_on(raw(&house, path, None, &new)).unwrap_err();
    assert_eq!((told.class, &*told.path), (Class::Invalid, "username"));
    // A field that comes very often is read in one go.
    let often = b"\x12\x01\x00".repeat(300_000);
    let path = "/rkcy.rpg.api.CharacterService/Rename";
    let begun = std::time::Instant::now();
    runtime
        .block_on(raw(&house, path, None, &often))
        .unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

/// A length as protobuf writes it.
fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}

/// Bytes that are no message with its length in front: the caller's mistake, not the server's.
#[test]
fn what_is_not_framed_is_told_so() {
    let house = House::of(rpg::platform(), Limits::default());
    for body in [
        &[][..],
        &[0, 0, 0, 0, 5, 1],
        &[0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0],
    ] {
        let path = "/rkcy.rpg.api.Transactions/Fund";
        let kind = [("content-type", "application/grpc")];
        assert_eq!(house.ask("POST", path, &kind, body).status, 200);
    }
    let metrics = house.text("/metrics");
    let count = |status: u16| {
        let counted = format!("route=\"/rkcy.rpg.api.Transactions/Fund\",status=\"{status}\"}} ");
        let line = metrics.lines().find_map(|line| line.split_once(&counted));
        line.map_or(0, |(_, count)| count.parse().unwrap())
    };
    assert_eq!((count(422), count(404), count(500)), (4, 1, 0), "{metrics}");
}

#[test]
fn what_is_away_is_told_so() {
    let runtime = runtime();
    let _context = runtime.enter();
    let desc = rpg::platform().desc;
    let nobody = Remote::new(desc, "http://127.0.0.1:1", None).unwrap();
    let away = runtime.block_on(nobody.get::<Player>(&Uuid::from_u128(1)));
    let away = away.unwrap_err();
    assert_eq!(
        (away.class, &*away.code),
        (Class::Unavailable, "outcome_unknown")
    );
    assert!(away.message.contains("refused"), "{away}");
    // Without an authority to trust there is no TLS, and nobody takes the one for the other.
    for wrong in ["", "no address", "127.0.0.1:1 x", "https://127.0.0.1:1"] {
        let fault = Remote::new(desc, wrong, None).unwrap_err();
        assert_eq!(fault.code, "wrong_endpoint", "{wrong}");
    }
    assert!(nobody.with_token("a\nb").is_err());
}

/// A client that speaks HTTP/1.1, or another encoding, is told as gRPC has it; and the files that describe the services are there.
#[test]
fn who_speaks_something_else_is_not_misunderstood() {
    let house = House::of(rpg::platform(), Limits::default());
    let path = "/rkcy.rpg.api.Transactions/Fund";
    let json = [("content-type", "application/json")];
    assert_eq!(house.ask("POST", path, &json, b"{}").status, 415);
    house.get(path).problem(405, "method_not_allowed");
    for (name, text) in rpg::platform().desc.protos {
        let answer = house.text(&format!("/proto/{name}"));
        assert!(answer.ends_with(text), "{answer}");
    }
    house.get("/proto/other.proto").problem(404, "no_such_path");
    house
        .get("/proto/..%2FCargo.toml")
        .problem(404, "no_such_path");
    let fund = encode(&Fund {
        to: Ref::new(Uuid::from_u128(1)),
        amount: gold(1),
    });
    let runtime = runtime();
    let gone = runtime
        .block_on(raw(&house, path, None, &fund))
        .unwrap_err();
    assert_eq!(gone.code, "not_found");
}
