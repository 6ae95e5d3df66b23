//! The comparison of the model with memory and with the database.

use super::action::{Purse, made, purse};
use super::explain::{self, Verdict};
use super::history::History;
use rkcy_runtime::cli::{Ink, Session, Term, grouped};
use rkcy_runtime::codegen::{Concern, Fault, Key, Uuid, decode, serde_json};
use rkcy_runtime::driver::{Client, Running};
use rpg::generated::{Character, Player};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Reads under way at the same time.
const AT_ONCE: usize = 256;
/// So long the database may lag behind what was read, where others write it.
const DRAINED: Duration = Duration::from_secs(60);
/// Pause between two looks at it.
const LOOK: Duration = Duration::from_millis(250);
/// Keys of one read of the database.
const CHUNK: usize = 1_000;

/// What a comparison has shown.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Characters compared.
    pub(crate) characters: usize,
    /// Transactions that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Transactions that were refused.
    pub(crate) refused: u64,
    /// Transactions that had no outcome and were asked for again.
    pub(crate) asked_again: u64,
    /// From the first to the last transaction of the journal. Seconds.
    pub(crate) seconds: f64,
    /// Transactions too old to ask for; some choice among them explains what is there.
    pub(crate) explained: usize,
    /// Transactions too old to ask for, and too many to tell.
    pub(crate) undecided: usize,
    /// What is not as it should be, a line each.
    pub(crate) differences: Vec<String>,
}

/// Instances by key.
type Found<C> = BTreeMap<Uuid, Option<C>>;

/// Compares, stops the platform, and compares what is in the database then.
///
/// # Errors
/// Where something cannot be read.
pub(super) fn compare(
    session: &Session,
    runtime: &Runtime,
    running: Running,
    history: History,
) -> Result<Compared, Fault> {
    let client = running.client();
    // A sign-up that nobody heard of has happened or not; its character may be looked at.
    let unheard = history
        .open
        .iter()
        .filter(|(_, action)| action.effects().is_empty());
    let mut players = history.players.clone();
    players.extend(
        unheard
            .map(|(id, _)| made(*id))
            .map(|(player, character)| (character, player)),
    );
    let mut keys: BTreeSet<Uuid> = history.characters.keys().copied().collect();
    keys.extend(&history.absent);
    keys.extend(players.keys());
    let characters = runtime.block_on(in_memory::<Character>(&client, &keys))?;
    let owners: BTreeSet<Uuid> = players.values().copied().collect();
    let owners_found = runtime.block_on(in_memory::<Player>(&client, &owners))?;
    drop(client);
    running.stop()?;
    let stored = runtime.block_on(async {
        let store = session.database().await?;
        let begun = Instant::now();
        loop {
            let characters_stored = in_database::<Character>(session, &*store, &keys).await?;
            let owners_stored = in_database::<Player>(session, &*store, &owners).await?;
            // Where others write the database, it comes to the same a moment later.
            let is_late = characters_stored != characters || owners_stored != owners_found;
            if is_late && session.settings.is_shared() && begun.elapsed() < DRAINED {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            store.close().await;
            return Ok::<_, Fault>((characters_stored, owners_stored));
        }
    });
    let (characters_stored, owners_stored) = stored?;

    let mut compared = Compared {
        characters: keys.len(),
        acknowledged: history.acknowledged,
        refused: history.refused,
        asked_again: history.asked_again,
        seconds: (history.span).map_or(0.0, |(first, last)| (last - first) as f64 / 1e3),
        ..Compared::default()
    };
    compared.with_model(&history, &characters);
    compared.with_players(&history, &owners_found);
    compared.whole(&players, &characters, &owners_found);
    compared.with_database("character", &characters, &characters_stored);
    compared.with_database("player", &owners_found, &owners_stored);
    Ok(compared)
}

impl Compared {
    fn with_model(&mut self, history: &History, found: &Found<Character>) {
        let mut rest: BTreeMap<Uuid, Purse> = BTreeMap::new();
        for (key, expected) in &history.characters {
            match found.get(key).and_then(Option::as_ref) {
                None => self.differs(format!(
                    "character {key}: acknowledged, with {expected:?}, and it is not there"
                )),
                Some(character) => {
                    let there = purse(&character.currency);
                    let more = std::array::from_fn(|kind| there[kind] - expected[kind]);
                    rest.insert(*key, more);
                }
            }
        }
        for key in &history.absent {
            if found.get(key).is_some_and(Option::is_some) {
                self.differs(format!(
                    "character {key}: its sign-up was refused, and it is there"
                ));
            }
        }
        let open: Vec<_> = history
            .open
            .values()
            .map(|action| action.effects())
            .collect();
        self.explained += open.iter().filter(|effects| effects.is_empty()).count();
        let mut judged: BTreeSet<Uuid> = BTreeSet::new();
        for (group, count, verdict) in explain::explain(&rest, &open) {
            match verdict {
                Verdict::Explained => self.explained += count,
                Verdict::Undecided => self.undecided += count,
                // Told below, character by character.
                Verdict::Impossible => continue,
            }
            judged.extend(group);
        }
        for (key, more) in rest {
            if more != Purse::default() && !judged.contains(&key) {
                let expected = history.characters.get(&key).copied().unwrap_or_default();
                self.differs(format!(
                    "character {key}: {expected:?} was acknowledged; memory has {more:?} more than that"
                ));
            }
        }
    }

    fn with_players(&mut self, history: &History, found: &Found<Player>) {
        for (character, player) in &history.players {
            match found.get(player).and_then(Option::as_ref) {
                None => self.differs(format!(
                    "player {player} of character {character}: acknowledged, and not there"
                )),
                Some(there) if there.count != 1 => self.differs(format!(
                    "player {player} counts {} characters, not 1",
                    there.count
                )),
                Some(_) => {}
            }
        }
    }

    /// A sign-up makes both or none.
    fn whole(
        &mut self,
        pairs: &BTreeMap<Uuid, Uuid>,
        characters: &Found<Character>,
        players: &Found<Player>,
    ) {
        for (character, player) in pairs {
            let there = |found: Option<bool>| {
                if found == Some(true) {
                    "there"
                } else {
                    "not there"
                }
            };
            let character_there = there(characters.get(character).map(Option::is_some));
            let player_there = there(players.get(player).map(Option::is_some));
            if character_there != player_there {
                self.differs(format!(
                    "half a sign-up: player {player} is {player_there}, character {character} {character_there}"
                ));
            }
        }
    }

    fn with_database<C: Concern + PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        memory: &Found<C>,
        database: &Found<C>,
    ) {
        for (key, expected) in memory {
            let stored = database.get(key).and_then(Option::as_ref);
            if stored != expected.as_ref() {
                self.differs(format!(
                    "{what} {key}: memory has {expected:?}, the database {stored:?}"
                ));
            }
        }
    }

    fn differs(&mut self, what: String) {
        self.differences.push(what);
    }

    /// One line for reading.
    pub(crate) fn summary(&self, term: Term) -> String {
        let mut text = format!(
            "{} characters compared in memory and in the database: {} acknowledged, {} refused",
            grouped(self.characters as u64),
            grouped(self.acknowledged),
            grouped(self.refused),
        );
        if self.asked_again > 0 {
            text += &format!(", {} asked for again", grouped(self.asked_again));
        }
        if self.explained > 0 {
            text += &format!(", {} too old to ask for", grouped(self.explained as u64));
        }
        let verdict = if self.differences.is_empty() {
            term.paint(Ink::Good, "no difference")
        } else {
            let count = grouped(self.differences.len() as u64);
            term.paint(Ink::Bad, &format!("{count} differences"))
        };
        format!("{text}: {verdict}")
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "characters": self.characters,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "asked_again": self.asked_again,
            "explained": self.explained,
            "undecided": self.undecided,
            "differences": self.differences,
        })
    }
}

