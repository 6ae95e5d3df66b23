//! Owns giving numbers to what a model declares. What is called otherwise keeps its numbers, if `@was` says
//! what it was called.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use heck::ToSnakeCase;

use super::{Kind, Lock, Scope};
use crate::diagnostic::{Code, Diagnostic, closest};
use crate::model::{Concern, Field, FormerName, Model, Payload};
use crate::plan::operations;
use crate::syntax::Span;

/// A name that wants a number.
#[derive(Debug, Clone)]
struct Want {
    name: String,
    /// Where it stands.
    span: Span,
    /// `@tag(n)`: the number that it must have.
    tag: Option<u32>,
    /// Whether it is a `@hot` concern.
    hot: bool,
    /// What it was called before.
    was: Vec<String>,
}

/// The names of all scopes.
type Wanted = BTreeMap<(Kind, String), Vec<Want>>;

impl Lock {
    /// The lock for a model: what is known keeps its number, what is new gets one, what is gone is
    /// retired.
    ///
    /// # Errors
    /// A number that would move (`RKCY0154`), or a former name that is not known (`RKCY0155`).
    pub fn assign(&self, model: &Model) -> Result<Lock, Box<Diagnostic>> {
        let types = Types::new(model, self)?;
        let mut next = self.under_new_names(model, &types);
        let wanted = wanted(model);
        let mut renames = types.facts.clone();
        for ((kind, owner), names) in &wanted {
            let scope = next.scopes.entry((*kind, owner.clone())).or_default();
            let old_owner = types.old_path(owner);
            scope.rename(*kind, owner, &old_owner, names, &self.renames, &mut renames)?;
        }
        for (key, scope) in &mut next.scopes {
            let names = wanted.get(key).map(Vec::as_slice).unwrap_or_default();
            scope.retire(|name| names.iter().any(|wanted| wanted.name == name));
        }
        let born = next.born(model);
        for ((kind, owner), names) in &wanted {
            let scope = next.scopes.entry((*kind, owner.clone())).or_default();
            scope.add(*kind, owner, names)?;
        }
        next.remember(model, &born);
        next.scopes.retain(|_, scope| *scope != Scope::default());
        next.renames = renames;
        Ok(next)
    }

    /// The same lock with each scope under the name that its owner has now. What owns fields of its own is
    /// renamed here; the names in scopes come later.
    fn under_new_names(&self, model: &Model, types: &Types) -> Lock {
        let mut next = self.clone();
        let old_scopes = std::mem::take(&mut next.scopes);
        for ((kind, owner), mut scope) in old_scopes {
            if types.is_replaced(&owner) {
                continue;
            }
            let owner = match kind {
                Kind::Op | Kind::Field | Kind::Param | Kind::Value => types.new_path(&owner),
                _ => owner,
            };
            // What is named after a concern and its fields follows them.
            if kind == Kind::Index {
                let renamed = |name: &String| types.new_index(model, self, name);
                scope.live = (scope.live.iter())
                    .map(|(name, number)| (renamed(name), *number))
                    .collect();
            }
            if matches!(kind, Kind::Count | Kind::View) {
                scope.live = (scope.live.into_iter())
                    .map(|(name, number)| (types.new_name(&name), number))
                    .collect();
            }
            next.scopes.insert((kind, owner), scope);
        }
        next
    }
}

