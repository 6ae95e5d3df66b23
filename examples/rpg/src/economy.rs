//! The economy under simulation: what players do, and what must hold of their money.

use crate::generated::txn::{Fund, SignUp, Trade};
use crate::generated::{Character, CharacterRename, Currency, Offer, Player, PlayerPatch};
use rand::RngExt;
use rkcy_runtime::codegen::{self, Bytes, Concern, ConfigRef, Fault, Ref, Transaction, Txn, Uuid};
use rkcy_runtime::simulate::{Request, Workload, World};

/// Sign-ups at the start of a run; the characters are few, so that they are contended.
const SIGN_UPS: usize = 6;

/// A handful of players who fund, trade, rename and look, and operators who limit them.
#[derive(Debug)]
pub struct Economy;

impl Workload for Economy {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        let (Some(one), Some(other)) = (
            request.any_key::<Character>(),
            request.any_key::<Character>(),
        ) else {
            return sign_up(nth, request);
        };
        if nth < SIGN_UPS {
            return sign_up(nth, request);
        }
        let amount = Currency {
            gold: request.rng.random_range(1..60),
            ..Currency::default()
        };
        let price = Currency {
            gold: request.rng.random_range(0..60),
            ..Currency::default()
        };
        match request.rng.random_range(0..100) {
            0..30 => request.transaction(&Fund {
                to: Ref::new(one),
                amount,
            }),
            30..75 => request.transaction(&Trade {
                lhs: Offer {
                    character: Ref::new(one),
                    currency: amount,
                },
                rhs: Offer {
                    character: Ref::new(other),
                    currency: price,
                },
            }),
            75..80 => sign_up(nth, request),
            80..85 => {
                let payload = CharacterRename {
                    fullname: format!("Renamed {nth}"),
                };
                request.single::<Character>(&one, "rename", codegen::encode(&payload))
            }
            85..90 => request.single::<Character>(&one, "worth", Bytes::new()),
            90..92 => request.single::<Character>(&Uuid::from_u128(7), "get", Bytes::new()),
            92..94 => request.transaction(&Fund {
                to: Ref::new(Uuid::from_u128(8)),
                amount,
            }),
            94..97 => player(nth, request),
            _ => request.single::<Character>(&one, "get", Bytes::new()),
        }
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        let there: i64 = world
            .all::<Character>()?
            .iter()
            .map(|character| character.currency.gold)
            .sum();
        // A fund is one visit, so its step still holds the payload.
        let mut came = 0;
        for (txn, _) in world.committed(Fund::NUMBER) {
            for step in txn.visits.iter().flat_map(|visit| &visit.steps) {
                if let codegen::Args::Ready(args) = &step.args
                    && !args.is_empty()
                {
                    came += codegen::decode::<Currency>(args)
                        .map_err(|fault| fault.to_string())?
                        .gold;
                }
            }
        }
        if there != came {
            return Err(format!("{there} gold is there, {came} was brought in"));
        }
        let characters = world.all::<Character>()?.len();
        let adds = operation::<Player>("add_character");
        let alone = world.committed(0).flat_map(|(txn, _)| &txn.visits);
        let alone = alone.filter(|visit| visit.group.concern == Player::ID);
        let steps = alone.flat_map(|visit| &visit.steps);
        let added = steps.filter(|step| step.op == adds).count();
        let counted: u32 = world
            .all::<Player>()?
            .iter()
            .map(|player| player.count)
            .sum();
        if usize::try_from(counted) != Ok(characters + added) {
            return Err(format!(
                "players count {counted} characters; {characters} signed up and {added} were added"
            ));
        }
        Ok(())
    }
}

/// An operator gives a player limits or takes them away, or a player asks for room for one more character.
fn player(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    let Some(player) = request.any_key::<Player>() else {
        return sign_up(nth, request);
    };
    let limits = match request.rng.random_range(0..5) {
        0 => None,
        1 | 2 => Some(ConfigRef::new(Uuid::from_u128(
            request.rng.random_range(1..=3),
        ))),
        _ => return request.single::<Player>(&player, "add_character", Bytes::new()),
    };
    let patch = PlayerPatch {
        limits: Some(limits),
        ..PlayerPatch::default()
    };
    request.single::<Player>(&player, "update", codegen::encode(&patch))
}

fn sign_up(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    // Some want a name that another has.
    let wanted = match request.rng.random_range(0..40) {
        0 if nth > 20 => nth / 2,
        _ => nth,
    };
    request.transaction(&SignUp {
        username: format!("player-{wanted}"),
        fullname: format!("Hero {nth}"),
    })
}

/// Number of an operation, by its name in the schema; 0 where there is none.
fn operation<C: Concern>(name: &str) -> u16 {
    let concern = crate::generated::PLATFORM.concern(C::NAME);
    let op = concern.and_then(|concern| concern.ops.iter().find(|op| op.name == name));
    op.map_or(0, |op| op.number)
}
