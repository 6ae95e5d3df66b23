//! Configuration: what handlers see of it, in memory and on a platform that runs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;

use embedded::Place;
use refs::generated::txn::{GivePolicy, Tell};
use refs::generated::{Device, DeviceHear, Policy, Tenant};
use rkcy_runtime::codegen::{Bytes, ConfigRef, Fault, Ref, Uuid, decode, encode};
use rkcy_runtime::driver::{Client, Running};
use rkcy_runtime::testing::TestPlatform;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn policy(number: u128, most: u32) -> Policy {
    Policy {
        id: id(number),
        most,
        mute: false,
        note: None,
    }
}

fn device(number: u32) -> Device {
    let mut device = Device::new(id(number.into()), Ref::new(id(1)), number, None, None);
    device.policy = Some(ConfigRef::new(id(7)));
    device
}

// ---- in memory

fn world() -> TestPlatform {
    let mut platform = TestPlatform::new(refs::platform());
    platform
        .create(&Tenant::new(id(1), "ann".to_owned()))
        .unwrap();
    platform.create(&device(1)).unwrap();
    platform.create(&device(2)).unwrap();
    platform
}

fn tell(platform: &mut TestPlatform, times: u32) -> Result<u32, Fault> {
    let (one, other) = (Ref::new(id(1)), Ref::new(id(2)));
    platform.call(&Tell { one, other, times })
}

#[test]
fn a_handler_sees_an_object_or_none() {
    let mut platform = world();
    assert_eq!(tell(&mut platform, 500), Ok(500));
    platform.configure(&policy(7, 600)).unwrap();
    assert_eq!(tell(&mut platform, 500), Ok(600));
    platform.configure(&policy(8, 1)).unwrap();
    assert_eq!(tell(&mut platform, 1), Ok(600));
    let muted = Policy {
        mute: true,
        ..policy(7, 600)
    };
    platform.configure(&muted).unwrap();
    assert_eq!(tell(&mut platform, 1).unwrap_err().code, "muted");
    platform.remove_config::<Policy>(&id(7));
    assert_eq!(tell(&mut platform, 1), Ok(601));
}

#[test]
fn a_reference_holds_nothing_and_promises_nothing() {
    let mut platform = world();
    let give = GivePolicy {
        device: Ref::new(id(1)),
        policy: Some(ConfigRef::new(id(99))),
    };
    platform.call(&give).unwrap();
    platform.configure(&policy(99, 3)).unwrap();
    platform.remove_config::<Policy>(&id(99));
    assert_eq!(tell(&mut platform, 9), Ok(9));
    platform.delete::<Device>(&id(1)).unwrap();
}

#[test]
fn an_object_that_breaks_a_constraint_is_refused() {
    let mut platform = world();
    let fault = platform.configure(&policy(7, 0)).unwrap_err();
    assert_eq!(
        (fault.code.as_ref(), fault.path.as_ref()),
        ("constraint", "most")
    );
}

// ---- a platform that runs

impl Place {
    fn fill(&self, client: &Client) {
        self.runtime.block_on(async {
            let tenant = Tenant::new(id(1), "ann".to_owned());
            client.create(&tenant).await.unwrap();
            client.create(&device(1)).await.unwrap();
        });
    }

    fn try_hear(&self, client: &Client, times: u32) -> Result<u32, String> {
        let (one, other) = (Ref::new(id(1)), Ref::new(id(1)));
        let tell = Tell { one, other, times };
        let told = self.runtime.block_on(client.call(&tell));
        told.map_err(|fault| fault.code.to_string())
    }

    fn hear(&self, client: &Client, times: u32) -> u32 {
        self.try_hear(client, times).unwrap()
    }
}

fn edit(running: &Running, key: u128, by: &str, value: Option<Policy>) -> Result<u64, Fault> {
    let desc = refs::platform().desc.config("Policy").unwrap();
    let value: Option<Bytes> = value.as_ref().map(encode);
    let key = rkcy_runtime::codegen::Key::of(&id(key));
    let edited = running.edit_config(desc, key, by, |_| Ok(ControlFlow::Continue(value.clone())));
    edited.map(Option::unwrap)
}

