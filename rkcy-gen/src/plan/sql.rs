//! Owns tables: which columns an instance has, their types and checks in both databases, and how the
//! values get there and back.

use askama::Template;

use super::check::{length_range, limits};
use super::signature::number;
use super::types::Imports;
use super::{Cx, docs};
use crate::model::{Concern, Constraints, Field, Many, Message, Scalar, Type, ValueType};
use crate::naming;

/// The table of a concern.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) doc: String,
    /// The documentation as SQL text; empty where there is none.
    pub(super) comment: String,
    /// Type of the key in Rust.
    pub(super) key_type: String,
    /// The columns of the key: the primary key.
    pub(super) keys: Vec<Column>,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
    /// The fields of the instance, with the expression that reads each.
    pub(super) from_columns: Vec<(String, String)>,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The documentation as SQL text; empty where there is none.
    pub(super) comment: String,
    /// What it holds: a variant of the runtime's `ColumnType`.
    pub(super) kind: &'static str,
    /// Type and checks in SQLite, and in PostgreSQL.
    pub(super) sqlite: String,
    pub(super) postgres: String,
    /// The expression that gives its value.
    pub(super) to_sql: String,
    /// What the lock remembers of it.
    pub(super) fact: String,
}

/// An index over the columns of one field.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    /// The columns, quoted.
    pub(super) over: String,
}

/// How generated code gets at a value that goes into columns.
#[derive(Debug, Clone)]
enum Held {
    /// It stands at this place.
    There(String),
    /// It stands at the second place inside of what the first gives, an optional borrow called `inner`.
    Maybe(String, String),
}

impl Held {
    fn may_be_absent(&self) -> bool {
        matches!(self, Held::Maybe(..))
    }

    /// The place of a value that is there.
    fn place(&self) -> &str {
        match self {
            Held::There(place) | Held::Maybe(_, place) => place,
        }
    }

    /// A field of it.
    fn field(&self, name: &str) -> Held {
        match self {
            Held::There(place) => Held::There(format!("{place}.{name}")),
            Held::Maybe(outer, place) => Held::Maybe(outer.clone(), format!("{place}.{name}")),
        }
    }

    /// The key that it is: `reference` where the runtime's reference is around it.
    fn key(self, reference: bool, optional: bool) -> Held {
        let inner = || "inner".to_owned();
        let held = match (self, optional) {
            (held, false) => held,
            (Held::There(place), true) => Held::Maybe(format!("{place}.as_ref()"), inner()),
            (Held::Maybe(outer, place), true) => Held::Maybe(
                format!("{outer}.and_then(|inner| {place}.as_ref())"),
                inner(),
            ),
        };
        match held {
            Held::There(place) if reference => Held::There(format!("{place}.key()")),
            Held::Maybe(outer, place) if reference => Held::Maybe(outer, format!("{place}.key()")),
            held => held,
        }
    }

    /// What stands in its column.
    fn leaf(&self, optional: bool) -> String {
        match self {
            Held::There(place) => format!("codegen::sql(&{place})"),
            Held::Maybe(outer, place) if optional => {
                format!("codegen::sql_optional({outer}.and_then(|inner| {place}.as_ref()))")
            }
            Held::Maybe(outer, place) => {
                format!("codegen::sql_optional({outer}.map(|inner| &{place}))")
            }
        }
    }
}

/// One migration file.
#[derive(Debug, Clone, Template)]
#[template(path = "sqlite_up.jinja", escape = "none")]
pub(super) struct SqliteUp {
    pub(super) header: String,
    pub(super) tables: Vec<Table>,
}

/// The same for PostgreSQL.
#[derive(Debug, Clone, Template)]
#[template(path = "postgres_up.jinja", escape = "none")]
pub(super) struct PostgresUp {
    pub(super) header: String,
    pub(super) tables: Vec<Table>,
}

/// What takes it back, in SQLite.
#[derive(Debug, Clone, Template)]
#[template(path = "sqlite_down.jinja", escape = "none")]
pub(super) struct SqliteDown {
    pub(super) header: String,
    /// In reverse order.
    pub(super) tables: Vec<String>,
}

