//! Owns names in generated code: their case, what happens to keywords, and who gives way where two
//! names meet. Every name that reaches a template has been here.

use std::collections::{BTreeMap, BTreeSet};

use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};

use crate::model::{Builtin, Model};

/// Words that Rust keeps for itself, of all editions.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Words that cannot be written raw either, and one that `prost` does not write raw: both have to
/// agree, since fields of messages have one name in both.
const NEVER_RAW: &[&str] = &["_", "self", "super", "crate", "Self", "extern"];

/// Modules that generated code has beside those of the schema, and crates that it names.
const MODULES: &[&str] = &[
    "proto",
    "txn",
    "functions",
    "handlers",
    "codegen",
    "rkcy_runtime",
    "std",
    "core",
    "alloc",
    "mod",
    "op",
];

/// Crates that a package must not be named like.
const PACKAGES: &[&str] = &[
    "test",
    "core",
    "std",
    "alloc",
    "proc-macro",
    "rkcy-runtime",
    "rkcy-core",
];

/// Methods that clippy takes for those of a trait.
const METHODS: &[&str] = &["as_ref", "borrow", "clone", "deref", "new", "default"];

/// PostgreSQL's system columns.
const SYSTEM_COLUMNS: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid"];

/// PostgreSQL cuts names after so many bytes.
const MAX_SQL_NAME: usize = 63;

/// A name in snake case: fields, parameters, functions.
pub fn snake(name: &str) -> String {
    escape(plain_snake(name))
}

/// The same without the escape of keywords, for strings.
pub fn plain_snake(name: &str) -> String {
    begin_with_letter(name.to_snake_case())
}

/// A name in upper camel case, without escapes: types in protobuf.
pub fn plain_camel(name: &str) -> String {
    begin_with_letter(name.to_upper_camel_case())
}

/// A name in upper camel case: types and variants in Rust.
pub fn camel(name: &str) -> String {
    escape(plain_camel(name))
}

/// A name in capitals: constants.
pub fn shouty(name: &str) -> String {
    begin_with_letter(name.to_shouty_snake_case())
}

/// A function of a handler trait or a getter.
pub fn method(name: &str) -> String {
    let plain = plain_snake(name);
    if METHODS.contains(&plain.as_str()) {
        format!("{plain}_")
    } else {
        escape(plain)
    }
}

/// A module of generated code, as it is declared.
pub fn module(name: &str) -> String {
    escape(file_stem(name))
}

/// The file of that module, without its ending.
pub fn file_stem(name: &str) -> String {
    let plain = plain_snake(name);
    if MODULES.contains(&plain.as_str()) || NEVER_RAW.contains(&plain.as_str()) {
        format!("{plain}_")
    } else {
        plain
    }
}

/// A package of Cargo. Names that Cargo refuses, or that hide a crate of Rust's own, get a second word.
pub fn package(name: &str) -> String {
    let plain = plain_snake(name).trim_start_matches('_').replace('_', "-");
    let begins_well = plain.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_taken = KEYWORDS.contains(&plain.as_str())
        || NEVER_RAW.contains(&plain.as_str())
        || PACKAGES.contains(&plain.as_str());
    match (begins_well, is_taken) {
        (true, false) => plain,
        (true, true) => format!("{plain}-platform"),
        (false, _) => format!("platform-{plain}"),
    }
}

/// A table or a column, not quoted.
pub fn sql(name: &str) -> String {
    let plain = plain_snake(name);
    let free = if SYSTEM_COLUMNS.contains(&plain.as_str()) || plain.starts_with("sqlite_") {
        format!("{plain}_").replacen("sqlite_", "sqlite__", 1)
    } else {
        plain
    };
    cut(free)
}

/// An index over a field. No other name in a database has two underscores in a row.
pub fn sql_index(table: &str, field: &str) -> String {
    cut(format!(
        "_rkcy_{}__{}",
        plain_snake(table),
        plain_snake(field)
    ))
}

/// A constraint of a column, among those of its table.
pub fn sql_constraint(table: &str, column: &str, word: &str) -> String {
    cut(format!("{table}_{column}_{word}"))
}

/// The table of a hidden concern.
pub fn sql_hidden(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| plain_snake(part)).collect();
    cut(format!("_rkcy_{}", parts.join("_")))
}

/// A column of a field inside of another.
pub fn sql_path(outer: &str, inner: &str) -> String {
    cut(format!("{}_{}", plain_snake(outer), plain_snake(inner)))
}

/// Cuts what is too long and puts a hash of the whole in place of the rest.
fn cut(name: String) -> String {
    if name.len() <= MAX_SQL_NAME {
        return name;
    }
    let hash = fnv(name.as_bytes()) as u32;
    format!("{}_{hash:08x}", &name[..MAX_SQL_NAME - 9])
}

