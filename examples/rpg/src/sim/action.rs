//! What callers do, and what it changes where it is committed.

use rkcy_runtime::codegen::{
    Class, Fault, Transaction, Txn, TxnId, Uuid, derived_uuid, serde_json,
};
use rkcy_runtime::driver::Client;
use rpg::generated::Currency;
use rpg::generated::txn::{Fund, SignUp, Trade};

/// A transaction that a caller submits.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A new player with a first character.
    SignUp(SignUp),
    /// Money that enters the game.
    Fund(Fund),
    /// Money that changes hands.
    Trade(Trade),
}

/// Money of each kind: gold, and that of the three factions.
pub(crate) type Purse = [i64; 4];

/// The player and the character that a sign-up makes: keys that follow from its id.
pub(crate) fn made(id: TxnId) -> (Uuid, Uuid) {
    // The numbers of its two `create` steps.
    (derived_uuid(id, 0, 0), derived_uuid(id, 3, 0))
}

/// The money in a purse.
pub(crate) fn purse(currency: &Currency) -> Purse {
    let Currency {
        gold,
        faction_0,
        faction_1,
        faction_2,
    } = *currency;
    [gold, faction_0, faction_1, faction_2]
}

impl Action {
    /// Its name in the schema.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Action::SignUp(_) => SignUp::NAME,
            Action::Fund(_) => Fund::NAME,
            Action::Trade(_) => Trade::NAME,
        }
    }

    /// Its parameters.
    pub(crate) fn args(&self) -> serde_json::Result<serde_json::Value> {
        match self {
            Action::SignUp(params) => serde_json::to_value(params),
            Action::Fund(params) => serde_json::to_value(params),
            Action::Trade(params) => serde_json::to_value(params),
        }
    }

    /// The inverse of [`Action::name`] and [`Action::args`].
    pub(crate) fn read(name: &str, args: serde_json::Value) -> Result<Action, String> {
        let read = match name {
            "sign_up" => serde_json::from_value(args).map(Action::SignUp),
            "fund" => serde_json::from_value(args).map(Action::Fund),
            "trade" => serde_json::from_value(args).map(Action::Trade),
            other => return Err(format!("there is no transaction `{other}`")),
        };
        read.map_err(|error| error.to_string())
    }

    /// The transaction, ready to submit.
    pub(crate) fn plan(&self, client: &Client, id: TxnId) -> Result<Txn, Fault> {
        match self {
            Action::SignUp(params) => plan(client, id, params),
            Action::Fund(params) => plan(client, id, params),
            Action::Trade(params) => plan(client, id, params),
        }
    }

    /// What each character has more, or less, where it is committed.
    pub(crate) fn effects(&self) -> Vec<(Uuid, Purse)> {
        match self {
            Action::SignUp(_) => Vec::new(),
            Action::Fund(Fund { to, amount }) => vec![(*to.key(), purse(amount))],
            Action::Trade(Trade { lhs, rhs }) => {
                let (left, right) = (purse(&lhs.currency), purse(&rhs.currency));
                let difference =
                    |more: Purse, less: Purse| std::array::from_fn(|kind| more[kind] - less[kind]);
                vec![
                    (*lhs.character.key(), difference(right, left)),
                    (*rhs.character.key(), difference(left, right)),
                ]
            }
        }
    }
}

fn plan<T: Transaction>(client: &Client, id: TxnId, params: &T) -> Result<Txn, Fault> {
    client.plan(id, params)
}

/// A fault of the journal's contents.
pub(crate) fn unreadable(message: String) -> Fault {
    Fault::new(Class::Invalid, "journal_unreadable", message)
}
