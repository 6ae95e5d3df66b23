//! What guests do under simulation, and what must hold of seats.

use crate::generated::txn::{Close, Confirm, GiveUp, Hold, Join, MoveTo, Open, Swap};
use crate::generated::{Booking, Guest, Place, Seat, Show};
use rand::RngExt;
use rkcy_runtime::codegen::{Bytes, Fault, Ref, Txn};
use rkcy_runtime::simulate::{Request, Workload, World};
use std::collections::BTreeMap;

/// Guests that join at the start of a run; as many shows come after them.
const FIRST: usize = 3;
/// Rows, and seats of each row: a small house, so that guests want the same.
const HOUSE: u32 = 4;

/// A handful of guests who want the same few seats.
#[derive(Debug)]
pub struct BoxOffice;

impl Workload for BoxOffice {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        let guest = request.any_key::<Guest>().map(Ref::new);
        let guest = match (nth, guest) {
            (FIRST.., Some(guest)) => guest,
            _ => return join(nth, request),
        };
        let show = request.any_key::<Show>().map(Ref::new);
        let show = match (nth, show) {
            (6.., Some(show)) => show,
            _ => return open(nth, request),
        };
        let booking = request.any_key::<Booking>().map(Ref::new);
        let other = request.any_key::<Booking>().map(Ref::new);
        let places = places(request);
        let hold = Hold {
            guest,
            show,
            places: places.clone(),
        };
        let (Some(booking), Some(other)) = (booking, other) else {
            return request.transaction(&hold);
        };
        match request.rng.random_range(0..100) {
            0..40 => request.transaction(&hold),
            40..55 => request.transaction(&Confirm { booking }),
            55..68 => request.transaction(&GiveUp { booking }),
            68..80 => request.transaction(&MoveTo { booking, places }),
            80..90 => request.transaction(&Swap {
                one: booking,
                other,
            }),
            90..92 => open(nth, request),
            92..93 => request.transaction(&Close { show }),
            93..95 => join(nth, request),
            95..97 => request.single::<Guest>(guest.key(), "delete", Bytes::new()),
            97..99 => request.single::<Show>(show.key(), "left", Bytes::new()),
            _ => request.single::<Booking>(booking.key(), "get", Bytes::new()),
        }
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        let mut seats = BTreeMap::new();
        for seat in world.all::<Seat>()? {
            let place = (*seat.show().key(), seat.row(), seat.number());
            seats.insert(place, seat.booking);
        }
        let mut taken = BTreeMap::<_, u32>::new();
        for booking in world.all::<Booking>()? {
            let show = *booking.show().key();
            for place in &booking.places {
                *taken.entry(show).or_default() += 1;
                let has = seats.remove(&(show, place.row, place.number));
                if has != Some(booking.id()) {
                    return Err(format!("{place:?} is of {has:?}, not of {booking:?}"));
                }
            }
        }
        if !seats.is_empty() {
            return Err(format!("of no booking: {seats:?}"));
        }
        for show in world.all::<Show>()? {
            if show.taken != taken.remove(&show.id()).unwrap_or(0) {
                return Err(format!("another number of places is taken in {show:?}"));
            }
        }
        Ok(())
    }
}

fn join(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    let email = format!("guest-{nth}@example.org");
    request.transaction(&Join { email })
}

fn open(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    request.transaction(&Open {
        title: format!("Evening {nth}"),
        rows: HOUSE,
        seats: HOUSE,
    })
}

/// Some places, now and then one twice, or one that is not in the house.
fn places(request: &mut Request<'_>) -> Vec<Place> {
    let count = request.rng.random_range(1..=4);
    let mut place = || {
        let number = request.rng.random_range(1..=40_u32);
        let row = request.rng.random_range(1..=HOUSE);
        // One of forty is beyond the last seat.
        let number = if number == 40 {
            HOUSE + 1
        } else {
            number % HOUSE + 1
        };
        Place { row, number }
    };
    (0..count).map(|_| place()).collect()
}