/// What takes it back, in PostgreSQL.
#[derive(Debug, Clone, Template)]
#[template(path = "postgres_down.jinja", escape = "none")]
pub(super) struct PostgresDown {
    pub(super) header: String,
    /// In reverse order.
    pub(super) tables: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Target {
    Sqlite,
    Postgres,
}

impl Cx<'_> {
    pub(super) fn table(&self, concern: &Concern, imports: &mut Imports) -> Table {
        let (mut keys, mut columns, mut from_columns) = (Vec::new(), Vec::new(), Vec::new());
        for key in &concern.keys {
            let name = naming::snake(&key.name);
            let column = naming::sql(&key.name);
            let mut own = Vec::new();
            let nowhere = Held::There(String::new());
            let read = self.leaves(key, column.clone(), nowhere, &mut own, imports);
            from_columns.push((name.clone(), read));
            // The same columns out of the key alone. One of one part is held as what it is made of.
            let (value, place) = match (concern.single_key(), key.ty.value) {
                (Some(_), ValueType::Ref(id)) => (ValueType::IdOf(id), "key".to_owned()),
                (Some(_), value) => (value, "key".to_owned()),
                (None, value) => (value, format!("key.{name}")),
            };
            let of_key = Field {
                ty: Type::one(value),
                ..key.clone()
            };
            let mut given = Vec::new();
            self.leaves(&of_key, column, Held::There(place), &mut given, imports);
            keys.extend(own.into_iter().zip(given).map(|(column, given)| Column {
                to_sql: given.to_sql,
                ..column
            }));
        }
        let mut indexes = Vec::new();
        for field in &concern.fields {
            let name = naming::snake(&field.name);
            let value = format!("instance.{name}");
            let first = columns.len();
            let read = match self.flattened(field) {
                Some(message) => self.flat_columns(field, message, &value, &mut columns, imports),
                None => {
                    let column = naming::sql(&field.name);
                    self.leaves(field, column, Held::There(value), &mut columns, imports)
                }
            };
            if field.index {
                let over = columns[first..].iter().map(|column| ident(&column.name));
                indexes.push(Index {
                    name: naming::sql_index(&concern.name, &field.name),
                    over: over.collect::<Vec<_>>().join(", "),
                });
            }
            from_columns.push((name, read));
        }
        Table {
            name: naming::sql(&concern.name),
            doc: docs::first_paragraph(&concern.docs),
            comment: comment(&concern.docs),
            key_type: self.key_type(concern.id, imports),
            keys,
            columns,
            indexes,
            from_columns,
        }
    }

    /// The columns of a field, and the expression that reads them: one, unless it is a key of several
    /// parts, which has one for each.
    fn leaves(
        &self,
        field: &Field,
        name: String,
        held: Held,
        columns: &mut Vec<Column>,
        imports: &mut Imports,
    ) -> String {
        if self.is_json(field.ty) {
            let to_sql = format!("codegen::sql_json(&{})?", held.place());
            let read = format!("columns.json({name:?})?");
            columns.push(self.column(field, name, to_sql, held.may_be_absent()));
            return read;
        }
        let Some((concern, parts)) = self.model.key_parts(field.ty.value) else {
            let to_sql = held.leaf(field.ty.is_optional());
            let read = format!("columns.take({name:?})?");
            columns.push(self.column(field, name, to_sql, held.may_be_absent()));
            return read;
        };
        let is_reference = matches!(field.ty.value, ValueType::Ref(_));
        let optional = field.ty.is_optional();
        let held = held.key(is_reference, optional);
        let first = columns.len();
        let rust = self.names.key(&concern.name).to_owned();
        imports.insert(rust.clone());
        let mut read = format!("{rust} {{");
        for part in parts {
            let column = naming::sql_path(&name, &part.name);
            let inner = held.field(&naming::snake(&part.name));
            // What a part is, is said where its key is.
            let bare = Field {
                docs: String::new(),
                immutable: false,
                ..part.clone()
            };
            let part_read = self.leaves(&bare, column, inner, columns, imports);
            read.push_str(&format!(" {}: {part_read},", naming::snake(&part.name)));
        }
        read.push_str(" }");
        if is_reference {
            read = format!("codegen::Ref::new({read})");
        }
        if optional {
            let count = columns.len() - first;
            read =
                format!("if columns.absent({name:?}, {count})? {{ None }} else {{ Some({read}) }}");
        }
        read
    }

