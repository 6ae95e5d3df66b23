//! Owns giving numbers to what a model declares.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Kind, Lock, Scope};
use crate::model::{Field, Model, Payload};
use crate::plan::operations;

/// A `@tag` that the lock cannot follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What has the tag: `Character.fullname`.
    pub name: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.name, self.message)
    }
}

impl std::error::Error for Conflict {}

/// The names of a scope: what a `@tag` says, and whether a concern is `@hot`.
type Wanted = Vec<(String, Option<u32>, bool)>;

impl Lock {
    /// The lock for a model: what is known keeps its number, what is new gets one, what is gone is
    /// retired.
    ///
    /// # Errors
    /// A `@tag` that says another number than the lock, or one that is taken.
    pub fn assign(&self, model: &Model) -> Result<Lock, Conflict> {
        let mut wanted: BTreeMap<(Kind, String), Wanted> = BTreeMap::new();
        let mut want = |kind, owner: &str, names: Wanted| {
            wanted.insert((kind, owner.to_owned()), names);
        };
        let untagged = |name: &String| (name.clone(), None, false);
        let fields = |fields: &mut dyn Iterator<Item = &Field>| -> Wanted {
            fields
                .map(|field| (field.name.clone(), field.tag, false))
                .collect()
        };
        want(
            Kind::Concern,
            "",
            model
                .concerns()
                .iter()
                .map(|it| (it.name.clone(), None, it.hot))
                .collect(),
        );
        let concerns = || model.concerns().iter();
        let uniques = concerns().flat_map(|concern| {
            let uniques = concern.uniques.iter();
            uniques.map(|unique| untagged(&super::index_name(concern, unique)))
        });
        want(Kind::Index, "", uniques.collect());
        let counted = concerns().filter(|concern| model.is_referred_to(concern.id));
        want(
            Kind::Count,
            "",
            counted.map(|concern| untagged(&concern.name)).collect(),
        );
        let viewed = concerns().filter(|concern| concern.viewed().next().is_some());
        want(
            Kind::View,
            "",
            viewed.map(|concern| untagged(&concern.name)).collect(),
        );
        want(
            Kind::Transaction,
            "",
            model
                .transactions()
                .iter()
                .map(|it| untagged(&it.name))
                .collect(),
        );
        let configs = model.configs().map(|config| untagged(&config.name));
        want(Kind::Config, "", configs.collect());
        for concern in model.concerns() {
            want(
                Kind::Field,
                &concern.name,
                fields(&mut concern.all_fields()),
            );
            let names = operations(concern)
                .iter()
                .map(|operation| untagged(operation.name))
                .collect();
            want(Kind::Op, &concern.name, names);
            for operation in operations(concern) {
                if let Payload::Fields(params) = operation.payload {
                    let owner = format!("{}.{}", concern.name, operation.name);
                    want(Kind::Param, &owner, fields(&mut params.iter()));
                }
            }
        }
        for message in model.messages() {
            want(
                Kind::Field,
                &message.name,
                fields(&mut message.fields.iter()),
            );
        }
        for declared in model.enums() {
            let names = declared
                .values
                .iter()
                .map(|value| (value.name.clone(), value.tag, false))
                .collect();
            want(Kind::Value, &declared.name, names);
        }
        for transaction in model.transactions() {
            want(
                Kind::Param,
                &transaction.name,
                fields(&mut transaction.params.iter()),
            );
        }

        let mut next = self.clone();
        for (key, scope) in &mut next.scopes {
            let names = wanted.get(key).map(Vec::as_slice).unwrap_or_default();
            scope.retire(|name| names.iter().any(|(wanted, ..)| wanted == name));
        }
        for ((kind, owner), names) in wanted {
            let scope = next.scopes.entry((kind, owner.clone())).or_default();
            scope
                .add(kind, &names)
                .map_err(|(name, message)| Conflict {
                    name: if owner.is_empty() {
                        name
                    } else {
                        format!("{owner}.{name}")
                    },
                    message,
                })?;
        }
        next.scopes.retain(|_, scope| *scope != Scope::default());
        Ok(next)
    }
}

impl Scope {
    fn retire(&mut self, stays: impl Fn(&str) -> bool) {
        let (live, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.live)
            .into_iter()
            .partition(|(name, _)| stays(name));
        self.live = live;
        self.retired
            .extend(gone.into_iter().map(|(name, number)| (number, name)));
    }

    fn add(&mut self, kind: Kind, names: &Wanted) -> Result<(), (String, String)> {
        // Tags first, so that nothing else takes their numbers.
        for (name, tag, _) in names {
            let Some(tag) = *tag else { continue };
            if let Some(known) = self.live.get(name) {
                if *known == tag {
                    continue;
                }
                return Err((
                    name.clone(),
                    format!("its number is {known} and never moves, but `@tag` says {tag}"),
                ));
            }
            if let Some(other) = self.owner_of(tag) {
                return Err((
                    name.clone(),
                    format!("`@tag({tag})` is the number of `{other}`, or was"),
                ));
            }
            self.live.insert(name.clone(), tag);
        }
        for (name, _, hot) in names {
            let range = kind.range(*hot);
            match self.live.get(name) {
                Some(known) if range.contains(known) || kind != Kind::Concern => {}
                Some(known) => {
                    let message = format!(
                        "its rank is {known} and never moves, but `@hot` {}",
                        if *hot {
                            "would make it the last"
                        } else {
                            "is what made it one of the last"
                        }
                    );
                    return Err((name.clone(), message));
                }
                None => {
                    let number = self.next(kind, &range);
                    self.live.insert(name.clone(), number);
                }
            }
        }
        Ok(())
    }

    pub(super) fn owner_of(&self, number: u32) -> Option<&str> {
        let live = self
            .live
            .iter()
            .find(|(_, known)| **known == number)
            .map(|(name, _)| name);
        live.or_else(|| self.retired.get(&number))
            .map(String::as_str)
    }

    /// The number after the largest that was ever given in the range; where those have run out, the
    /// first gap.
    fn next(&self, kind: Kind, range: &RangeInclusive<u32>) -> u32 {
        let given = self.live.values().chain(self.retired.keys());
        let largest = given.filter(|number| range.contains(number)).max().copied();
        let after = largest.map_or(*range.start(), |largest| largest.saturating_add(1));
        let free = |number: &u32| kind.allows(*number) && self.owner_of(*number).is_none();
        (after..=*range.end())
            .find(free)
            .or_else(|| range.clone().find(free))
            .unwrap_or(*range.end())
    }
}
