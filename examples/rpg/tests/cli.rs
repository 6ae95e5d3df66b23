//! The commands of the binary, as a user types them: each one's happy path, and bad input.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/binary.rs"]
mod binary;

use binary::Said;
use rkcy_runtime::codegen::{TxnId, Uuid, derived_uuid, serde_json};
use serde_json::Value as Json;
use sqlx::{ConnectOptions, Connection};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A directory to be in.
struct Place(TempDir);

/// A name that nobody has.
fn new_name() -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("username=anna-{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        binary::command(env!("CARGO_BIN_EXE_rpg"), self.0.path(), args)
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    /// One that succeeds, with JSON to read.
    fn json(&self, args: &[&str]) -> Json {
        let said = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    /// A player's character, new and with some gold.
    fn character(&self, gold: u32) -> String {
        let said = self.json(&["txn", "sign_up", &new_name(), "fullname=Anna"]);
        let id = Uuid::parse_str(said["id"].as_str().unwrap()).unwrap();
        let character = derived_uuid(TxnId(id.into_bytes()), 3, 0).to_string();
        let (to, amount) = (format!("to={character}"), format!("amount.gold={gold}"));
        self.json(&["txn", "fund", &to, &amount]);
        character
    }

    /// A running platform, once it is ready.
    fn running(&self) -> Child {
        binary::running(&mut self.command(&["run", "--format", "json"]))
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let killed = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(killed.success());
}

/// Puts other bytes in the middle of the first segment's records.
fn damage(segment: &Path) {
    let mut bytes = std::fs::read(segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end / 2] ^= 0xff;
    std::fs::write(segment, bytes).unwrap();
}

#[test]
fn transactions_and_reads() {
    let place = Place::new();
    let (one, other) = (place.character(100), place.character(10));
    let gold = |key: &str| place.json(&["get", "Character", key])["currency"]["gold"].clone();

    let json = format!(
        r#"{{"lhs":{{"character":"{one}","currency":{{"gold":30}}}},"rhs":{{"character":"{other}","currency":{{"gold":5}}}}}}"#
    );
    place.json(&["txn", "trade", "--json", &json]);
    assert_eq!((gold(&one), gold(&other)), (75.into(), 35.into()));

    // From a file, from stdin.
    std::fs::write(place.path("back.json"), r#"{"amount":{"gold":20}}"#).unwrap();
    place.json(&["txn", "fund", "--json", "@back.json", &format!("to={one}")]);
    let mut child = place
        .command(&["txn", "fund", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let fund = format!(r#"{{"to":"{one}","amount":{{"gold":5}}}}"#);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(fund.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(gold(&one), 100);

    // Refused, with its name; nothing has happened.
    let (left, right) = (
        format!("lhs.character={one}"),
        format!("rhs.character={other}"),
    );
    let poor = [
        "txn",
        "trade",
        &left,
        "lhs.currency.gold=101",
        &right,
        "rhs.currency={}",
    ];
    place.run(&poor).says(1, &["refused", "insufficient_funds"]);
    assert_eq!(gold(&one), 100);

    // One id, asked for twice and once without waiting, runs once.
    let id = rkcy_runtime::driver::Client::new_id().to_string();
    let (to, amount) = (format!("to={one}"), "amount.gold=1");
    let said = place.json(&["txn", "fund", &to, amount, "--id", &id, "--no-wait"]);
    assert_eq!(
        (said["outcome"].as_str(), said["id"].as_str()),
        (Some("submitted"), Some(&*id))
    );
    place.json(&["txn", "fund", &to, amount, "--id", &id]);
    assert_eq!(gold(&one), 101);

    // One key, asked for twice, is one as well: the second hears what the first has heard.
    let fund = |args: &[&str]| place.run(&[&["txn", "fund", &to], args].concat());
    fund(&[amount, "--key", "order-1"]).says(0, &["committed"]);
    fund(&[amount, "--key", "order-1"]).says(0, &["committed"]);
    assert_eq!(gold(&one), 102);
    fund(&["amount.gold=2", "--key", "order-1"]).says(1, &["key_reused"]);
    fund(&["amount.gold=1", "--key", "order-1", "--caller", "bert"]).says(0, &["committed"]);
    assert_eq!(gold(&one), 103);
    let long = "k".repeat(257);
    fund(&[amount, "--key", &long]).says(2, &["wrong_idempotency_key", "at most 256 bytes"]);
    fund(&[amount, "--key", ""]).says(2, &["wrong_idempotency_key"]);
    fund(&[amount, "--caller", "bert"]).says(2, &["--key"]);
    fund(&[amount, "--key-life", "0"]).says(2, &["--key-life"]);
    assert_eq!(gold(&one), 103);

    let said = place.json(&["txn", "Character.rename", &one, "fullname=1234"]);
    assert_eq!(said["outcome"], "committed");
    let stale = place.json(&["get", "Character", &one, "--stale"]);
    assert_eq!(stale, place.json(&["get", "Character", &one]));
    assert_eq!(stale["fullname"], "1234");
    assert_eq!(place.json(&["query", "Character", &one, "worth"]), 103);
}

#[test]
fn bad_input_is_said_and_changes_nothing() {
    let place = Place::new();
    let key = "0b2d2b52-2c6a-4c8e-8a55-0f6f0d7d0a01";
    let to = format!("to={key}");
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["txn", "trde"],
            &["did you mean `trade`?", "sign_up", "fund"],
        ),
        (&["txn", "fund", "--json", "{"], &["--json is not JSON"]),
        (
            &["txn", "fund", "--json", "[1]"],
            &["an object was expected"],
        ),
        (
            &["txn", "fund", "--json", "@nowhere"],
            &["nowhere cannot be read"],
        ),
        (
            &["txn", "fund", &to, "amount.gold=abc"],
            &["`amount.gold`", "expected i64"],
        ),
        (
            &["txn", "fund", &to, "amount.gold=1.5"],
            &["`amount.gold`", "expected i64"],
        ),
        (&["txn", "fund", &to, "amount.gold=-1"], &["`amount.gold`"]),
        (&["txn", "fund", &to, "amount.silver=1"], &["silver"]),
        (&["txn", "fund", "to=nobody", "amount={}"], &["`to`"]),
        (&["txn", "fund", &to], &["`amount`", "missing"]),
        (&["txn", "fund", "gold"], &["ARG=VALUE"]),
        (&["txn", "fund", &to, &to], &["twice"]),
        (
            &["txn", "fund", &to, "amount={}", "--id", key],
            &["version 7"],
        ),
        (
            &["txn", "fund", &to, "amount={}", "--id", "x"],
            &["no transaction id"],
        ),
        (
            &["txn", "fund", &to, "amount={}", "--deadline", "0"],
            &["--deadline"],
        ),
        (
            &["txn", "fund", &to, "amount={}", "--deadline=-1"],
            &["--deadline"],
        ),
        (
            &["txn", "Character.explode", key],
            &["Character", "explode", "rename"],
        ),
        (
            &["txn", "Character.rename"],
            &["key of a Character is missing"],
        ),
        (
            &["txn", "Character.rename", key, "fullname=x"],
            &["`fullname`"],
        ),
        (
            &["get", "Charakter", key],
            &["did you mean `Character`?", "Player"],
        ),
        (&["get", "Character", "12"], &["no key of Character"]),
        (&["query", "Character", key, "wealth"], &["worth"]),
        (&["decode", "Player", "***"], &["not base64"]),
        (&["decode", "Player", "AAAA"], &["no Player"]),
        (&["simulate"], &["--seeds"]),
        (&["simulate", "--seeds", "9..1"], &["no seed"]),
        (
            &["simulate", "--seeds", "0..1", "--faults", "crsh"],
            &["did you mean `crash`?"],
        ),
        (&["run", "--roles", "process"], &["process,storage"]),
        (
            &["run", "--roles", "edge"],
            &["`roles`", "one process has all roles"],
        ),
        (&["run", "--listen", "here"], &["`listen`", "HOST:PORT"]),
        (
            &["run", "--log", "kafka:localhost"],
            &["`log`", "HOST:PORT"],
        ),
        (&["platform", "create"], &["embedded log"]),
        (
            &["platform", "resize", "Player", "8"],
            &["not supported yet"],
        ),
        (&["run", "--log", "here"], &["embedded:here"]),
        (&["run", "--fsync", "never"], &["`fsync`"]),
        (&["run", "--partitions", "0"], &["--partitions"]),
        (
            &["sim", "--verify", "nowhere"],
            &["nowhere cannot be opened"],
        ),
        (&["sim", "--hot", "2"], &["`hot`"]),
        (&["migrate", "sideways"], &["sideways"]),
        (&["fly"], &["fly"]),
    ];
    for (args, needles) in cases {
        let said = place.run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {}{}", said.out, said.err);
        assert_eq!(said.out, "", "{args:?}");
        said.says(2, needles);
    }
    assert!(
        !place.path("data").exists(),
        "bad input has started something"
    );
    let fault = serde_json::from_str::<Json>(&place.run(&["txn", "trde", "--format", "json"]).out);
    assert_eq!(fault.unwrap()["error"]["code"], "unknown_transaction");
}

#[test]
fn sixty_four_mebibytes_are_refused_in_a_few_words() {
    let place = Place::new();
    let name = "x".repeat(64 << 20);
    std::fs::write(
        place.path("large.json"),
        format!(r#"{{"username":"{name}","fullname":"Anna"}}"#),
    )
    .unwrap();
    let said = place.run(&["txn", "sign_up", "--json", "@large.json"]);
    said.says(2, &["`username`", "67108864"]);
    assert!(said.err.len() < 1_000, "{} bytes are said", said.err.len());
    assert!(!place.path("data").exists(), "it has started something");
}

#[test]
fn what_is_not_there_is_refused() {
    let place = Place::new();
    let key = "0b2d2b52-2c6a-4c8e-8a55-0f6f0d7d0a01";
    place
        .run(&["get", "Character", key, "--stale"])
        .says(3, &["no database"]);
    place
        .run(&["get", "Character", key])
        .says(1, &["refused", "not_found"]);
    place
        .run(&["get", "Character", key, "--stale"])
        .says(1, &["refused", "not_found"]);
    let to = format!("to={key}");
    place
        .run(&["txn", "fund", &to, "amount.gold=1"])
        .says(1, &["not_found"]);
}

#[test]
fn a_second_process_is_refused_and_a_signal_drains() {
    let place = Place::new();
    let character = place.character(5);
    let child = place.running();
    let pid = child.id().to_string();
    place.run(&["run"]).says(3, &["in use by process", &pid]);
    place
        .run(&["sim", "--seconds", "1"])
        .says(3, &["in use by process", &pid]);
    // The database can be read beside it.
    assert_eq!(
        place.json(&["get", "Character", &character, "--stale"])["currency"]["gold"],
        5
    );
    stopped(child, "-TERM");
    stopped(place.running(), "-INT");
    assert_eq!(
        place.json(&["get", "Character", &character])["currency"]["gold"],
        5
    );
}

#[test]
fn an_address_that_is_taken_is_said() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    place
        .run(&["run", "--listen", &addr])
        .says(3, &["`listen`", &addr, "another process listens"]);
}

#[test]
fn a_platform_that_runs_tells_how_transactions_end() {
    let place = Place::new();
    place
        .run(&["watch", "--follow"])
        .says(3, &["nothing runs here", "`run` it first"]);
    let run = ["run", "--format", "json", "--audit", "all"];
    let child = binary::running(&mut place.command(&run));
    let character = place.character(5);
    let trade = format!(
        r#"{{"lhs":{{"character":"{character}","currency":{{}}}},"rhs":{{"character":"{character}","currency":{{}}}}}}"#
    );
    let refused = ["txn", "trade", "--json", &trade];
    place.run(&refused).says(1, &["same_character"]);
    let names = |said: Said| -> Vec<String> {
        said.says(0, &[]);
        let lines = said.out.lines().map(serde_json::from_str);
        let lines = lines.map(|line: Result<Json, _>| line.unwrap());
        lines
            .map(|line| line["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let kept = || names(place.run(&["watch", "--format", "json"]));
    // What is refused before it is submitted has never been a transaction.
    assert_eq!(kept(), ["sign_up", "fund"]);
    // Both come to their end at a character.
    let of = |concern| names(place.run(&["watch", "--concern", concern, "--format", "json"]));
    assert_eq!(of("Character"), ["sign_up", "fund"]);
    assert_eq!(of("Player").len(), 0);
    let decoded = place.run(&["watch", "-d"]).out;
    for word in ["committed", "sign_up", "\"gold\":5"] {
        assert!(decoded.contains(word), "{decoded}");
    }

    // And goes on with what comes, until it is ended.
    let mut watch = place
        .command(&["watch", "--follow", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Json { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["name"], "sign_up");
    assert_eq!(next()["name"], "fund");
    let to = format!("to={character}");
    let funded = place.json(&["txn", "fund", &to, "amount.gold=1"]);
    assert_eq!(next()["id"], funded["id"]);
    stopped(child, "-TERM");
    let ended = Said::of(&watch.wait_with_output().unwrap());
    ended.says(3, &["the platform has stopped"]);
    // Where none runs, the log is read.
    assert_eq!(kept(), ["sign_up", "fund", "fund"]);
}

#[test]
fn commands_ask_the_platform_that_runs() {
    let place = Place::new();
    let character = place.character(5);
    let child = place.running();
    assert!(place.path("data/log/edge").exists());
    let of_anna = ["Character", &character];
    let get = [&["get"], &of_anna[..]].concat();
    assert_eq!(place.json(&get)["currency"]["gold"], 5);
    let worth = [&["query"], &of_anna[..], &["worth"]].concat();
    assert_eq!(place.json(&worth), 5);
    let to = format!("to={character}");
    let fund = ["txn", "fund", &to, "amount.gold=2", "--key", "once"];
    let said = place.json(&fund);
    assert_eq!(said["outcome"], "committed");
    assert_eq!(said["result"]["currency"]["gold"], 7);
    // With its key it is done once.
    place.json(&fund);
    let renamed = place.json(&["txn", "Character.rename", &character, "fullname=Bert"]);
    assert_eq!(renamed["outcome"], "committed");
    assert_eq!(place.json(&get)["fullname"], "Bert");
    assert_eq!(place.json(&get)["currency"]["gold"], 7);
    let taken = place.json(&["txn", "fund", &to, "amount.gold=1", "--no-wait"]);
    assert_eq!(taken["outcome"], "submitted");
    assert_eq!(place.json(&get)["currency"]["gold"], 8);
    let id = taken["id"].as_str().unwrap();
    assert_eq!(
        place.json(&["txn", "show", id])["facts"][0]["state"],
        "committed"
    );
    place.run(&["txn", "cancel", id]).says(1, &["committed"]);
    place.run(&["txn", "resume", id]).says(1, &["not_parked"]);
    place.run(&["txn", "list"]).says(0, &["there is none"]);
    // What is refused is told as ever.
    let same = [
        format!("lhs.character={character}"),
        format!("rhs.character={character}"),
    ];
    place
        .run(&["txn", "trade", &same[0], &same[1]])
        .says(1, &["same_character"]);
    let nobody = Uuid::nil().to_string();
    place
        .run(&["get", "Character", &nobody])
        .says(1, &["not_found"]);
    place
        .run(&["get", "Character", "anna"])
        .says(2, &["wrong_key"]);
    let away = [
        "--endpoint",
        "http://127.0.0.1:9",
        "get",
        "Character",
        &character,
    ];
    place.run(&away).says(3, &["no_edge"]);
    place
        .run(&["--endpoint", "here", "txn", "list"])
        .says(2, &["http://HOST:PORT"]);
    // Who was killed has left the note, and nobody is there.
    signal(&child, "-KILL");
    drop(child.wait_with_output());
    assert!(place.path("data/log/edge").exists());
    assert_eq!(place.json(&get)["currency"]["gold"], 8);
    stopped(place.running(), "-TERM");
    assert!(!place.path("data/log/edge").exists());
}

/// Sends a signal that asks for an orderly stop, and sees that it is one.
fn stopped(mut child: Child, name: &str) {
    signal(&child, name);
    let mut rest = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut rest)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{name}");
    assert!(rest.contains("stopped"), "{name}: {rest}");
}

#[test]
fn damage_stops_the_start_with_file_and_position() {
    let place = Place::new();
    place.character(1);
    let segment = place.path("data/log/0000000001.seg");
    damage(&segment);
    let said = place.run(&["run"]);
    said.says(3, &["0000000001.seg", "is damaged at byte"]);
    // Nothing was changed by looking at it.
    let before = std::fs::read(&segment).unwrap();
    place
        .run(&["txn", "sign_up", "username=bert", "fullname=Bert"])
        .says(3, &["at byte"]);
    assert_eq!(std::fs::read(&segment).unwrap(), before);
}

#[test]
fn what_belongs_to_somebody_else_is_not_touched() {
    let place = Place::new();
    std::fs::create_dir(place.path("photos")).unwrap();
    std::fs::write(place.path("photos/me.jpg"), "me").unwrap();
    let said = place.run(&["run", "--log", "embedded:photos"]);
    said.says(2, &["photos is not an embedded log", "me.jpg"]);
    assert_eq!(std::fs::read_dir(place.path("photos")).unwrap().count(), 1);
    std::fs::write(place.path("letter.txt"), "Dear Sir or Madam, ".repeat(100)).unwrap();
    let said = place.run(&["run", "--store", "sqlite:letter.txt"]);
    assert!(matches!(said.code, Some(2 | 3)), "{}", said.err);
    assert!(said.err.contains("letter.txt"), "{}", said.err);
    place
        .run(&["run", "--log", "embedded:letter.txt"])
        .says(3, &["letter.txt"]);
}

#[test]
fn settings_come_from_flags_then_environment_then_file() {
    let place = Place::new();
    let made = |log: &str| place.path(log).join("format").exists();
    std::fs::write(
        place.path("rkcy.toml"),
        "log = \"embedded:of-file\"\npartitions = 2\n",
    )
    .unwrap();
    let key = "0b2d2b52-2c6a-4c8e-8a55-0f6f0d7d0a01";
    let get = ["get", "Character", key];
    assert_eq!(place.run(&get).code, Some(1));
    assert!(made("of-file"));
    let mut command = place.command(&get);
    command
        .env("RKCY_LOG", "embedded:of-env")
        .env("RKCY_STORE", "sqlite:of-env.db");
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    assert!(made("of-env"));
    command.args(["--log", "embedded:of-flag", "--store", "sqlite:of-flag.db"]);
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    assert!(made("of-flag"));
    place
        .run(&[&get[..], &["--partitions", "3"]].concat())
        .says(3, &["2 partitions, not 3"]);
    std::fs::write(place.path("rkcy.toml"), "logs = \"embedded:x\"\n").unwrap();
    place.run(&get).says(2, &["rkcy.toml", "logs"]);
}

#[test]
fn migrations_go_up_and_down() {
    let place = Place::new();
    place.run(&["migrate", "status"]).says(3, &["no database"]);
    assert_eq!(
        place.json(&["migrate", "up"])["applied"],
        serde_json::json!([1])
    );
    assert_eq!(
        place.json(&["migrate", "up"])["applied"],
        serde_json::json!([])
    );
    assert_eq!(place.json(&["migrate", "status"])["state"], "applied");
    place.run(&["migrate", "down"]).says(2, &["--drop-data"]);
    assert_eq!(
        place.json(&["migrate", "down", "--drop-data"])["taken_back"],
        serde_json::json!([1])
    );
    let said = place.run(&["migrate", "status"]);
    assert_eq!((said.code, said.out.contains("pending")), (Some(1), true));
}

#[test]
fn a_database_that_was_changed_by_hand_is_named_at_the_start() {
    let place = Place::new();
    place.json(&["migrate", "up"]);
    let database = place.path("data/rpg.db");
    let by_hand = |sql: &'static str| {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut connection = options.connect().await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    };
    by_hand(
        r#"ALTER TABLE "player" RENAME COLUMN "username" TO "user"; CREATE TABLE "mine" ("a");"#,
    );
    let named = [
        "store_drift",
        r#"column "player"."username" is missing"#,
        r#"column "player"."user" is there"#,
        "take the change back by hand",
    ];
    place.run(&["run"]).says(3, &named);
    place.run(&["migrate", "status"]).says(3, &named);
    by_hand(r#"ALTER TABLE "player" RENAME COLUMN "user" TO "username""#);
    assert_eq!(place.run(&["migrate", "status"]).code, Some(0));
}

#[test]
fn bytes_are_decoded() {
    let place = Place::new();
    // Field 2, "anna"; its key is 16 bytes in field 1.
    let player = place.json(&["decode", "Player", "ChAAAQIDBAUGBwgJCgsMDQ4PEgRhbm5h"]);
    assert_eq!(player["username"], "anna");
    assert_eq!(place.json(&["decode", "Character.fund", "CAU="])["gold"], 5);
}

#[test]
fn simulated_clusters_are_clean_and_one_seed_can_be_replayed() {
    let place = Place::new();
    let report = place.json(&["simulate", "--seeds", "1..=3", "--transactions", "60"]);
    assert_eq!(
        (&report["runs"], &report["violation"]),
        (&3.into(), &Json::Null)
    );
    for figure in ["transactions", "faults", "checks"] {
        assert!(report[figure].as_u64() > Some(0), "{figure}: {report}");
    }
    let trace = || {
        place
            .run(&["simulate", "--seed", "2", "--trace", "--transactions", "60"])
            .out
    };
    let without_time = |text: String| text.split(" checks in ").next().unwrap().to_owned();
    assert_eq!(without_time(trace()), without_time(trace()));
    if !cfg!(feature = "seeded-bugs") {
        place
            .run(&["simulate", "--list-bugs"])
            .says(2, &["seeded-bugs"]);
        place
            .run(&["simulate", "--seeds", "0..1", "--bug", "no-outbox"])
            .says(2, &["seeded-bugs"]);
    }
}

#[test]
fn whoever_reads_only_the_first_line_sees_no_panic() {
    let place = Place::new();
    let mut command = place.command(&["simulate", "--seed", "1", "--trace"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    Said::of(&child.wait_with_output().unwrap()).says(0, &[]);
}

#[test]
fn data_that_cannot_be_printed_is_no_success() {
    let place = Place::new();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = place.command(&["decode", "Character.fund", "CAU="]);
    let output = command.stdout(full).output().unwrap();
    Said::of(&output).says(3, &["stdout cannot be written"]);
}

#[test]
fn help_has_an_example_for_every_command() {
    let place = Place::new();
    let all = place.run(&["--help"]);
    assert_eq!(all.code, Some(0));
    for name in [
        "run", "txn", "get", "query", "migrate", "decode", "simulate", "sim", "demo",
    ] {
        assert!(
            all.out.contains(&format!("  {name} ")),
            "{name}: {}",
            all.out
        );
        let help = place.run(&[name, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.out.contains("Example"), "{name}");
        assert!(
            help.out.contains(&format!("\n  rpg {name}")),
            "{name}: {}",
            help.out
        );
    }
    assert!(place.run(&["--version"]).out.starts_with("rpg "));
    assert_eq!(place.run(&[]).code, Some(2));
}

#[test]
fn load_is_compared_and_a_journal_that_does_not_fit_is_found_out() {
    let place = Place::new();
    let load = [
        "sim",
        "--players",
        "6",
        "--clients",
        "8",
        "--seconds",
        "0.3",
        "--journal",
        "heard",
    ];
    let report = place.json(&load);
    assert_eq!(report["compared"]["differences"], serde_json::json!([]));
    assert!(report["per_second"].as_f64() > Some(0.0));
    let verify = ["sim", "--verify", "heard"];
    place.run(&verify).says(0, &[]);

    // An acknowledged effect that is missing: one more was heard of than ran.
    let heard = std::fs::read_to_string(place.path("heard")).unwrap();
    let fund = |line: &&str| line.contains(r#""txn":"fund""#) && line.contains("committed");
    let fund = heard.lines().find(fund).unwrap();
    let line: Json = serde_json::from_str(fund).unwrap();
    let another = |outcome: Option<&str>, id: &str| {
        let mut line = line.clone();
        line["id"] = id.into();
        match outcome {
            Some(outcome) => line["outcome"] = outcome.into(),
            None => drop(line.as_object_mut().unwrap().remove("outcome")),
        }
        format!("{heard}{line}\n")
    };
    let of_2020 = "01700000-0000-7000-8000-000000000001";
    std::fs::write(place.path("heard"), another(Some("committed"), of_2020)).unwrap();
    let said = place.run(&verify);
    assert_eq!(said.code, Some(1), "{}", said.err);
    // One that is there twice, or though it was refused: it was heard of less often than it ran.
    let without = heard
        .lines()
        .filter(|line| !line.contains(line_id(fund)))
        .collect::<Vec<_>>();
    std::fs::write(place.path("heard"), without.join("\n") + "\n").unwrap();
    assert_eq!(place.run(&verify).code, Some(1));
    // One too old to ask for that did not run is no contradiction; the end of a line is none either.
    std::fs::write(place.path("heard"), another(None, of_2020) + r#"{"id":"01"#).unwrap();
    let said = place.run(&verify);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("1 too old to ask for"), "{}", said.out);
    std::fs::write(place.path("heard"), format!("{heard}nonsense\n")).unwrap();
    place.run(&verify).says(2, &["heard line"]);
}

/// The id in a line of a journal.
fn line_id(line: &str) -> &str {
    &line[7..43]
}

#[test]
fn what_was_heard_before_a_kill_is_there_after_it() {
    let place = Place::new();
    let load = [
        "sim",
        "--players",
        "8",
        "--clients",
        "16",
        "--seconds",
        "60",
        "--journal",
        "heard",
    ];
    let mut child = place.command(&load).stdout(Stdio::null()).spawn().unwrap();
    let outcomes = || {
        let heard = std::fs::read_to_string(place.path("heard")).unwrap_or_default();
        heard.matches(r#""outcome""#).count()
    };
    while outcomes() < 100 {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the load has ended by itself"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for _ in 0..2 {
        place.run(&["sim", "--verify", "heard"]).says(0, &[]);
    }
}

#[test]
fn a_full_disk_is_said_and_what_was_acknowledged_stays() {
    let place = Place::new();
    let character = place.character(3);
    // Files of this process may not grow: the database's first, or the log's.
    let limited = format!(
        "ulimit -f 64; exec '{}' sim --players 200 --clients 64 --seconds 60 --journal heard",
        env!("CARGO_BIN_EXE_rpg")
    );
    let mut command = Command::new("bash");
    let output = command
        .current_dir(place.0.path())
        .args(["-c", &limited])
        .output()
        .unwrap();
    let said = Said::of(&output);
    said.says(3, &[]);
    assert_eq!(
        place.json(&["get", "Character", &character])["currency"]["gold"],
        3
    );
    place.run(&["sim", "--verify", "heard"]).says(0, &[]);
}