/// All that a model wants numbers for.
fn wanted(model: &Model) -> Wanted {
    let mut wanted = Wanted::new();
    let mut want = |kind, owner: &str, names: Vec<Want>| {
        wanted.insert((kind, owner.to_owned()), names);
    };
    let plain = |name: String, span: Span| Want {
        name,
        span,
        tag: None,
        hot: false,
        was: Vec::new(),
    };
    let named = |name: &String, span: Span, was: &[FormerName]| Want {
        was: was.iter().map(|it| it.text.clone()).collect(),
        ..plain(name.clone(), span)
    };
    let concerns = || model.concerns().iter();
    let names = concerns().map(|it| Want {
        hot: it.hot,
        ..named(&it.name, it.span, &it.was)
    });
    want(Kind::Concern, "", names.collect());
    let uniques = concerns().flat_map(|concern| {
        let uniques = concern.uniques.iter();
        uniques.map(|unique| plain(super::index_name(concern, unique), unique.span))
    });
    want(Kind::Index, "", uniques.collect());
    let counted = concerns().filter(|concern| model.is_referred_to(concern.id));
    let counted = counted.map(|concern| plain(concern.name.clone(), concern.span));
    want(Kind::Count, "", counted.collect());
    let viewed = concerns().filter(|concern| concern.viewed().next().is_some());
    let viewed = viewed.map(|concern| plain(concern.name.clone(), concern.span));
    want(Kind::View, "", viewed.collect());
    let transactions = model.transactions().iter();
    let names = transactions.map(|it| named(&it.name, it.span, &it.was));
    want(Kind::Transaction, "", names.collect());
    let configs = model.configs().map(|it| named(&it.name, it.span, &it.was));
    want(Kind::Config, "", configs.collect());
    for concern in concerns() {
        let mut names = fields(concern.all_fields());
        if let (Some(key), Some(parent)) = (names.first_mut(), concern.parent) {
            key.was = parent_field(model.concern(parent));
        }
        want(Kind::Field, &concern.name, names);
        let names = operations(concern).into_iter();
        let names = names.map(|it| plain(it.name.clone(), concern.span));
        want(Kind::Op, &concern.name, names.collect());
        for operation in operations(concern) {
            if let Payload::Fields(params) = operation.payload {
                let owner = format!("{}.{}", concern.name, operation.name);
                want(Kind::Param, &owner, fields(params.iter()));
            }
        }
    }
    for message in model.messages() {
        want(Kind::Field, &message.name, fields(message.fields.iter()));
    }
    for declared in model.enums() {
        let values = declared.values.iter();
        let names = values.map(|value| Want {
            tag: value.tag,
            ..named(&value.name, value.span, &value.was)
        });
        want(Kind::Value, &declared.name, names.collect());
    }
    for transaction in model.transactions() {
        let params = fields(transaction.params.iter());
        want(Kind::Param, &transaction.name, params);
    }
    wanted
}

fn fields<'a>(fields: impl Iterator<Item = &'a Field>) -> Vec<Want> {
    let want = |field: &Field| Want {
        name: field.name.clone(),
        span: field.span,
        tag: field.tag,
        hot: false,
        was: field.was.iter().map(|it| it.text.clone()).collect(),
    };
    fields.map(want).collect()
}

/// What the field that says in which group an instance is was called: it has the name of the concern.
fn parent_field(parent: &Concern) -> Vec<String> {
    let names = parent.was.iter().map(|it| it.text.to_snake_case());
    names.collect()
}

/// What declarations with members of their own were called, and are called now.
struct Types {
    /// By the old name.
    new: BTreeMap<String, String>,
    /// By the new name.
    old: BTreeMap<String, String>,
    /// What of it the lock is to remember.
    facts: BTreeSet<String>,
}

impl Types {
    /// What `@was` says and the lock has not heard before.
    fn new(model: &Model, lock: &Lock) -> Result<Self, Box<Diagnostic>> {
        let mut types = Types {
            new: BTreeMap::new(),
            old: BTreeMap::new(),
            facts: BTreeSet::new(),
        };
        let is_known = |name: &str| {
            lock.scopes.iter().any(|((kind, owner), scope)| {
                let is_owner = owner.split('.').next() == Some(name);
                let is_name = matches!(kind, Kind::Concern | Kind::Transaction | Kind::Config);
                is_owner || is_name && scope.live.contains_key(name)
            })
        };
        let mut unknown = None;
        let mut declared = |word: &str, name: &String, was: &[FormerName]| {
            let any = |it: &FormerName| {
                is_known(&it.text) || lock.renames.contains(&format!("{word} {name} {}", it.text))
            };
            // Of concerns and transactions, their own scope tells.
            let tells = matches!(word, "message" | "enum") && !lock.scopes.is_empty();
            if let (true, false, [first, ..]) = (tells, is_known(name) || was.iter().any(any), was)
            {
                unknown.get_or_insert_with(|| first.clone());
            }
            for former in was {
                let fact = format!("{word} {name} {}", former.text);
                let is_new = !lock.renames.contains(&fact);
                if is_new && is_known(&former.text) && !types.old.contains_key(name) {
                    types.new.insert(former.text.clone(), name.clone());
                    types.old.insert(name.clone(), former.text.clone());
                }
                types.facts.insert(fact);
            }
        };
        for it in model.concerns() {
            declared("concern", &it.name, &it.was);
        }
        for it in model.messages() {
            let word = if it.config { "config" } else { "message" };
            declared(word, &it.name, &it.was);
        }
        for it in model.enums() {
            declared("enum", &it.name, &it.was);
        }
        for it in model.transactions() {
            declared("transaction", &it.name, &it.was);
        }
        match unknown {
            None => Ok(types),
            Some(former) => {
                let owners = lock.scopes.keys().map(|(_, owner)| owner.as_str());
                let owners = owners.filter(|owner| !owner.contains('.'));
                Err(unknown_name(&former.text, former.span, owners))
            }
        }
    }

