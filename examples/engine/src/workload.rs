//! What simulated callers do to this platform: every transaction of the schema, on few instances.

pub mod lists;

use crate::generated::txn::{
    AgainstRank, Carry, Follow, Guarded, Look, Make, MoveWithin, OneStep, Refused, ThereAndBack,
    TwoConcerns,
};
use crate::generated::{Alpha, Beta, Gamma};
use rand::RngExt;
use rkcy_runtime::codegen::{Concern, Fault, Ref, Txn};
use rkcy_runtime::simulate::{Request, Workload, World};

/// Triples of instances made at the start of a run.
const TRIPLES: usize = 4;

/// Everything that the schema can do.
#[derive(Debug)]
pub struct Everything;

impl Workload for Everything {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        let n = request.rng.random_range(0..200);
        let amount = request.rng.random_range(0..60);
        let known = (
            any::<Alpha>(request),
            any::<Beta>(request),
            any::<Gamma>(request),
        );
        let (Some(x), Some(y), Some(z)) = known else {
            return request.transaction(&Make { n });
        };
        let other = any::<Alpha>(request).unwrap_or(x);
        if nth < TRIPLES {
            return request.transaction(&Make { n });
        }
        if request.rng.random_bool(0.3) {
            return lists::next(nth, request);
        }
        match request.rng.random_range(0..100) {
            0..10 => request.transaction(&OneStep { x, amount }),
            10..22 => request.transaction(&TwoConcerns { x, y, amount }),
            22..34 => request.transaction(&AgainstRank { y, x, amount }),
            34..46 => request.transaction(&ThereAndBack { x, y, amount }),
            46..54 => request.transaction(&Carry {
                y,
                z,
                factor: amount,
            }),
            54..64 => request.transaction(&Follow { x, amount }),
            64..78 => request.transaction(&Look { x, other, y, z }),
            78..80 => request.transaction(&Make { n }),
            80..92 => request.transaction(&MoveWithin {
                from: x,
                to: other,
                amount,
            }),
            92..95 => request.transaction(&Refused { x, y, amount }),
            _ => request.transaction(&Guarded {
                x,
                y,
                least: amount,
            }),
        }
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        let alphas = world.all::<Alpha>()?;
        if let Some(alpha) = alphas.iter().find(|alpha| alpha.n < 0) {
            return Err(format!("{} holds {}", alpha.id(), alpha.n));
        }
        // One of each is made at a time, and nothing is ever deleted.
        let counts = [
            alphas.len(),
            world.all::<Beta>()?.len(),
            world.all::<Gamma>()?.len(),
        ];
        if counts.iter().any(|count| *count != counts[0]) {
            return Err(format!("triples are torn: {counts:?}"));
        }
        lists::judge(world)
    }
}

fn any<C: Concern>(request: &mut Request<'_>) -> Option<Ref<C>> {
    request.any_key::<C>().map(Ref::new)
}