#[test]
fn a_platform_that_runs_hears_of_it_and_a_restart_keeps_it() {
    let place = Place::new(refs::platform());
    let running = place.start();
    place.fill(&running.client());
    assert_eq!(place.hear(&running.client(), 250), 500);
    let muted = Policy {
        mute: true,
        ..policy(7, 1)
    };
    let first = edit(&running, 7, "ann", Some(muted)).unwrap();
    // Each partition hears of it a little later.
    let until = Instant::now() + Duration::from_secs(60);
    while place.try_hear(&running.client(), 0) != Err("muted".to_owned()) {
        assert!(Instant::now() < until, "it never hears of it");
    }
    let second = edit(&running, 7, "ann", Some(policy(7, 600))).unwrap();
    assert!(first < second);
    while place.try_hear(&running.client(), 0) != Ok(500) {
        assert!(Instant::now() < until, "it never hears of the second edit");
    }
    assert_eq!(place.hear(&running.client(), 100), 600);
    edit(&running, 8, "bea", Some(policy(8, 3))).unwrap();
    running.stop().unwrap();

    // Who starts waits until each partition knows it.
    for _ in 0..2 {
        let running = place.start();
        assert_eq!(place.hear(&running.client(), 100), 600);
        let topic = running.configs().unwrap();
        let mut by: Vec<&str> = topic.objects().map(|(_, kept)| &*kept.by).collect();
        by.sort_unstable();
        assert_eq!(by, ["ann", "bea"]);
        drop(running);
    }
    let running = place.start();
    edit(&running, 7, "cat", None).unwrap();
    running.stop().unwrap();
    let running = place.start();
    assert_eq!(place.hear(&running.client(), 50), 700);
    let mut edits = Vec::new();
    running
        .edits(|edited| edits.push((edited.edit.by, edited.edit.value.is_some())))
        .unwrap();
    let edits: Vec<_> = edits.iter().map(|(by, is)| (by.as_str(), *is)).collect();
    let all = [("ann", true), ("ann", true), ("bea", true), ("cat", false)];
    assert_eq!(edits, all);
    // The topic is written anew with each edit: it does not grow, and tells of the edits before.
    for most in 1..=30 {
        edit(&running, 9, "dan", Some(policy(9, most))).unwrap();
    }
    let mut edits = 0;
    running.edits(|_| edits += 1).unwrap();
    assert_eq!(edits, 34);
    let topic = running.configs().unwrap();
    let values = topic.objects().map(|(_, kept)| kept.entry.value.is_some());
    assert_eq!(values.collect::<Vec<_>>(), [false, true, true]);
    running.stop().unwrap();
    let running = place.start();
    assert_eq!(running.configs().unwrap().objects().count(), 3);
    running.stop().unwrap();
}

#[test]
fn what_is_too_large_is_refused_before_the_log() {
    let place = Place::new(refs::platform());
    let running = place.start();
    let long = Policy {
        note: Some("x".repeat(100_000)),
        ..policy(7, 1)
    };
    assert_eq!(
        edit(&running, 7, "ann", Some(long)).unwrap_err().code,
        "too_large"
    );
    let name = "x".repeat(300);
    let fault = edit(&running, 7, &name, Some(policy(7, 1))).unwrap_err();
    assert_eq!(
        (fault.code.as_ref(), fault.path.as_ref()),
        ("too_large", "by")
    );
    assert_eq!(running.configs().unwrap().objects().count(), 0);
    running.stop().unwrap();
}

/// Somebody else edits the object between the read and the append of this one.
#[test]
fn of_two_edits_that_cross_one_is_refused_and_told_who_came_first() {
    let place = Place::new(refs::platform());
    let running = place.start();
    let desc = refs::platform().desc.config("Policy").unwrap();
    let key = rkcy_runtime::codegen::Key::of(&id(7));
    let mut nested = None;
    let fault = running
        .edit_config(desc, key, "late", |_| {
            nested = Some(edit(&running, 7, "early", Some(policy(7, 5))));
            Ok(ControlFlow::Continue(Some(encode(&policy(7, 9)))))
        })
        .unwrap_err();
    assert_eq!(nested, Some(Ok(1)));
    assert_eq!(fault.code, "changed_meanwhile");
    assert!(fault.message.contains("`early`"), "{fault}");
    let topic = running.configs().unwrap();
    let (_, kept) = topic.objects().next().unwrap();
    assert_eq!(
        (kept.by.as_str(), &kept.entry.value),
        ("early", &Some(encode(&policy(7, 5))))
    );
    // What was lost counts for nobody and is not in the audit, and the next one is taken.
    let mut by = Vec::new();
    running.edits(|edited| by.push(edited.edit.by)).unwrap();
    assert_eq!(by, ["early"]);
    assert!(edit(&running, 7, "late", Some(policy(7, 9))).is_ok());
    running.stop().unwrap();
}

#[test]
fn a_command_alone_sees_it_too() {
    let mut platform = world();
    platform.configure(&policy(7, 2)).unwrap();
    let hear = DeviceHear { times: 5 };
    assert_eq!(encode(&hear).len(), 2);
    assert_eq!(tell(&mut platform, hear.times), Ok(2));
}

/// Workers read the topic while it is written anew and trimmed with each edit.
#[test]
fn a_platform_works_on_while_much_is_edited() {
    let place = Place::new(refs::platform());
    let running = place.start();
    place.fill(&running.client());
    let mut wanted = Vec::new();
    for nth in 1..=150 {
        let key = u128::from(nth % 2 + 7);
        let version = edit(&running, key, "somebody", Some(policy(key, 500 + nth))).unwrap();
        wanted.push((version, 500 + nth));
        place.hear(&running.client(), 0);
    }
    let mut told = Vec::new();
    let each = |edited: rkcy_runtime::driver::Edited| {
        let object: Policy = decode(&edited.edit.value.unwrap()).unwrap();
        told.push((edited.edit.restates.unwrap().0, object.most));
    };
    running.edits(each).unwrap();
    assert_eq!(told, wanted);
    running.stop().unwrap();
    let running = place.start();
    assert_eq!(place.hear(&running.client(), 10_000), 650);
    running.stop().unwrap();
}