    /// Whether something else has come to this name, and what had it is gone.
    fn is_replaced(&self, old: &str) -> bool {
        let owner = old.split('.').next().unwrap_or_default();
        self.old.contains_key(owner) && !self.new.contains_key(owner)
    }

    fn new_name(&self, old: &str) -> String {
        self.new.get(old).map_or(old, String::as_str).to_owned()
    }

    /// `Old.operation`, under the new name of its owner. What was there under the name of one that came
    /// to it by a rename goes with that one.
    fn new_path(&self, old: &str) -> String {
        match old.split_once('.') {
            Some((owner, rest)) => format!("{}.{rest}", self.new_name(owner)),
            None => self.new_name(old),
        }
    }

    fn old_path(&self, new: &str) -> String {
        let old = |name: &str| self.old.get(name).map_or(name, String::as_str).to_owned();
        match new.split_once('.') {
            Some((owner, rest)) => format!("{}.{rest}", old(owner)),
            None => old(new),
        }
    }

    /// `Device:tenant+serial`, after its concern and its fields.
    fn new_index(&self, model: &Model, lock: &Lock, old: &str) -> String {
        let Some((owner, names)) = old.split_once(':') else {
            return old.to_owned();
        };
        let concern = self.new_name(owner);
        let declared = model.concerns().iter().find(|it| it.name == concern);
        let renamed = |name: &str| {
            let mut all = declared.into_iter().flat_map(Concern::all_fields);
            let found = all.find(|field| {
                field.was.iter().any(|former| {
                    let fact = format!("field {concern}.{} {name}", field.name);
                    let old_fact = format!("field {owner}.{} {name}", field.name);
                    let is_done = lock.renames.contains(&fact) || lock.renames.contains(&old_fact);
                    former.text == name && !is_done
                })
            });
            found.map_or(name, |field| field.name.as_str()).to_owned()
        };
        let names: Vec<String> = names.split('+').map(renamed).collect();
        format!("{concern}:{}", names.join("+"))
    }
}

fn unknown_name<'a>(
    old: &str,
    span: Span,
    known: impl Iterator<Item = &'a str>,
) -> Box<Diagnostic> {
    let message = format!("nothing was called `{old}` when the lock was written");
    let finding = Diagnostic::new(Code::UnknownWas, span, message);
    Box::new(match closest(old, known) {
        Some(name) => finding.help(format!("did you mean `@was({name})`?")),
        None => finding.help(
            "name what it was called at the last build; an older name may stand behind that one",
        ),
    })
}

impl Scope {
    /// Lets what is called otherwise keep its number.
    fn rename(
        &mut self,
        kind: Kind,
        owner: &str,
        old_owner: &str,
        names: &[Want],
        known: &BTreeSet<String>,
        facts: &mut BTreeSet<String>,
    ) -> Result<(), Box<Diagnostic>> {
        let path = |owner: &str, name: &str| match owner.is_empty() {
            true => name.to_owned(),
            false => format!("{owner}.{name}"),
        };
        let is_fresh = self.live.is_empty() && self.retired.is_empty();
        let mut sources: BTreeMap<&str, &str> = BTreeMap::new();
        for want in names {
            let fact_of = |owner: &str, old: &str| {
                format!("{} {} {old}", kind.word(), path(owner, &want.name))
            };
            let new: Vec<&String> = (want.was.iter())
                .filter(|old| !known.contains(&fact_of(old_owner, old)))
                .collect();
            facts.extend(want.was.iter().map(|old| fact_of(owner, old)));
            let live: Vec<&&String> = (new.iter())
                .filter(|old| self.live.contains_key(**old))
                .collect();
            match live.as_slice() {
                [] if new.is_empty() || is_fresh || self.live.contains_key(&want.name) => {}
                [] => {
                    let known = self.live.keys().map(String::as_str);
                    return Err(unknown_name(new[0], want.span, known));
                }
                [old] => {
                    sources.insert(&want.name, old);
                }
                [one, other, ..] => {
                    let message = format!("`{one}` and `{other}` cannot both become one");
                    let finding = Diagnostic::new(Code::UnknownWas, want.span, message);
                    return Err(Box::new(finding.help(
                        "name the one whose values stay; the other is removed, with its number",
                    )));
                }
            }
        }
        let old = std::mem::take(&mut self.live);
        for want in names {
            let source = sources.get(want.name.as_str()).copied();
            let number = match source {
                Some(source) => old.get(source),
                None if sources.values().any(|source| *source == want.name) => None,
                None => old.get(&want.name),
            };
            if let Some(number) = number {
                self.live.insert(want.name.clone(), *number);
            }
        }
        // What nobody is called now stays, and is retired by who asks for that.
        for (name, number) in old {
            if !self.live.values().any(|known| *known == number) {
                self.retire_one(number, name);
            }
        }
        Ok(())
    }

