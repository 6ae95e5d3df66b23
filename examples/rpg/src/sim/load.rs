//! The callers: sign-ups first, then money that comes and changes hands.

use super::action::Action;
use super::history::History;
use super::journal::{self, Journal, Told};
use super::memory::Memory;
use super::tally::Tally;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rkcy_runtime::cli::{Format, Term, grouped};
use rkcy_runtime::codegen::{Class, Fault, Ref, Uuid};
use rkcy_runtime::driver::{Client, Running};
use rpg::generated::txn::{Fund, SignUp, Trade};
use rpg::generated::{Character, Currency, Offer};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Characters that are contended.
const HOT: usize = 4;
/// What everybody begins with. Trades take more than that now and then, so that some are refused.
const START: i64 = 100;

/// What load to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) players: u32,
    pub(super) clients: u32,
    pub(super) seconds: f64,
    pub(super) seed: u64,
    pub(super) hot: f64,
}

/// What all callers share.
struct Shared {
    load: Load,
    client: Client,
    journal: Option<Mutex<Journal>>,
    history: Mutex<History>,
    characters: Mutex<Vec<Uuid>>,
    signed_up: AtomicU32,
    stop: AtomicBool,
}

impl Load {
    /// Runs until the time is over, the platform fails, or Ctrl-C.
    ///
    /// # Errors
    /// Where the platform failed, or the journal.
    pub(super) async fn run(
        self,
        term: Term,
        running: &Running,
        journal: Option<Journal>,
    ) -> Result<(Tally, History), Fault> {
        let shared = Arc::new(Shared {
            load: self,
            client: running.client(),
            journal: journal.map(Mutex::new),
            history: Mutex::default(),
            characters: Mutex::default(),
            signed_up: AtomicU32::new(0),
            stop: AtomicBool::new(false),
        });
        if term.shows_progress() && term.format == Format::Human {
            term.say(&format!(
                "{} players sign up …",
                grouped(self.players.into())
            ));
        }
        // Interrupted, it stops early and compares what there is.
        let interrupt = Arc::clone(&shared);
        let watch = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupt.stop.store(true, Ordering::Relaxed);
            }
        });
        together(&shared, running, None, |shared, _, _| sign_up(shared)).await?;
        // The order of arrival is chance; the seed is to decide who is hot.
        lock(&shared.characters).sort_unstable();
        let begun = Instant::now();
        let limit = Duration::from_secs_f64(self.seconds);
        let characters: Arc<[Uuid]> = std::mem::take(&mut *lock(&shared.characters)).into();
        let mut memory = Memory::default();
        let load = together(&shared, running, Some(limit), |shared, nth, tally| {
            trade(shared, Arc::clone(&characters), nth, tally)
        });
        let mut tally = memory.during(limit, load).await?;
        tally.seconds = begun.elapsed().as_secs_f64();
        tally.memory = memory;
        tally.load = Some(self);
        watch.abort();
        // Where its number was never heard, the transaction is asked for once more.
        let mut history = std::mem::take(&mut *lock(&shared.history));
        let mut journal = shared.journal.as_ref().map(lock);
        history
            .settle(&shared.client, journal.as_deref_mut())
            .await?;
        drop(journal);
        Ok((tally, history))
    }
}

/// Runs all callers, and ends them when the time is over or the platform has failed.
async fn together<F, R>(
    shared: &Arc<Shared>,
    running: &Running,
    limit: Option<Duration>,
    caller: F,
) -> Result<Tally, Fault>
where
    F: Fn(Arc<Shared>, u32, Tally) -> R,
    R: Future<Output = Result<Tally, Fault>> + Send + 'static,
{
    let mut callers = tokio::task::JoinSet::new();
    for nth in 0..shared.load.clients {
        callers.spawn(caller(Arc::clone(shared), nth, Tally::default()));
    }
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let (mut total, mut timed) = (Tally::default(), false);
    loop {
        tokio::select! {
            joined = callers.join_next() => match joined {
                None => return Ok(total),
                Some(Ok(tally)) => total.add(tally?),
                Some(Err(error)) => return Err(Fault::new(Class::Corrupt, "caller_failed", error.to_string())),
            },
            () = &mut over, if !timed => {
                timed = true;
                shared.stop.store(true, Ordering::Relaxed);
            }
            fault = running.failed() => {
                shared.stop.store(true, Ordering::Relaxed);
                return Err(fault);
            }
        }
    }
}