    /// The columns of a message whose fields are columns of the concern, and the expression that
    /// reads them.
    fn flat_columns(
        &self,
        field: &Field,
        message: &Message,
        value: &str,
        columns: &mut Vec<Column>,
        imports: &mut Imports,
    ) -> String {
        let optional = field.ty.is_optional();
        let presence = naming::sql_path(&field.name, "present");
        if optional {
            let to_sql = format!("codegen::sql(&{value}.is_some())");
            columns.push(Column {
                name: presence.clone(),
                comment: String::new(),
                kind: "Bool",
                sqlite: format!("INTEGER NOT NULL CHECK ({} IN (0, 1))", ident(&presence)),
                postgres: "BOOLEAN NOT NULL".to_owned(),
                to_sql,
                fact: "bool".to_owned(),
            });
        }
        let held = match optional {
            true => Held::Maybe(format!("{value}.as_ref()"), "inner".to_owned()),
            false => Held::There(value.to_owned()),
        };
        let rust = naming::camel(&message.name);
        imports.insert(rust.clone());
        let first = columns.len();
        let mut read = format!("{rust} {{");
        for inner in &message.fields {
            let column = naming::sql_path(&field.name, &inner.name);
            let name = naming::snake(&inner.name);
            let inner_read = self.leaves(inner, column, held.field(&name), columns, imports);
            read.push_str(&format!(" {name}: {inner_read},"));
        }
        read.push_str(" }");
        if optional {
            let count = columns.len() - first;
            read = format!(
                "if columns.present({presence:?}, {count})? {{ Some({read}) }} else {{ None }}"
            );
        }
        read
    }

    /// The message of a field that stands in columns of its own: one of scalars.
    fn flattened(&self, field: &Field) -> Option<&Message> {
        let ValueType::Message(id) = field.ty.value else {
            return None;
        };
        let message = self.model.message(id);
        let scalars = message.fields.iter().all(|inner| {
            inner.ty.many != Many::List && !matches!(inner.ty.value, ValueType::Message(_))
        });
        (field.ty.many != Many::List && scalars).then_some(message)
    }

    fn is_json(&self, ty: Type) -> bool {
        ty.is_list() || matches!(ty.value, ValueType::Message(_))
    }

    fn column(&self, field: &Field, name: String, to_sql: String, inside_optional: bool) -> Column {
        let optional = inside_optional || field.ty.is_optional();
        let definition = |target| self.definition(field, &name, optional, target);
        let fact = self.field_signature(field);
        Column {
            comment: comment(&field.docs),
            kind: self.column_kind(field.ty),
            sqlite: definition(Target::Sqlite),
            postgres: definition(Target::Postgres),
            fact: fact
                .split_once(": ")
                .map_or(String::new(), |(_, ty)| ty.to_owned()),
            to_sql,
            name,
        }
    }

    fn definition(&self, field: &Field, name: &str, optional: bool, target: Target) -> String {
        let column = ident(name);
        let mut definition = if self.is_json(field.ty) {
            json_type(target).to_owned()
        } else {
            self.column_type(field.ty.value, target).to_owned()
        };
        if !optional {
            definition.push_str(" NOT NULL");
        }
        let checks = if self.is_json(field.ty) {
            json_checks(&field.constraints, &column, target)
        } else {
            self.column_checks(field, &column, target)
        };
        for check in checks {
            definition.push_str(&format!(" CHECK ({check})"));
        }
        definition
    }

    /// The variant of the runtime's `ColumnType`.
    fn column_kind(&self, ty: Type) -> &'static str {
        if self.is_json(ty) {
            return "Json";
        }
        let ValueType::Scalar(scalar) = self.model.stored_as(ty.value) else {
            return "Text";
        };
        match scalar {
            Scalar::Bool => "Bool",
            Scalar::I32 => "I32",
            Scalar::I64 => "I64",
            Scalar::U32 => "U32",
            Scalar::U64 => "U64",
            Scalar::F32 => "F32",
            Scalar::F64 => "F64",
            Scalar::String => "Text",
            Scalar::Bytes => "Bytes",
            Scalar::Uuid => "Uuid",
            Scalar::Timestamp => "Timestamp",
            Scalar::Duration => "Duration",
        }
    }

    fn column_type(&self, value: ValueType, target: Target) -> &'static str {
        let ValueType::Scalar(scalar) = self.model.stored_as(value) else {
            return "TEXT";
        };
        match (scalar, target) {
            (Scalar::Bool, Target::Postgres) => "BOOLEAN",
            (Scalar::I32, Target::Postgres) => "INTEGER",
            (Scalar::U64, Target::Postgres) => "NUMERIC(20)",
            (Scalar::F32, Target::Postgres) => "REAL",
            (Scalar::F64, Target::Postgres) => "DOUBLE PRECISION",
            (Scalar::Bytes, Target::Postgres) => "BYTEA",
            (Scalar::Uuid, Target::Postgres) => "UUID",
            (Scalar::Timestamp, Target::Postgres) => "TIMESTAMPTZ",
            (Scalar::I64 | Scalar::U32 | Scalar::Duration, Target::Postgres) => "BIGINT",
            (Scalar::String, _) => "TEXT",
            (Scalar::F32 | Scalar::F64, Target::Sqlite) => "REAL",
            (Scalar::Bytes | Scalar::Uuid | Scalar::U64, Target::Sqlite) => "BLOB",
            (_, Target::Sqlite) => "INTEGER",
        }
    }

    fn column_checks(&self, field: &Field, column: &str, target: Target) -> Vec<String> {
        let mut checks = Vec::new();
        let stored = self.model.stored_as(field.ty.value);
        match (stored, target) {
            (ValueType::Enum(id), _) => {
                let values = self.model.enumeration(id).values.iter();
                let names: Vec<String> = values.map(|value| text(&value.name)).collect();
                checks.push(format!("{column} IN ({})", names.join(", ")));
            }
            (ValueType::Scalar(Scalar::Bool), Target::Sqlite) => {
                checks.push(format!("{column} IN (0, 1)"))
            }
            (ValueType::Scalar(Scalar::Uuid), Target::Sqlite) => {
                checks.push(format!("length({column}) = 16"))
            }
            (ValueType::Scalar(Scalar::U64), Target::Sqlite) => {
                checks.push(format!("length({column}) = 8"))
            }
            (ValueType::Scalar(Scalar::String), _) => {
                let function = if matches!(target, Target::Sqlite) {
                    "length"
                } else {
                    "char_length"
                };
                checks.extend(length_check(
                    &field.constraints,
                    &format!("{function}({column})"),
                ));
                if let (Some(pattern), Target::Postgres) = (&field.constraints.pattern, target) {
                    checks.push(format!("{column} ~ {}", text(&format!("^(?:{pattern})$"))));
                }
            }
            (ValueType::Scalar(Scalar::Bytes), _) => {
                let function = if matches!(target, Target::Sqlite) {
                    "length"
                } else {
                    "octet_length"
                };
                checks.extend(length_check(
                    &field.constraints,
                    &format!("{function}({column})"),
                ));
            }
            (ValueType::Scalar(_), _) => {
                checks.extend(number_check(stored, &field.constraints, column, target))
            }
            _ => {}
        }
        checks
    }
}