    fn retire(&mut self, stays: impl Fn(&str) -> bool) {
        let (live, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.live)
            .into_iter()
            .partition(|(name, _)| stays(name));
        self.live = live;
        for (name, number) in gone {
            self.retire_one(number, name);
        }
    }

    fn retire_one(&mut self, number: u32, name: String) {
        self.absent.remove(&number);
        self.retired.insert(number, name);
    }

    fn add(&mut self, kind: Kind, owner: &str, names: &[Want]) -> Result<(), Box<Diagnostic>> {
        let moved = |want: &Want, message: String, help: String| {
            let path = match owner.is_empty() {
                true => want.name.clone(),
                false => format!("{owner}.{}", want.name),
            };
            let message = format!("`{path}`: {message}");
            Box::new(Diagnostic::new(Code::NumberMoved, want.span, message).help(help))
        };
        // Tags first, so that nothing else takes their numbers.
        for want in names {
            let Some(tag) = want.tag else { continue };
            if let Some(known) = self.live.get(&want.name) {
                if *known == tag {
                    continue;
                }
                let message =
                    format!("its number is {known} and never moves, but `@tag` says {tag}");
                return Err(moved(
                    want,
                    message,
                    format!("write `@tag({known})`, or nothing"),
                ));
            }
            if let Some(other) = self.owner_of(tag) {
                let message = format!("`@tag({tag})` is the number of `{other}`, or was");
                let help = "choose another number, or none: the next free one is found";
                return Err(moved(want, message, help.to_owned()));
            }
            self.live.insert(want.name.clone(), tag);
        }
        for want in names {
            let ranges = kind.ranges(want.hot);
            match self.live.get(&want.name) {
                Some(known)
                    if kind != Kind::Concern || ranges.iter().any(|it| it.contains(known)) => {}
                Some(known) => {
                    let what = match want.hot {
                        true => "would make it the last",
                        false => "is what made it one of the last",
                    };
                    let message = format!("its rank is {known} and never moves, but `@hot` {what}");
                    let help = "leave `@hot` as it was; another order of locks is that of another \
                                concern";
                    return Err(moved(want, message, help.to_owned()));
                }
                None => {
                    let mut ranges = ranges.iter();
                    let number = ranges.find_map(|range| self.next(range));
                    let number = number.ok_or_else(|| used_up(kind, want))?;
                    self.live.insert(want.name.clone(), number);
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
    /// first gap; `None` where there is none.
    fn next(&self, range: &RangeInclusive<u32>) -> Option<u32> {
        let given = self.live.values().chain(self.retired.keys());
        let given: BTreeSet<u32> = given.filter(|it| range.contains(it)).copied().collect();
        let after = match given.last() {
            Some(largest) => largest.saturating_add(1),
            None => *range.start(),
        };
        let free = |number: &u32| !given.contains(number);
        (after..=*range.end())
            .find(free)
            .or_else(|| range.clone().find(free))
    }
}

/// More of a kind is wanted than there are numbers.
fn used_up(kind: Kind, want: &Want) -> Box<Diagnostic> {
    let what = match kind {
        Kind::Concern if want.hot => "`@hot` concerns",
        Kind::Concern => "concerns",
        Kind::Index => "unique values",
        Kind::Count => "concerns that others refer to",
        Kind::View => "concerns with related views",
        Kind::Field => "fields",
        Kind::Op => "commands and queries",
        Kind::Param => "parameters",
        Kind::Transaction => "transactions",
        Kind::Value => "values",
        Kind::Config => "configs",
    };
    let ranges = kind.ranges(want.hot).iter();
    let most: u64 = ranges.map(|it| u64::from(it.end() - it.start()) + 1).sum();
    let message = format!("there are at most {most} {what}, those that were removed included");
    Box::new(Diagnostic::new(Code::NumbersUsedUp, want.span, message).help("split the platform"))
}
