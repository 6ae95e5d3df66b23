//! Several processes on one log whose streams fail on their own: hand-overs, deaths, leftovers, lost sends,
//! lost answers. Whatever happens, each transaction comes to one end, and the money adds up.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_runtime::codegen::Outcome;
use rkcy_runtime::driver::{Client, Options, Role};
use rkcy_runtime::log::{Log, StreamId};
use support::faulty::Fails;
use support::{START, World, fund};

const PROCESS: &[Role] = &[Role::Process];
const STORAGE: &[Role] = &[Role::Storage];

#[test]
fn roles_in_processes_of_their_own() {
    let world = World::new();
    let (worker, storage) = (world.start(PROCESS), world.start(STORAGE));
    let submitter = world.start(&[]);
    let client = submitter.client();
    let characters = world.characters(&client, 20);
    let load = world.trade(&client, &characters, 8);
    world.progress(&load, 500);
    world.finish(load);
    let found = world.audited(&client, &characters);
    worker.stop().unwrap();
    storage.stop().unwrap();
    assert_eq!(world.stored(&characters), found);
    // Another worker finds all of it.
    let worker = world.start(PROCESS);
    assert_eq!(world.audited(&client, &characters), found);
    worker.stop().unwrap();
    submitter.stop().unwrap();
}

#[test]
fn partitions_move_under_load() {
    let world = World::new();
    let (one, storage) = (world.start(PROCESS), world.start(STORAGE));
    let other = world.start(PROCESS);
    let submitter = world.start(&[]);
    let client = submitter.client();
    let characters = world.characters(&client, 20);
    let load = world.trade(&client, &characters, 8);
    let members = world.group.of(Role::Process);
    for round in 0..6 {
        world.progress(&load, 100);
        for partition in world.group.all().iter().skip(round % 2).step_by(2) {
            world
                .group
                .hand_over(*partition, members[(round / 2 + 1) % 2]);
        }
        world.wait(async {
            while !world.group.is_settled(Role::Process) {
                tokio::task::yield_now().await;
            }
        });
    }
    world.progress(&load, 100);
    world.finish(load);
    let found = world.audited(&client, &characters);
    one.stop().unwrap();
    other.stop().unwrap();
    storage.stop().unwrap();
    assert_eq!(world.stored(&characters), found);
    submitter.stop().unwrap();
}

#[test]
fn a_worker_that_dies_is_replaced() {
    let world = World::new();
    let storage = world.start(STORAGE);
    let submitter = world.start(&[]);
    let client = submitter.client();
    let mut worker = world.start(PROCESS);
    let characters = world.characters(&client, 20);
    let load = world.trade(&client, &characters, 8);
    for _ in 0..5 {
        world.progress(&load, 100);
        let next = world.start(PROCESS);
        // Its partitions go over while its threads are still at work.
        drop(std::mem::replace(&mut worker, next));
    }
    world.progress(&load, 100);
    world.finish(load);
    let found = world.audited(&client, &characters);
    worker.stop().unwrap();
    storage.stop().unwrap();
    assert_eq!(world.stored(&characters), found);
    submitter.stop().unwrap();
}

#[test]
fn a_leftover_worker_and_a_leftover_storage_do_no_harm() {
    let world = World::new();
    let (one, storage) = (world.start(PROCESS), world.start(STORAGE));
    let (other, second) = (world.start(PROCESS), world.start(STORAGE));
    let submitter = world.start(&[]);
    let client = submitter.client();
    let characters = world.characters(&client, 20);
    let load = world.trade(&client, &characters, 8);
    for role in [Role::Process, Role::Storage] {
        let members = world.group.of(role);
        for partition in world.group.all() {
            world.group.steal(*partition, members[1]);
        }
        world.progress(&load, 200);
        for partition in world.group.all() {
            world.group.lose(*partition, members[0]);
        }
        world.progress(&load, 200);
    }
    world.finish(load);
    let found = world.audited(&client, &characters);
    for running in [one, other, storage, second] {
        running.stop().unwrap();
    }
    assert_eq!(world.stored(&characters), found);
    submitter.stop().unwrap();
}

#[test]
fn sends_that_fail_are_sent_again() {
    let world = World::new();
    let (worker, storage) = (world.start(PROCESS), world.start(STORAGE));
    let submitter = world.start(&[]);
    let client = submitter.client();
    let characters = world.characters(&client, 20);
    let load = world.trade(&client, &characters, 8);
    for how in [Fails::Lost, Fails::Unheard] {
        world.log.fail(how, 97);
        let before = world.log.failed();
        while world.log.failed() < before + 8 {
            world.progress(&load, 10);
        }
        world.log.fail(how, 0);
    }
    world.progress(&load, 100);
    world.finish(load);
    let found = world.audited(&client, &characters);
    worker.stop().unwrap();
    storage.stop().unwrap();
    assert_eq!(world.stored(&characters), found);
    submitter.stop().unwrap();
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let world = World::new();
    let (worker, submitter) = (world.start(PROCESS), world.start(&[]));
    let client = submitter.client();
    let characters = world.characters(&client, 2);
    let id = Client::new_id();
    world.log.lose_answers(1);
    let asked = {
        let (client, txn) = (client.clone(), fund(&client, id, characters[0]));
        world
            .runtime
            .spawn(async move { client.outcome(txn).await })
    };
    world.wait(async {
        while world.log.failed() == 0 {
            tokio::task::yield_now().await;
        }
    });
    world.log.lose_answers(0);
    assert!(matches!(world.wait(asked).unwrap(), Outcome::Committed(_)));
    submitter.stop().unwrap();
    // And by a submitter that has been started again, which knows nothing but the id.
    let submitter = world.start(&[]);
    let client = submitter.client();
    let again = world.wait(client.outcome(fund(&client, id, characters[0])));
    assert!(matches!(again, Outcome::Committed(_)));
    let found = world.wait(client.get::<rpg::generated::Character>(&characters[0]));
    assert_eq!(found.unwrap().currency.gold, START + 5);
    worker.stop().unwrap();
    submitter.stop().unwrap();
}

/// Not skipped: people must look.
#[test]
fn records_that_are_gone_end_the_process() {
    let world = World::new();
    let (worker, submitter) = (world.start(PROCESS), world.start(&[]));
    world.characters(&submitter.client(), 4);
    worker.stop().unwrap();
    for partition in world.group.all() {
        let stream = StreamId::changes(*partition);
        let end = world.log.bounds(stream).unwrap().end;
        world.log.trim(stream, end).unwrap();
    }
    let worker = world.start(PROCESS);
    let fault = world.wait(worker.failed());
    assert_eq!(fault.code, "log_out_of_range");
    assert_eq!(worker.stop().unwrap_err().code, "log_out_of_range");
    submitter.stop().unwrap();
}

#[test]
fn another_build_waits_for_the_seal() {
    let world = World::new();
    let (worker, storage) = (world.start(PROCESS), world.start(STORAGE));
    let submitter = world.start(&[]);
    let client = submitter.client();
    let characters = world.characters(&client, 10);
    let load = world.trade(&client, &characters, 4);
    world.progress(&load, 100);
    let newer = Options {
        build: Some(2),
        ..world.options(PROCESS)
    };
    let newer = world.start_as(&newer);
    // The older build still has everything.
    world.progress(&load, 100);
    worker.stop().unwrap();
    // Now only the newer one can answer.
    world.progress(&load, 100);
    world.finish(load);
    let found = world.audited(&client, &characters);
    newer.stop().unwrap();
    storage.stop().unwrap();
    assert_eq!(world.stored(&characters), found);
    submitter.stop().unwrap();
}
