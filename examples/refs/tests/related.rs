//! What instances know of those that refer to them: in memory, and on real files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;

use embedded::Place;
use refs::generated::txn::{HandOver, Pair, TallySlowly, Tell};
use refs::generated::{Budget, Device, Tenant};
use rkcy_runtime::codegen::{Concern, Empty, Fault, Ref, Uuid, decode, encode};
use rkcy_runtime::driver::Client;
use rkcy_runtime::testing::TestPlatform;
use std::time::{Duration, Instant};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn device(number: u128, tenant: u128, serial: u32) -> Device {
    Device::new(id(number), Ref::new(id(tenant)), serial, None, None)
}

/// Tenants 1 and 2, and a budget of nothing.
fn world() -> TestPlatform {
    let mut platform = TestPlatform::new(refs::platform());
    for number in [1, 2] {
        let tenant = Tenant::new(id(number), format!("tenant {number}"));
        platform.create(&tenant).unwrap();
    }
    platform.create(&Budget::new(id(1))).unwrap();
    platform
}

fn serials(platform: &mut TestPlatform, tenant: u128) -> Vec<u32> {
    let told = platform.run::<Tenant, _>(&id(tenant), "serials", &Empty {});
    told.unwrap()
}

fn tally(platform: &mut TestPlatform, tenant: u128) -> Result<u64, String> {
    let told = platform.run::<Tenant, _>(&id(tenant), "tally", &Empty {});
    told.map_err(|fault: Fault| fault.code.to_string())
}

fn hears(platform: &mut TestPlatform, device: u128, times: u32) {
    let (one, other) = (Ref::new(id(device)), Ref::new(id(device)));
    platform.call(&Tell { one, other, times }).unwrap();
}

#[test]
fn a_handler_reads_those_that_refer_to_its_instance() {
    let mut platform = world();
    assert_eq!(tally(&mut platform, 1), Err("silent".to_owned()));
    for serial in [3, 1, 2] {
        platform.create(&device(serial.into(), 1, serial)).unwrap();
    }
    // In the order in which they came.
    assert_eq!(serials(&mut platform, 1), [3, 1, 2]);
    hears(&mut platform, 2, 4);
    hears(&mut platform, 3, 1);
    assert_eq!(tally(&mut platform, 1), Ok(10));
    assert_eq!(platform.get::<Tenant>(&id(1)).unwrap().tallied, 10);
}

#[test]
fn who_leaves_is_not_related_any_more() {
    let mut platform = world();
    for serial in [1, 2, 3] {
        platform.create(&device(serial.into(), 1, serial)).unwrap();
    }
    let hand_over = HandOver {
        device: Ref::new(id(2)),
        tenant: Ref::new(id(2)),
        serial: 5,
    };
    platform.call(&hand_over).unwrap();
    platform.delete::<Device>(&id(1)).unwrap();
    assert_eq!(serials(&mut platform, 1), [3]);
    assert_eq!(serials(&mut platform, 2), [5]);
    // Made again, it is as it is now.
    platform.create(&device(1, 1, 6)).unwrap();
    assert_eq!(serials(&mut platform, 1), [3, 6]);
}

#[test]
fn what_is_refused_is_never_seen_and_what_is_undone_is_gone() {
    let mut platform = world();
    platform.create(&device(1, 1, 1)).unwrap();
    assert!(platform.create(&device(2, 1, 1)).is_err());
    assert_eq!(serials(&mut platform, 1), [1]);
    hears(&mut platform, 1, 3);
    let slowly = |price| TallySlowly {
        tenant: Ref::new(id(1)),
        budget: Ref::new(id(1)),
        price,
    };
    platform.call(&slowly(0)).unwrap();
    assert_eq!(platform.get::<Tenant>(&id(1)).unwrap().tallied, 6);
    assert!(platform.call(&slowly(1)).is_err());
    assert_eq!(platform.get::<Tenant>(&id(1)).unwrap().tallied, 0);
}

#[test]
fn a_concern_may_be_related_to_itself() {
    let mut platform = world();
    for serial in [1, 2] {
        platform.create(&device(serial.into(), 1, serial)).unwrap();
    }
    let (one, other) = (Ref::new(id(1)), Ref::new(id(2)));
    platform.call(&Pair { one, other }).unwrap();
    hears(&mut platform, 2, 7);
    let heard = platform.run::<Device, u64>(&id(1), "partners_heard", &Empty {});
    assert_eq!(heard.unwrap(), 14);
}

// ---- a platform that runs

fn ask(place: &Place, client: &Client, tenant: u128) -> Vec<u32> {
    let (group, row) = Tenant::group_and_row(&id(tenant));
    let concern = refs::platform().desc.concern("Tenant").unwrap();
    let op = concern.ops.iter().find(|op| op.name == "serials").unwrap();
    let args = encode(&Empty {});
    let query = client.single(Client::new_id(), group, row, op.number, op.access, args);
    let told = place.runtime.block_on(client.submit(query.unwrap()));
    decode(&told.unwrap()).unwrap()
}

/// A member tells of itself when it has been committed: a moment later it is seen.
fn comes_to(place: &Place, client: &Client, tenant: u128, wanted: &[u32]) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let mut serials = ask(place, client, tenant);
        serials.sort_unstable();
        if serials == wanted {
            return;
        }
        assert!(Instant::now() < until, "it has {serials:?}");
    }
}

#[test]
fn a_restart_keeps_what_is_related() {
    let place = Place::new(refs::platform());
    let running = place.start();
    let client = running.client();
    place.runtime.block_on(async {
        for number in [1, 2] {
            let tenant = Tenant::new(id(number), format!("tenant {number}"));
            client.create(&tenant).await.unwrap();
        }
        for serial in [1, 2, 3] {
            let device = device(serial.into(), 1, serial);
            client.create(&device).await.unwrap();
        }
    });
    comes_to(&place, &client, 1, &[1, 2, 3]);
    running.stop().unwrap();

    // Nothing is in memory: the view comes from the database.
    let running = place.start();
    let client = running.client();
    let mut known = ask(&place, &client, 1);
    known.sort_unstable();
    assert_eq!(known, [1, 2, 3]);
    place.runtime.block_on(async {
        client.delete::<Device>(&id(2)).await.unwrap();
        let hand_over = HandOver {
            device: Ref::new(id(3)),
            tenant: Ref::new(id(2)),
            serial: 3,
        };
        client.call(&hand_over).await.unwrap();
    });
    comes_to(&place, &client, 1, &[1]);
    comes_to(&place, &client, 2, &[3]);
    running.stop().unwrap();
}
