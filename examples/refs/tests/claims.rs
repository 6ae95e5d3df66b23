//! What is unique, what is referred to, and what that refuses; in memory, one thing at a time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use refs::generated::txn::{
    Close, DeviceOf, Enroll, HandOver, NoteOn, Pair, PassBy, Rename, ShelfNamed,
};
use refs::generated::{Budget, Device, DevicePatch, Shelf, Site, Tenant};
use rkcy_runtime::codegen::{
    Class, Concern, Draft, Fault, Later, Mode, Ref, Spec, Transaction, Uuid, Value,
};
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
fn unique_values_are_compared_by_their_bytes() {
    let mut platform = world();
    let labels = ["a", "A", "a ", "\u{e9}", "e\u{301}"];
    for (serial, label) in (1..).zip(labels) {
        let enroll = enroll(1, serial, Some(label), 0);
        assert_eq!(told(&mut platform, &enroll), "done", "{label:?}");
    }
    for label in labels {
        let enroll = enroll(2, 1, Some(label), 0);
        assert_eq!(told(&mut platform, &enroll), "taken", "{label:?}");
    }
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

// ---- transactions that the schema does not have

/// Its steps, in the form in which they would be generated.
struct Written<F>(F);

impl<F> Value for Written<F> {
    type Proto = ();
    fn to_proto(&self) {}
    fn from_proto((): ()) -> Result<Self, Fault> {
        Err(Fault::new(
            Class::Corrupt,
            "unreadable",
            "nobody reads it back",
        ))
    }
}

impl<F: Fn(&mut Draft<'_>) -> Result<(), Fault>> Transaction for Written<F> {
    type Output = ();
    const NUMBER: u32 = u32::MAX;
    const NAME: &'static str = "written";
    const MODE: Mode = Mode::Transaction;

    fn body(&self, t: &mut Draft<'_>) -> Result<Later<()>, Fault> {
        (self.0)(t)?;
        Ok(Later::known(()))
    }
}

fn written<F: Fn(&mut Draft<'_>) -> Result<(), Fault>>(steps: F) -> Written<F> {
    Written(steps)
}

/// `update Device[device] { label }`
fn relabel(t: &mut Draft<'_>, device: Uuid, label: &str) -> Result<(), Fault> {
    let patch = DevicePatch {
        label: Some(Some(label.to_owned())),
        ..DevicePatch::default()
    };
    t.step(
        Spec::<Device>::update()
            .on(&device)
            .changing(&device, &patch),
    )
}

/// `ensure C { … }`
fn ensure<C: Concern>(t: &mut Draft<'_>, instance: &C) -> Result<(), Fault> {
    let key = instance.key();
    t.step(Spec::<C>::ensure().on(&key).creating(instance))
}

#[test]
fn what_one_gives_up_no_other_takes_in_the_same_transaction() {
    let mut platform = world();
    let one = platform.call(&enroll(1, 1, Some("a"), 0)).unwrap().id();
    let other = platform.call(&enroll(1, 2, Some("b"), 0)).unwrap().id();
    let swap = written(|t| {
        relabel(t, one, "b")?;
        relabel(t, other, "a")
    });
    assert_eq!(told(&mut platform, &swap), "taken");
    let pass_on = written(|t| {
        relabel(t, one, "c")?;
        relabel(t, other, "a")
    });
    assert_eq!(told(&mut platform, &pass_on), "taken");
    let inherit = written(|t| {
        t.step(Spec::<Device>::delete().on(&one))?;
        relabel(t, other, "a")
    });
    assert_eq!(told(&mut platform, &inherit), "taken");
    // Nothing of it was done. In two transactions it can be.
    let first = platform.get::<Device>(&one).unwrap();
    let second = platform.get::<Device>(&other).unwrap();
    assert_eq!((first.label(), second.label()), (Some("a"), Some("b")));
    let away = written(|t| relabel(t, one, "c"));
    assert_eq!(told(&mut platform, &away), "done");
    let taken = written(|t| relabel(t, other, "a"));
    assert_eq!(told(&mut platform, &taken), "done");
}

#[test]
fn ensure_claims_also_where_the_instance_exists() {
    let mut platform = world();
    let taken = Tenant::new(id(1), "tenant 2".to_owned());
    let free = Tenant::new(id(1), "free".to_owned());
    let ensured = written(|t| ensure(t, &taken));
    assert_eq!(told(&mut platform, &ensured), "taken");
    let ensured = written(|t| ensure(t, &free));
    assert_eq!(told(&mut platform, &ensured), "done");
    // It stays as it was, and what it does not have is given back.
    assert_eq!(platform.get::<Tenant>(&id(1)).unwrap().name(), "tenant 1");
    let another = Tenant::new(id(9), "free".to_owned());
    assert_eq!(code(platform.create(&another)), "done");

    let device = platform.call(&enroll(1, 1, None, 0)).unwrap().id();
    let of = |tenant| Device::new(device, Ref::new(id(tenant)), 1, None, None);
    let (nowhere, elsewhere) = (of(7), of(2));
    let ensured = written(|t| ensure(t, &nowhere));
    assert_eq!(told(&mut platform, &ensured), "not_found");
    let ensured = written(|t| ensure(t, &elsewhere));
    assert_eq!(told(&mut platform, &ensured), "done");
    assert_eq!(code(platform.delete::<Tenant>(&id(2))), "done");
    assert_eq!(code(platform.delete::<Tenant>(&id(1))), "in_use");
}
