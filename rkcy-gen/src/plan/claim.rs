//! Owns what instances claim, in Rust and in SQL: their unique values and references, and the hidden concerns in
//! which the engine keeps them.

use super::Cx;
use super::sql::{Column, Table};
use super::types::Imports;
use crate::evolve::{self, Derived};
use crate::model::{Concern, ConcernId, Field, Unique, ValueType};
use crate::naming;

/// The claims of a concern.
#[derive(Debug, Clone, Default)]
pub(super) struct ClaimsPlan {
    /// How many an instance has at most.
    pub(super) count: usize,
    /// Ranks of the concerns that it refers to, in Rust.
    pub(super) targets: Vec<String>,
    /// The statements that tell those of an instance.
    pub(super) of_instance: Vec<String>,
    /// The same of what a patch sets.
    pub(super) of_patch: Vec<String>,
}

/// A hidden concern.
#[derive(Debug, Clone)]
pub(super) struct Hidden {
    /// Its documentation, and its name in Rust.
    pub(super) doc: String,
    pub(super) constant: String,
    /// Its number, and its name in messages.
    pub(super) number: u32,
    pub(super) name: String,
    /// The rank of the root of its group, and what tells the group by a key.
    pub(super) group: String,
    pub(super) root: String,
    /// What shows its rows as JSON.
    pub(super) shows: &'static str,
    pub(super) table: String,
    /// How its rows follow from those of the concerns.
    pub(super) derived: Option<Derived>,
}

