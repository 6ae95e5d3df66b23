//! What must have come of everything that callers did.
//!
//! Owns the model: money of each character as the acknowledged transactions leave it. Money only adds
//! up, so the order in which they ran does not matter.

use super::action::{Action, Purse, made};
use super::journal::{self, Journal, Told};
use rkcy_runtime::codegen::{Fault, TxnId, Uuid};
use rkcy_runtime::driver::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is known of all transactions of a journal, or of a run.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Characters that must be there, with their money.
    pub(crate) characters: BTreeMap<Uuid, Purse>,
    /// The player of each character.
    pub(crate) players: BTreeMap<Uuid, Uuid>,
    /// Characters that must not be there: their sign-up was refused.
    pub(crate) absent: BTreeSet<Uuid>,
    /// What has no known outcome.
    pub(crate) open: BTreeMap<TxnId, Action>,
    /// Transactions that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Transactions that were refused.
    pub(crate) refused: u64,
    /// Transactions that had no outcome and were asked for again.
    pub(crate) asked_again: u64,
    /// Stamps of the first and the last transaction. Milliseconds since the Unix epoch.
    pub(crate) span: Option<(u64, u64)>,
}

impl History {
    /// Reads a journal.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn from_journal(path: &Path) -> Result<History, Fault> {
        let mut history = History::default();
        let mut closed = BTreeSet::new();
        journal::read(path, |line, action| {
            let id = TxnId(line.id.into_bytes());
            let (first, last) = history.span.unwrap_or((id.stamp(), id.stamp()));
            history.span = Some((first.min(id.stamp()), last.max(id.stamp())));
            let told = match line.outcome.as_deref() {
                Some("committed") => Some(Told::Committed),
                Some("refused") => Some(Told::Refused(line.code.unwrap_or_default())),
                _ => None,
            };
            match told {
                // Said twice, it is still one.
                Some(told) if closed.insert(id) => history.close(id, &action, &told),
                None if !closed.contains(&id) => history.begin(id, action),
                _ => {}
            }
        })?;
        Ok(history)
    }

    /// A transaction is about to be submitted.
    pub(crate) fn begin(&mut self, id: TxnId, action: Action) {
        self.open.insert(id, action);
    }

    /// A caller has heard of it.
    pub(crate) fn close(&mut self, id: TxnId, action: &Action, told: &Told) {
        match told {
            Told::Committed => {
                self.acknowledged += 1;
                if let Action::SignUp(_) = action {
                    let (player, character) = made(id);
                    self.players.insert(character, player);
                    self.characters.entry(character).or_default();
                }
                for (character, change) in action.effects() {
                    add(self.characters.entry(character).or_default(), &change);
                }
            }
            Told::Refused(_) => {
                self.refused += 1;
                if let Action::SignUp(_) = action {
                    self.absent.insert(made(id).1);
                }
            }
            Told::Unknown(_) => return,
        }
        self.open.remove(&id);
    }

    /// Asks again for everything that has no outcome: it runs once, however often it is asked for.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub(crate) async fn settle(
        &mut self,
        client: &Client,
        mut journal: Option<&mut Journal>,
    ) -> Result<(), Fault> {
        let open: Vec<(TxnId, Action)> = (self.open.iter())
            .map(|(id, action)| (*id, action.clone()))
            .collect();
        self.asked_again = open.len() as u64;
        let mut asked = tokio::task::JoinSet::new();
        for (id, action) in open {
            let client = client.clone();
            asked.spawn(async move {
                let told = journal::submit(&client, id, &action).await;
                (id, action, told)
            });
        }
        while let Some(joined) = asked.join_next().await {
            let Ok((id, action, told)) = joined else {
                continue;
            };
            if let (Some(journal), false) = (&mut journal, matches!(told, Told::Unknown(_))) {
                journal.outcome(id, &action, &told)?;
            }
            self.close(id, &action, &told);
        }
        Ok(())
    }
}

/// Adds what there is more, or less, of each kind.
pub(crate) fn add(purse: &mut Purse, change: &Purse) {
    for (have, more) in purse.iter_mut().zip(change) {
        *have += more;
    }
}
