//! What is unique, what is referred to, and what that refuses; in memory, one thing at a time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use refs::generated::txn::{
    Close, DeviceOf, Enroll, HandOver, NoteOn, Pair, PassBy, Rename, ShelfNamed,
};
use refs::generated::{Budget, Device, DevicePatch, Shelf, Site, Tenant};
use rkcy_runtime::codegen::{Fault, Ref, Transaction, Uuid};
use rkcy_runtime::testing::TestPlatform;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Tenants 1 and 2, a budget, and site 1.
fn world() -> TestPlatform {
    let mut platform = TestPlatform::new(refs::platform());
    for number in [1, 2] {
        let tenant = Tenant::new(id(number), format!("tenant {number}"));
        platform.create(&tenant).unwrap();
    }
    let mut budget = Budget::new(id(1));
    budget.left = 100;
    platform.create(&budget).unwrap();
    platform.create(&Site::new(id(1), String::new())).unwrap();
    platform
}

fn enroll(tenant: u128, serial: u32, label: Option<&str>, price: i64) -> Enroll {
    Enroll {
        tenant: Ref::new(id(tenant)),
        serial,
        label: label.map(str::to_owned),
        budget: Ref::new(id(1)),
        price,
    }
}

fn code<T>(result: Result<T, Fault>) -> String {
    result
        .err()
        .map_or_else(|| "done".to_owned(), |fault| fault.code.to_string())
}

fn told(platform: &mut TestPlatform, params: &impl Transaction) -> String {
    code(platform.call(params))
}

#[test]
fn a_value_is_unique_until_its_row_has_lost_it() {
    let mut platform = world();
    let device = platform.call(&enroll(1, 1, Some("a"), 0)).unwrap();
    assert_eq!(told(&mut platform, &enroll(1, 1, None, 0)), "taken");
    assert_eq!(told(&mut platform, &enroll(2, 1, Some("a"), 0)), "taken");
    // The other half of the pair, and absent ones, do not collide.
    assert_eq!(told(&mut platform, &enroll(2, 1, None, 0)), "done");
    assert_eq!(told(&mut platform, &enroll(2, 2, None, 0)), "done");
    let rename = |label: Option<&str>| Rename {
        device: Ref::new(device.id()),
        label: label.map(str::to_owned),
    };
    assert_eq!(told(&mut platform, &rename(Some("a"))), "done");
    assert_eq!(told(&mut platform, &rename(None)), "done");
    assert_eq!(told(&mut platform, &enroll(2, 3, Some("a"), 0)), "done");
    assert_eq!(told(&mut platform, &rename(Some("a"))), "taken");
    let tenant = |name: &str| Tenant::new(id(9), name.to_owned());
    let fault = platform.create(&tenant("tenant 1")).unwrap_err();
    assert_eq!(
        (fault.code.as_ref(), fault.path.as_ref()),
        ("taken", "name")
    );
    assert_eq!(fault.message, "Tenant.name: another one has this value");
}

#[test]
fn what_is_refused_late_has_claimed_nothing() {
    let mut platform = world();
    assert_eq!(told(&mut platform, &enroll(1, 1, Some("a"), 99)), "done");
    assert_eq!(
        told(&mut platform, &enroll(1, 2, Some("b"), 99)),
        "constraint"
    );
    assert_eq!(told(&mut platform, &enroll(1, 2, Some("b"), 0)), "done");
}

#[test]
fn what_is_referred_to_stays() {
    let mut platform = world();
    assert_eq!(told(&mut platform, &enroll(7, 1, None, 0)), "not_found");
    let device = platform.call(&enroll(1, 1, None, 0)).unwrap();
    let fault = platform.delete::<Tenant>(&id(1)).unwrap_err();
    assert_eq!(
        (fault.code.as_ref(), fault.message.as_ref()),
        ("in_use", "1 Device refers to this Tenant")
    );
    let hand_over = HandOver {
        device: Ref::new(device.id()),
        tenant: Ref::new(id(2)),
        serial: 1,
    };
    assert_eq!(told(&mut platform, &hand_over), "done");
    assert_eq!(code(platform.delete::<Tenant>(&id(1))), "done");
    // In one transaction, the reference first.
    let close = Close {
        device: Ref::new(device.id()),
        tenant: Ref::new(id(2)),
    };
    assert_eq!(told(&mut platform, &close), "done");
    let name = "tenant 1".to_owned();
    assert_eq!(told(&mut platform, &PassBy { name, serial: 1 }), "done");
}

#[test]
fn a_side_is_full_at_its_bound() {
    let mut platform = world();
    for serial in 1..=5 {
        assert_eq!(told(&mut platform, &enroll(1, serial, None, 0)), "done");
    }
    assert_eq!(told(&mut platform, &enroll(1, 6, None, 0)), "full");
}

#[test]
fn partners_hold_each_other() {
    let mut platform = world();
    let one = platform.call(&enroll(1, 1, None, 0)).unwrap().id();
    let other = platform.call(&enroll(1, 2, None, 0)).unwrap().id();
    let pair = Pair {
        one: Ref::new(one),
        other: Ref::new(other),
    };
    assert_eq!(told(&mut platform, &pair), "done");
    assert_eq!(code(platform.delete::<Device>(&one)), "in_use");
    let alone = DevicePatch {
        partner: Some(None),
        ..DevicePatch::default()
    };
    platform.update::<Device>(&other, &alone).unwrap();
    assert_eq!(code(platform.delete::<Device>(&one)), "done");
}

#[test]
fn half_of_a_unique_value_is_not_changed_alone() {
    let mut platform = world();
    let device = platform.call(&enroll(1, 1, None, 0)).unwrap().id();
    let half = DevicePatch {
        serial: Some(2),
        ..DevicePatch::default()
    };
    assert_eq!(
        code(platform.update::<Device>(&device, &half)),
        "half_of_unique"
    );
}

#[test]
fn an_instance_is_found_by_what_is_unique() {
    let mut platform = world();
    let made = platform.call(&enroll(1, 3, Some("x"), 0)).unwrap();
    let by = |serial| DeviceOf {
        tenant: Ref::new(id(1)),
        serial,
    };
    assert_eq!(platform.call(&by(3)).unwrap(), made);
    assert_eq!(told(&mut platform, &by(4)), "not_found");
    let note = |label: &str| NoteOn {
        label: label.to_owned(),
        text: String::new(),
    };
    assert_eq!(told(&mut platform, &note("nobody")), "done");
    assert_eq!(code(platform.delete::<Device>(&made.id())), "done");
    assert_eq!(code(platform.delete::<Tenant>(&id(1))), "done");
    assert_eq!(told(&mut platform, &note("x")), "done");
}

#[test]
fn unique_within_a_group() {
    let mut platform = world();
    platform.create(&Site::new(id(2), String::new())).unwrap();
    let shelf = |site, number, name: &str| Shelf::new(Ref::new(id(site)), number, name.to_owned());
    let made = platform.create(&shelf(1, 1, "a")).unwrap();
    assert_eq!(code(platform.create(&shelf(1, 2, "a"))), "taken");
    assert_eq!(code(platform.create(&shelf(2, 1, "a"))), "done");
    let named = ShelfNamed {
        site: Ref::new(id(1)),
        name: "a".to_owned(),
    };
    assert_eq!(platform.call(&named).unwrap(), made);
}