/// Signs up players until there are enough, and gives each something to begin with.
async fn sign_up(shared: Arc<Shared>) -> Result<Tally, Fault> {
    let mut tally = Tally::default();
    while !shared.stop.load(Ordering::Relaxed) {
        let nth = shared.signed_up.fetch_add(1, Ordering::Relaxed);
        if nth >= shared.load.players {
            break;
        }
        let id = Client::new_id();
        let (_, character) = super::action::made(id);
        let action = Action::SignUp(SignUp {
            // Names of other loads on the same platform are taken.
            username: Uuid::from_bytes(id.0).simple().to_string(),
            fullname: format!("Hero {nth}"),
        });
        if shared.call(id, action, &mut tally).await? == Told::Committed {
            let amount = gold(START);
            let to = Ref::new(character);
            let action = Action::Fund(Fund { to, amount });
            shared.call(Client::new_id(), action, &mut tally).await?;
            lock(&shared.characters).push(character);
        }
    }
    Ok(tally)
}

/// Funds, trades and looks until told to stop.
async fn trade(
    shared: Arc<Shared>,
    characters: Arc<[Uuid]>,
    nth: u32,
    mut tally: Tally,
) -> Result<Tally, Fault> {
    let load = shared.load;
    let mut rng = ChaCha8Rng::seed_from_u64(load.seed.wrapping_mul(1_000_003) ^ u64::from(nth));
    if characters.len() < 2 {
        return Ok(tally);
    }
    while !shared.stop.load(Ordering::Relaxed) {
        let one = pick(&mut rng, characters.len(), load.hot);
        let mut other = pick(&mut rng, characters.len(), load.hot);
        if other == one {
            other = (one + 1) % characters.len();
        }
        let (one, other) = (characters[one], characters[other]);
        let action = match rng.random_range(0..100) {
            0..30 => Action::Fund(Fund {
                to: Ref::new(one),
                amount: Currency {
                    gold: rng.random_range(1..30),
                    faction_0: rng.random_range(0..3),
                    ..Currency::default()
                },
            }),
            30..90 => {
                // One in ten asks for more than anybody has.
                let most = if rng.random_ratio(1, 10) {
                    1_000_000_000
                } else {
                    60
                };
                Action::Trade(Trade {
                    lhs: Offer {
                        character: Ref::new(one),
                        currency: gold(rng.random_range(1..=most)),
                    },
                    rhs: Offer {
                        character: Ref::new(other),
                        currency: Currency {
                            gold: rng.random_range(0..20),
                            faction_0: rng.random_range(0..2),
                            ..Currency::default()
                        },
                    },
                })
            }
            _ => {
                let begun = Instant::now();
                match shared.client.get::<Character>(&one).await {
                    Ok(_) => tally.record("get", begun),
                    Err(fault) => tally.refuse(fault.code.into_owned()),
                }
                continue;
            }
        };
        shared.call(Client::new_id(), action, &mut tally).await?;
    }
    Ok(tally)
}

fn pick(rng: &mut ChaCha8Rng, count: usize, hot: f64) -> usize {
    let among = if rng.random_bool(hot) {
        HOT.min(count)
    } else {
        count
    };
    rng.random_range(0..among)
}

fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

impl Shared {
    /// Submits, with the journal told before and after; only then it counts.
    async fn call(
        &self,
        id: rkcy_runtime::codegen::TxnId,
        action: Action,
        tally: &mut Tally,
    ) -> Result<Told, Fault> {
        if let Some(journal) = &self.journal {
            lock(journal).intent(id, &action)?;
        }
        let begun = Instant::now();
        let told = journal::submit(&self.client, id, &action).await;
        if let Some(journal) = &self.journal {
            lock(journal).outcome(id, &action, &told)?;
        }
        match &told {
            Told::Committed => tally.record(action.name(), begun),
            Told::Refused(code) => {
                tally.record(action.name(), begun);
                tally.refuse(code.clone());
            }
            Told::Unknown(_) => tally.unknown += 1,
        }
        let mut history = lock(&self.history);
        history.close(id, &action, &told);
        if let Told::Unknown(_) = told {
            history.begin(id, action);
        }
        Ok(told)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