fn json_type(target: Target) -> &'static str {
    match target {
        Target::Sqlite => "TEXT",
        Target::Postgres => "JSONB",
    }
}

fn json_checks(constraints: &Constraints, column: &str, target: Target) -> Vec<String> {
    let function = match target {
        Target::Sqlite => "json_array_length",
        Target::Postgres => "jsonb_array_length",
    };
    length_check(constraints, &format!("{function}({column})"))
        .into_iter()
        .collect()
}

fn length_check(constraints: &Constraints, length: &str) -> Option<String> {
    let limit = constraints
        .length
        .filter(|limit| length_range(*limit).is_some())?;
    Some(match (limit.min, limit.max) {
        (0, Some(max)) => format!("{length} <= {max}"),
        (min, Some(max)) if min == max => format!("{length} = {max}"),
        (min, Some(max)) => format!("{length} BETWEEN {min} AND {max}"),
        (min, None) => format!("{length} >= {min}"),
    })
}

/// The limits of a number, also those of a type that the column's type is wider than.
fn number_check(
    stored: ValueType,
    constraints: &Constraints,
    column: &str,
    target: Target,
) -> Option<String> {
    let ValueType::Scalar(scalar) = stored else {
        return None;
    };
    let (mut min, mut max) = limits(stored, constraints);
    let wider = match (scalar, target) {
        (Scalar::U64, Target::Sqlite) => return None,
        (Scalar::U32 | Scalar::U64, _) | (Scalar::I32, Target::Sqlite) => scalar.integer_bounds(),
        _ => None,
    };
    if let Some((low, high)) = wider {
        min = min.or(Some(crate::model::Number::Int(low)));
        max = max.or(Some(crate::model::Number::Int(high)));
    }
    match (min, max) {
        (None, None) => None,
        (Some(min), None) => Some(format!("{column} >= {}", number(min))),
        (None, Some(max)) => Some(format!("{column} <= {}", number(max))),
        (Some(min), Some(max)) => Some(format!(
            "{column} BETWEEN {} AND {}",
            number(min),
            number(max)
        )),
    }
}

/// A name, quoted.
fn ident(name: &str) -> String {
    format!("\"{name}\"")
}

/// Documentation as SQL text; empty where there is none.
fn comment(docs: &str) -> String {
    let paragraph = docs::first_paragraph(docs);
    if paragraph.is_empty() {
        String::new()
    } else {
        text(&paragraph)
    }
}

/// Text, quoted.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Table {
    /// What the lock remembers of it.
    pub(super) fn facts(&self) -> impl Iterator<Item = String> {
        self.keys
            .iter()
            .chain(&self.columns)
            .map(|column| format!("{}.{} {}", self.name, column.name, column.fact))
    }
}