impl Cx<'_> {
    /// What the instances of a concern claim.
    pub(super) fn claims(&self, concern: &Concern, imports: &mut Imports) -> ClaimsPlan {
        let mut plan = ClaimsPlan {
            count: concern.claims(),
            ..ClaimsPlan::default()
        };
        for unique in &concern.uniques {
            let fields = concern.unique_fields(unique);
            let places = fields
                .iter()
                .map(|field| format!("&self.{}", naming::snake(&field.name)));
            let places: Vec<String> = places.collect();
            let claim = self.unique_claim(concern, unique, &places, "&codegen::Concern::key(self)");
            plan.of_instance.push(claim);
            plan.of_patch.extend(self.patch_claim(concern, unique));
        }
        for (index, field, target) in concern.references() {
            let name = naming::snake(&field.name);
            let ty = self.target(target, imports);
            plan.targets.push(format!("<{ty} as codegen::Concern>::ID"));
            let claim = |place: &str| {
                let call = self.reference_call(concern, index, field, target);
                format!(
                    "claims.reference::<{}, {ty}>({call}, {place});",
                    naming::camel(&concern.name)
                )
            };
            plan.of_instance.push(claim(&format!("&self.{name}")));
            if !field.immutable {
                let claim = claim("value");
                plan.of_patch
                    .push(format!("if let Some(value) = &self.{name} {{ {claim} }}"));
            }
        }
        plan
    }

    fn target(&self, target: ConcernId, imports: &mut Imports) -> String {
        let ty = naming::camel(&self.model.concern(target).name);
        imports.insert(ty.clone());
        ty
    }

    /// The number of the field that refers, and how many may refer at most.
    pub(super) fn reference_call(
        &self,
        concern: &Concern,
        index: usize,
        field: &Field,
        target: ConcernId,
    ) -> String {
        let number = self.lock.field(&concern.name, &field.name);
        let most = self.model.side(concern.id, index, target);
        format!("{number}, {:?}", most.and_then(|side| side.most))
    }

    /// Claims a unique value, unless a part of it is absent. The places are references.
    pub(super) fn unique_claim(
        &self,
        concern: &Concern,
        unique: &Unique,
        places: &[String],
        owner: &str,
    ) -> String {
        let fields = concern.unique_fields(unique);
        let opened: Vec<(String, String)> = (fields.iter().zip(places))
            .filter(|(field, _)| field.ty.is_optional())
            .map(|(field, place)| (naming::snake(&field.name), place.clone()))
            .collect();
        let parts = fields
            .iter()
            .zip(places)
            .map(|(field, place)| match field.ty.is_optional() {
                true => naming::snake(&field.name),
                false => place.clone(),
            });
        let claim = self.claim_of(concern, unique, &parts.collect::<Vec<_>>(), owner);
        match opened.as_slice() {
            [] => claim,
            [(name, place)] => format!("if let Some({name}) = {place} {{ {claim} }}"),
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(name, _)| format!("Some({name})"))
                    .collect();
                let places: Vec<&str> = several.iter().map(|(_, place)| place.as_str()).collect();
                format!(
                    "if let ({}) = ({}) {{ {claim} }}",
                    names.join(", "),
                    places.join(", ")
                )
            }
        }
    }

    /// Claims a unique value all of whose parts are there. They are references.
    fn claim_of(
        &self,
        concern: &Concern,
        unique: &Unique,
        parts: &[String],
        owner: &str,
    ) -> String {
        let method = match unique.within {
            true => "unique_within",
            false => "unique",
        };
        let (name, number) = (
            naming::camel(&concern.name),
            self.lock.index(concern, unique),
        );
        let value = unique_value(parts);
        format!("claims.{method}::<{name}>(codegen::ConcernId({number}), {value}, {owner});")
    }

    /// Claims a unique value that a patch sets, as a whole.
    fn patch_claim(&self, concern: &Concern, unique: &Unique) -> Option<String> {
        let fields = concern.unique_fields(unique);
        let own: Vec<&&Field> = fields
            .iter()
            .filter(|field| !concern.is_key(field))
            .collect();
        let changeable: Vec<&&&Field> = own.iter().filter(|field| !field.immutable).collect();
        if changeable.is_empty() {
            return None;
        }
        let names = concern.unique_names(unique);
        let half = format!("return Err(codegen::half_of_unique({names:?}))");
        if changeable.len() < own.len() {
            let set = changeable
                .iter()
                .map(|field| format!("self.{}.is_some()", naming::snake(&field.name)));
            let set: Vec<String> = set.collect();
            return Some(format!("if {} {{ {half}; }}", set.join(" || ")));
        }
        let places: Vec<String> = fields
            .iter()
            .map(
                |field| match (concern.is_key(field), concern.single_key()) {
                    (false, _) => naming::snake(&field.name),
                    (true, Some(_)) => "key".to_owned(),
                    (true, None) => format!("&key.{}", naming::snake(&field.name)),
                },
            )
            .collect();
        let claim = self.unique_claim(concern, unique, &places, "key");
        let names: Vec<String> = own.iter().map(|field| naming::snake(&field.name)).collect();
        if let ([field], [name]) = (own.as_slice(), names.as_slice()) {
            // What becomes absent claims nothing.
            if field.ty.is_optional() {
                let claim = self.claim_of(concern, unique, &places, "key");
                return Some(format!(
                    "if let Some(Some({name})) = &self.{name} {{ {claim} }}"
                ));
            }
            return Some(format!("if let Some({name}) = &self.{name} {{ {claim} }}"));
        }
        let list = |each: &dyn Fn(&String) -> String| {
            names.iter().map(each).collect::<Vec<_>>().join(", ")
        };
        let given = list(&|name| format!("&self.{name}"));
        let some = list(&|name| format!("Some({name})"));
        let none = list(&|_| "None".to_owned());
        Some(format!(
            "match ({given}) {{ ({some}) => {{ {claim} }} ({none}) => {{}} _ => {half}, }}"
        ))
    }

    /// The hidden concerns of a concern, in order of their numbers.
    pub(super) fn hidden(&self, concern: &Concern) -> Vec<Hidden> {
        let mut hidden: Vec<Hidden> = (concern.uniques.iter())
            .map(|unique| self.index_of(concern, unique))
            .collect();
        if self.model.is_referred_to(concern.id) {
            let name = naming::camel(&concern.name);
            hidden.push(Hidden {
                doc: format!("How many refer to each `{}`.", concern.name),
                constant: "REFERRERS".to_owned(),
                number: self.lock.count(&concern.name),
                name: format!("referrers of {}", concern.name),
                group: format!("<{name} as codegen::Concern>::ROOT"),
                root: format!("codegen::root_of::<{name}>"),
                shows: "codegen::claims_to_json",
                table: naming::sql_hidden(&["referrers", &concern.name]),
                derived: Some(self.counts_of(concern)),
            });
        }
        hidden.extend(self.view_of(concern));
        hidden.sort_by_key(|hidden| hidden.number);
        hidden
    }

    fn index_of(&self, concern: &Concern, unique: &Unique) -> Hidden {
        let fields = concern.unique_fields(unique);
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let number = self.lock.index(concern, unique);
        let name = naming::camel(&concern.name);
        let (group, root) = match unique.within {
            true => (
                format!("<{name} as codegen::Concern>::ROOT"),
                format!("codegen::index_within::<{name}>"),
            ),
            false => (
                format!("codegen::ConcernId({number})"),
                format!("codegen::index_root::<{number}>"),
            ),
        };
        let mut table = vec!["unique", &concern.name];
        table.extend(&names);
        Hidden {
            doc: format!("Whose each `{}` is.", concern.unique_name(unique)),
            constant: naming::shouty(&format!("unique_{}", names.join("_"))),
            number,
            name: concern.unique_name(unique),
            group,
            root,
            shows: "codegen::claims_to_json",
            table: naming::sql_hidden(&table),
            derived: Some(Derived::Unique {
                owner: self.lock.rank(&concern.name),
                fields: (fields.iter())
                    .map(|field| vec![self.lock.field(&concern.name, &field.name)])
                    .collect(),
            }),
        }
    }

    fn counts_of(&self, target: &Concern) -> Derived {
        let mut by = Vec::new();
        for concern in self.model.concerns() {
            for (_, field, _) in concern.references().filter(|it| it.2 == target.id) {
                let number = self.lock.field(&concern.name, &field.name);
                by.push((self.lock.rank(&concern.name), number));
            }
        }
        by.sort_unstable();
        Derived::Counts {
            target: self.lock.rank(&target.name),
            by,
        }
    }

    /// The tables of the hidden concerns, by number.
    pub(super) fn hidden_tables(&self) -> Vec<Table> {
        let mut all: Vec<Hidden> = (self.model.concerns().iter())
            .flat_map(|concern| self.hidden(concern))
            .collect();
        all.sort_by_key(|hidden| hidden.number);
        let column = |number: u32, name: &str, key: Option<u32>| {
            Column::new(evolve::Column::bytes(number, name, key), String::new())
        };
        let table = |hidden: Hidden| Table {
            name: hidden.table,
            number: hidden.number,
            doc: hidden.doc,
            key_type: String::new(),
            keys: vec![column(1, "key", Some(1))],
            columns: vec![column(2, "value", None)],
            indexes: Vec::new(),
            lists: Vec::new(),
            derived: hidden.derived,
            from_columns: Vec::new(),
        };
        all.into_iter().map(table).collect()
    }

    /// The group of a unique value that is kept within one: the root's key out of the first part, a reference.
    pub(super) fn unique_root(
        &self,
        concern: &Concern,
        first: &str,
        imports: &mut Imports,
    ) -> String {
        let ValueType::Ref(parent) = concern.keys[0].ty.value else {
            return String::new();
        };
        let ty = self.target(parent, imports);
        format!("codegen::Key::of(&<{ty} as codegen::Concern>::root_key({first}.key()))")
    }
}

/// The value of several parts, which are references.
pub(super) fn unique_value(parts: &[String]) -> String {
    match parts {
        [part] => format!("codegen::Key::of({part})"),
        [first, rest @ ..] => {
            let rest: Vec<String> = rest
                .iter()
                .map(|part| format!("value.push({part});"))
                .collect();
            format!(
                "{{ let mut value = codegen::Key::of({first}); {} value }}",
                rest.join(" ")
            )
        }
        [] => "codegen::Key::default()".to_owned(),
    }
}