/// FNV-1a, 64 bit: for what has to be the same on every machine, and nothing else.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn begin_with_letter(name: String) -> String {
    match name.chars().next() {
        None => "_0".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

fn escape(name: String) -> String {
    if NEVER_RAW.contains(&name.as_str()) {
        format!("{name}_")
    } else if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else {
        name
    }
}

/// Names that are taken. Who comes later gives way.
#[derive(Debug, Default, Clone)]
pub struct Claims {
    taken: BTreeSet<String>,
}

impl Claims {
    /// Takes the name, or the first of its successors that is free.
    pub fn claim(&mut self, name: String) -> String {
        self.claim_any([name])
    }

    /// Takes the first name that is free, or else a successor of the last.
    pub fn claim_any(&mut self, names: impl IntoIterator<Item = String>) -> String {
        let mut last = String::new();
        for name in names {
            if self.taken.insert(name.clone()) {
                return name;
            }
            last = name;
        }
        (2..)
            .map(|number| format!("{last}{number}"))
            .find(|name| self.taken.insert(name.clone()))
            .unwrap_or(last)
    }
}

/// Names of std as generated code may write them: short, unless a type of the schema hides them.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is what it is called")]
pub struct Std {
    pub option: &'static str,
    pub result: &'static str,
    pub string: &'static str,
    pub vec: &'static str,
    pub boxed: &'static str,
    pub from: &'static str,
    pub default: &'static str,
}

impl Std {
    /// What may be written beside the types of generated code.
    fn new(types: &Claims) -> Self {
        let short = |short: &'static str, long: &'static str| {
            if types.taken.contains(short) {
                long
            } else {
                short
            }
        };
        Self {
            option: short("Option", "::std::option::Option"),
            result: short("Result", "::std::result::Result"),
            string: short("String", "::std::string::String"),
            vec: short("Vec", "::std::vec::Vec"),
            boxed: short("Box", "::std::boxed::Box"),
            from: short("From", "::std::convert::From"),
            default: short("Default", "::std::default::Default"),
        }
    }
}

/// The names of all types, and so what else may be written how.
#[derive(Debug, Clone)]
pub struct TypeNames {
    /// Operations with named parameters: by concern and operation.
    payloads: Vec<((String, String), String)>,
    /// Operations and transactions that name refusals.
    refusals: Vec<((String, String), String)>,
    /// Keys of several parts, by concern.
    keys: Vec<(String, String)>,
    /// What `update` may change, by concern.
    patches: Vec<(String, String)>,
    /// Handler traits, by concern.
    handlers: Vec<(String, String)>,
    /// What is related to an instance, by concern.
    related: Vec<(String, String)>,
    /// Parameters of transactions.
    transactions: Vec<(String, String)>,
    /// Methods of gRPC services: of operations, by concern; of transactions, with an empty concern.
    rpcs: BTreeMap<(String, String), String>,
    /// Names of std.
    pub std: Std,
    /// The trait of all handlers.
    pub all_handlers: String,
    /// The trait of functions.
    pub functions: String,
    /// The type that implements the engine's view.
    pub logic: String,
}

impl TypeNames {
    /// The names in a model: those of the schema first, then those that are made up.
    pub fn new(model: &Model) -> Self {
        let mut claims = Claims::default();
        for concern in model.concerns() {
            claims.claim(camel(&concern.name));
        }
        for message in model.messages() {
            claims.claim(camel(&message.name));
        }
        for declared in model.enums() {
            claims.claim(camel(&declared.name));
        }
        let (mut payloads, mut refusals, mut handlers) = (Vec::new(), Vec::new(), Vec::new());
        let (mut keys, mut patches, mut related) = (Vec::new(), Vec::new(), Vec::new());
        for concern in model.concerns() {
            let base = plain_camel(&concern.name);
            if concern.single_key().is_none() {
                keys.push((concern.name.clone(), claims.claim(format!("{base}Key"))));
            }
            if concern.builtins.has(Builtin::Update) {
                let name = claims.claim(format!("{base}Patch"));
                patches.push((concern.name.clone(), name));
            }
            for operation in crate::plan::operations(concern) {
                let key = (concern.name.clone(), operation.name.clone());
                let base = plain_camel(&format!("{}_{}", concern.name, operation.name));
                if matches!(operation.payload, crate::model::Payload::Fields(_)) {
                    let names = [base.clone(), format!("{base}Payload")];
                    payloads.push((key.clone(), claims.claim_any(names)));
                }
                if !operation.refusals.named().is_empty() {
                    refusals.push((key, claims.claim(format!("{base}Refusal"))));
                }
            }
            if concern.viewed().next().is_some() {
                let name = claims.claim(format!("{base}Related"));
                related.push((concern.name.clone(), name));
            }
            let name = format!("{}Handlers", plain_camel(&concern.name));
            handlers.push((concern.name.clone(), claims.claim(name)));
        }
        let mut transactions = Vec::new();
        for transaction in model.transactions() {
            let base = plain_camel(&transaction.name);
            let names = [camel(&transaction.name), format!("{base}Transaction")];
            let name = claims.claim_any(names);
            transactions.push((transaction.name.clone(), name));
            if !transaction.refusals.named().is_empty() {
                let key = (String::new(), transaction.name.clone());
                refusals.push((key, claims.claim(format!("{base}Refusal"))));
            }
        }
        let rpcs = rpcs(model);
        let all_handlers = claims.claim("Handlers".to_owned());
        let logic = claims.claim("Logic".to_owned());
        let functions = claims.claim("Functions".to_owned());
        let std = Std::new(&claims);
        Self {
            payloads,
            refusals,
            keys,
            patches,
            handlers,
            related,
            transactions,
            rpcs,
            std,
            all_handlers,
            functions,
            logic,
        }
    }

    /// The struct of an operation's named parameters.
    pub fn payload(&self, concern: &str, operation: &str) -> &str {
        find(&self.payloads, concern, operation)
    }

    /// The method of an operation in the gRPC service of its concern; of a transaction, with an empty concern.
    pub fn rpc(&self, concern: &str, name: &str) -> &str {
        let key = (concern.to_owned(), name.to_owned());
        self.rpcs.get(&key).map_or("", String::as_str)
    }

    /// The enum of an operation's refusals; of a transaction's with an empty concern.
    pub fn refusal(&self, concern: &str, operation: &str) -> &str {
        find(&self.refusals, concern, operation)
    }

    /// The struct of a concern's key of several parts; empty where it has one.
    pub fn key(&self, concern: &str) -> &str {
        find_one(&self.keys, concern)
    }

    /// The struct of what `update` may change; empty where there is no `update`.
    pub fn patch(&self, concern: &str) -> &str {
        find_one(&self.patches, concern)
    }

    /// The handler trait of a concern.
    pub fn handlers(&self, concern: &str) -> &str {
        find_one(&self.handlers, concern)
    }

    /// The struct of what is related to an instance; empty where nothing reads that.
    pub fn related(&self, concern: &str) -> &str {
        find_one(&self.related, concern)
    }

    /// The struct of a transaction's parameters.
    pub fn transaction(&self, name: &str) -> &str {
        find_one(&self.transactions, name)
    }
}

/// The methods of gRPC services. Those that every concern has are taken in each.
fn rpcs(model: &Model) -> BTreeMap<(String, String), String> {
    let mut rpcs = BTreeMap::new();
    let mut add = |claims: &mut Claims, concern: &str, name: &str| {
        let key = (concern.to_owned(), name.to_owned());
        rpcs.insert(key, claims.claim(plain_camel(name)));
    };
    let mut claims = Claims::default();
    for transaction in model.transactions() {
        add(&mut claims, "", &transaction.name);
    }
    for concern in model.concerns() {
        let mut claims = Claims::default();
        for builtin in ["Create", "Get", "Update", "Delete"] {
            claims.claim(builtin.to_owned());
        }
        for operation in crate::plan::operations(concern) {
            add(&mut claims, &concern.name, operation.name);
        }
    }
    rpcs
}

fn find<'a>(list: &'a [((String, String), String)], first: &str, second: &str) -> &'a str {
    let found = list.iter().find(|((a, b), _)| a == first && b == second);
    found.map_or("", |(_, name)| name)
}

