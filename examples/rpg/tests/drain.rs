//! `platform drain`, as an operator uses it before a deploy: what is new is refused, what runs ends, and what is left
//! needs no log to be read.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/binary.rs"]
mod binary;
#[path = "support/database.rs"]
mod database;
#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;
#[path = "../../../rkcy-runtime/tests/support/servers.rs"]
mod servers;

use binary::Said;
use rkcy_runtime::codegen::{Class, Ref, Uuid, derived_uuid, serde_json};
use rkcy_runtime::driver::{Client, Drained};
use rpg::generated::txn::{SignUp, Trade};
use rpg::generated::{Character, Currency, Offer};
use serde_json::Value as Json;
use std::process::{Child, Command};
use std::time::Duration;
use tempfile::TempDir;

/// A directory to be in, and what each command is told beside its own.
struct Place {
    dir: TempDir,
    settings: Vec<String>,
}

impl Place {
    fn embedded() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
            settings: Vec::new(),
        }
    }

    /// An environment and a database of its own, on the servers of the tests.
    fn shared() -> Place {
        let name = format!("drain{}", Uuid::new_v4().simple());
        let log = format!("kafka:{}", servers::kafka());
        let store = database::created(&name);
        let settings = ["--log", &log, "--store", &store, "--env", &name];
        Place {
            settings: settings.map(str::to_owned).to_vec(),
            ..Place::embedded()
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = binary::command(env!("CARGO_BIN_EXE_rpg"), self.dir.path(), args);
        command.args(&self.settings);
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    /// One that ends with this code; the last line of JSON.
    #[track_caller]
    fn json(&self, code: i32, args: &[&str]) -> Json {
        let said = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(said.code, Some(code), "{args:?}: {}{}", said.out, said.err);
        serde_json::from_str(said.out.lines().last().unwrap()).unwrap()
    }

    fn sign_up(&self, code: i32) -> Json {
        let name = format!("username={}", &Uuid::new_v4().simple().to_string()[..20]);
        self.json(code, &["txn", "sign_up", &name, "fullname=Anna"])
    }

    /// A running platform, once it is ready.
    fn running(&self) -> Child {
        binary::running(&mut self.command(&["run", "--format", "json"]))
    }

    /// The whole of it, on whatever log: refused, ended, said, and taken again.
    fn is_drained(&self) {
        assert_eq!(self.sign_up(0)["outcome"], "committed");
        for _ in 0..2 {
            let drained = self.json(0, &["platform", "drain", "--limit", "60"]);
            assert_eq!(
                (&drained["draining"], &drained["over"]),
                (&true.into(), &true.into())
            );
        }
        let refused = self.sign_up(3);
        assert_eq!(
            (&refused["outcome"], &refused["error"]["code"]),
            (&"unknown".into(), &"draining".into()),
            "{refused}"
        );
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("ask again"), "{message}");
    }

    fn is_resumed(&self) {
        let resumed = self.json(0, &["platform", "drain", "--resume"]);
        assert_eq!(resumed["draining"], false);
        assert_eq!(self.sign_up(0)["outcome"], "committed");
    }
}

fn stopped(mut child: Child) {
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(told.success() && child.wait().unwrap().success());
}

#[test]
fn a_platform_that_nobody_runs_is_drained_and_stays_so() {
    let place = Place::embedded();
    place.is_drained();
    // It outlives the process: the next one takes nothing either, and reads nothing.
    let child = place.running();
    let refused = place.sign_up(3);
    assert_eq!(refused["error"]["code"], "draining");
    stopped(child);
    place.is_resumed();
}

#[test]
fn a_platform_that_runs_is_drained_through_its_edge() {
    let place = Place::embedded();
    let child = place.running();
    place.is_drained();
    let edge = std::fs::read_to_string(place.dir.path().join("data/log/edge")).unwrap();
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = ureq::Agent::new_with_config(config.build());
    let url = format!("{edge}/v1/txn/sign_up");
    let body = r#"{"username":"berta","fullname":"Berta"}"#;
    let post = agent.post(url).content_type("application/json").send(body);
    let response = post.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    // For people it is said in words.
    let said = place.run(&["platform", "drain"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("nothing is in flight"), "{}", said.out);
    place.is_resumed();
    stopped(child);
}

#[test]
fn processes_on_kafka_are_drained_and_the_next_goes_on() {
    let place = Place::shared();
    place.json(0, &["platform", "create", "--partitions", "2"]);
    place.json(0, &["migrate", "up"]);
    let child = place.running();
    place.is_drained();
    stopped(child);
    let child = place.running();
    assert_eq!(place.sign_up(3)["error"]["code"], "draining");
    place.is_resumed();
    stopped(child);
}

fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

/// How a drain of this client has come to its end.
async fn until_over(client: &Client) -> Drained {
    client.drain(true).await.unwrap();
    loop {
        let drained = client.drained().await.unwrap();
        if drained.is_over {
            return drained;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Callers trade all the while: each hears either how it ended or that nothing was done, and the money adds up.
#[test]
fn under_load_everybody_hears_whether_it_was_done() {
    let place = embedded::Place::new(rpg::platform());
    let running = place.start();
    let client = running.client();
    place.runtime.block_on(async {
        let mut characters = Vec::new();
        for _ in 0..8 {
            let id = Client::new_id();
            let params = SignUp {
                username: Uuid::from_bytes(id.0).simple().to_string(),
                fullname: "Anna".to_owned(),
            };
            client.call_as(id, &params).await.unwrap();
            characters.push(derived_uuid(id, 3, 0));
        }
        let mut calls = tokio::task::JoinSet::new();
        for nth in 0..64_usize {
            let (client, characters) = (client.clone(), characters.clone());
            calls.spawn(async move {
                let (mut done, mut refused) = (0_u32, 0_u32);
                for round in 0.. {
                    let (one, other) = (nth % 8, (nth + 1 + round % 7) % 8);
                    let offer = |at: usize| Offer {
                        character: Ref::new(characters[at]),
                        currency: gold(0),
                    };
                    let (lhs, rhs) = (offer(one), offer(other));
                    match client.call(&Trade { lhs, rhs }).await {
                        Ok(_) => done += 1,
                        Err(fault) if fault.code == "draining" => {
                            assert_eq!(fault.class, Class::Bound);
                            refused += 1;
                            if refused == 20 {
                                break;
                            }
                        }
                        Err(fault) if fault.class == Class::Refusal => done += 1,
                        Err(fault) => panic!("{fault}"),
                    }
                }
                done
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let drained = until_over(&client).await;
        for (partition, it) in &drained.partitions {
            assert_eq!(
                (it.running, it.locked, it.waiting),
                (0, 0, 0),
                "{partition}"
            );
        }
        let done: u32 = calls.join_all().await.into_iter().sum();
        assert!(done > 0, "some were taken before");
        let read = client.get::<Character>(&characters[0]).await;
        assert_eq!(read.unwrap_err().code, "draining");
        client.drain(false).await.unwrap();
        client.get::<Character>(&characters[0]).await.unwrap();
    });
    drop(client);
    running.stop().unwrap();
}