/// Instances as the platform has them.
async fn in_memory<C>(client: &Client, keys: &BTreeSet<Uuid>) -> Result<Found<C>, Fault>
where
    C: Concern<Key = Uuid> + Send + 'static,
{
    let mut keys = keys.iter().copied();
    let mut found = BTreeMap::new();
    let mut asked = tokio::task::JoinSet::new();
    loop {
        while asked.len() < AT_ONCE
            && let Some(key) = keys.next()
        {
            let client = client.clone();
            asked.spawn(async move { (key, client.get::<C>(&key).await) });
        }
        match asked.join_next().await {
            None => return Ok(found),
            Some(Ok((key, Ok(instance)))) => found.insert(key, Some(instance)),
            Some(Ok((key, Err(fault)))) if fault.code == "not_found" => found.insert(key, None),
            Some(Ok((_, Err(fault)))) => return Err(fault),
            Some(Err(error)) => {
                let class = rkcy_runtime::codegen::Class::Corrupt;
                return Err(Fault::new(class, "reader_failed", error.to_string()));
            }
        };
    }
}

/// Instances as the database has them.
async fn in_database<C: Concern<Key = Uuid>>(
    session: &Session,
    store: &dyn rkcy_runtime::store::Store,
    keys: &BTreeSet<Uuid>,
) -> Result<Found<C>, Fault> {
    let concern = session.concern(C::NAME)?;
    let keys: Vec<Uuid> = keys.iter().copied().collect();
    let mut found = BTreeMap::new();
    for chunk in keys.chunks(CHUNK) {
        let rows = session
            .stored(store, concern, chunk.iter().map(Key::of))
            .await?;
        for (key, row) in chunk.iter().zip(rows) {
            found.insert(*key, row.value.as_ref().map(decode).transpose()?);
        }
    }
    Ok(found)
}