fn find_one<'a>(list: &'a [(String, String)], key: &str) -> &'a str {
    let found = list.iter().find(|(known, _)| known == key);
    found.map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_escaped() {
        assert_eq!(snake("type"), "r#type");
        assert_eq!(snake("self"), "self_");
        assert_eq!(camel("Self"), "Self_");
        assert_eq!(camel("option"), "Option");
        assert_eq!(snake("_1"), "_1");
        assert_eq!(snake("_"), "_0");
        assert_eq!(module("Proto"), "proto_");
        assert_eq!(module("Type"), "r#type");
        assert_eq!(file_stem("Type"), "type");
        assert_eq!(package("my_shop"), "my-shop");
        assert_eq!(package("type"), "type-platform");
    }

    #[test]
    fn long_names_of_columns_are_cut_and_stay_apart() {
        let long = "a".repeat(70);
        let (one, other) = (sql_path(&long, "one"), sql_path(&long, "two"));
        assert_eq!(one.len(), 63);
        assert_ne!(one, other);
        assert_eq!(sql("ctid"), "ctid_");
    }

    #[test]
    fn who_comes_later_gives_way() {
        let mut claims = Claims::default();
        assert_eq!(claims.claim("Fund".to_owned()), "Fund");
        let names = ["Fund", "FundTransaction"].map(str::to_owned);
        assert_eq!(claims.claim_any(names.clone()), "FundTransaction");
        assert_eq!(claims.claim_any(names), "FundTransaction2");
    }
}
