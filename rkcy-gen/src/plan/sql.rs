//! Owns tables: which columns an instance has, what they hold and are held against, and how the values get
//! there and back. How a database writes that is in `evolve`.

use super::check::limits;
use super::types::Imports;
use super::{Cx, docs};
use crate::evolve::{self, Check, ColumnType, Fill, Shape};
use crate::lock::Absent;
use crate::model::{Concern, Field, Literal, Message, Number, Scalar, Type, ValueType};
use crate::naming;

/// The table of a concern.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    /// The number of its concern.
    pub(super) number: u32,
    pub(super) doc: String,
    /// Type of the key in Rust.
    pub(super) key_type: String,
    /// The columns of the key: the primary key.
    pub(super) keys: Vec<Column>,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
    /// The lists that have tables of their own.
    pub(super) lists: Vec<List>,
    /// How it follows from other tables, where it is hidden.
    pub(super) derived: Option<evolve::Derived>,
    /// The fields of the instance, with the expression that reads each.
    pub(super) from_columns: Vec<(String, String)>,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// What it holds: a value of the runtime's `ColumnType`.
    pub(super) kind: String,
    /// The expression that gives its value.
    pub(super) to_sql: String,
    /// How the databases have it.
    pub(super) stored: evolve::Column,
}

impl Column {
    pub(super) fn new(stored: evolve::Column, to_sql: String) -> Self {
        Self {
            name: stored.name.clone(),
            kind: stored.ty.variant(),
            to_sql,
            stored,
        }
    }
}

/// A list in a table of its own.
#[derive(Debug, Clone)]
pub(super) struct List {
    /// Name of the table.
    pub(super) name: String,
    /// The field in Rust.
    pub(super) field: String,
    /// The same in the names of functions.
    pub(super) plain: String,
    /// `Concern.field` in the schema.
    pub(super) path: String,
    /// The type of an element in Rust.
    pub(super) element: String,
    /// The number of the field.
    number: u32,
    doc: String,
    /// The columns of the instance's key, and the place.
    pub(super) keys: Vec<evolve::Column>,
    /// The columns of an element.
    pub(super) columns: Vec<Column>,
    /// The fields of an element, with the expression that reads each.
    pub(super) from_columns: Vec<(String, String)>,
}

impl List {
    /// The columns of the instance's key.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &str> {
        let keys = self
            .keys
            .iter()
            .filter(|column| column.name != evolve::PLACE);
        keys.map(|column| column.name.as_str())
    }
}

/// An index over the columns of one field.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) over: Vec<String>,
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

impl Cx<'_> {
    pub(super) fn table(&self, concern: &Concern, imports: &mut Imports) -> Table {
        let (mut keys, mut columns, mut from_columns) = (Vec::new(), Vec::new(), Vec::new());
        for key in &concern.keys {
            let name = naming::snake(&key.name);
            let column = naming::sql(&key.name);
            let mut own = Vec::new();
            let nowhere = Held::There(String::new());
            let id = vec![self.lock.field(&concern.name, &key.name)];
            let read = self.leaves(key, (column.clone(), &id), nowhere, &mut own, imports);
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
            let held = Held::There(place);
            self.leaves(&of_key, (column, &id), held, &mut given, imports);
            for (mut column, given) in own.into_iter().zip(given) {
                column.to_sql = given.to_sql;
                column.stored.key = Some(keys.len() as u32 + 1);
                keys.push(column);
            }
        }
        let (mut indexes, mut lists) = (Vec::new(), Vec::new());
        for field in &concern.fields {
            let name = naming::snake(&field.name);
            if field.table {
                lists.extend(self.list(concern, field, &keys, imports));
                from_columns.push((name, format!("{}::new()", self.names.std.vec)));
                continue;
            }
            let first = columns.len();
            let read =
                self.field_columns((&concern.name, "instance"), field, &mut columns, imports);
            if field.index {
                let over = columns[first..].iter().map(|column| column.name.clone());
                indexes.push(Index {
                    name: naming::sql_index(&concern.name, &field.name),
                    over: over.collect(),
                });
            }
            from_columns.push((name, read));
        }
        Table {
            name: naming::sql(&concern.name),
            number: self.lock.rank(&concern.name),
            doc: docs::first_paragraph(&concern.docs),
            key_type: self.key_type(concern.id, imports),
            keys,
            columns,
            indexes,
            lists,
            derived: None,
            from_columns,
        }
    }

    /// The columns of a field of what has columns, and the expression that reads them.
    fn field_columns(
        &self,
        (owner, place): (&str, &str),
        field: &Field,
        columns: &mut Vec<Column>,
        imports: &mut Imports,
    ) -> String {
        let value = format!("{place}.{}", naming::snake(&field.name));
        let id = vec![self.lock.field(owner, &field.name)];
        if let Some(message) = self.flattened(field) {
            let field = (owner, field);
            return self.flat_columns(field, message, &id, &value, columns, imports);
        }
        let born = self.as_born(field, self.lock.absent(owner, &field.name));
        let column = (naming::sql(&field.name), id.as_slice());
        let read = self.leaves(&born, column, Held::There(value), columns, imports);
        if self.is_json(field.ty)
            && let Some(column) = columns.last_mut()
        {
            column.stored.fill = self.fill_json_rows(owner, field).map(Fill::Json);
        }
        read
    }

    /// A field whose default is that of rows which are older than it.
    fn as_born(&self, field: &Field, absent: Option<&Absent>) -> Field {
        let default = absent.and_then(|it| it.literal(self.model, self.lock, field.ty.value));
        Field {
            default: default.or_else(|| field.default.clone()),
            ..field.clone()
        }
    }

    /// The table of a list; `keys` are the columns of the key of its instances.
    fn list(
        &self,
        concern: &Concern,
        field: &Field,
        keys: &[Column],
        imports: &mut Imports,
    ) -> Option<List> {
        let ValueType::Message(id) = field.ty.value else {
            return None;
        };
        let message = self.model.message(id);
        let (mut columns, mut from_columns) = (Vec::new(), Vec::new());
        for inner in &message.fields {
            let owner = (message.name.as_str(), "element");
            let read = self.field_columns(owner, inner, &mut columns, imports);
            from_columns.push((naming::snake(&inner.name), read));
        }
        let most = field.constraints.length.and_then(|length| length.max);
        let keys = keys.iter().map(|column| evolve::Column {
            // What an element has is told by numbers alone.
            id: [&[0], column.stored.id.as_slice()].concat(),
            name: naming::sql_path(&concern.name, &column.name),
            comment: String::new(),
            ..column.stored.clone()
        });
        let mut keys: Vec<evolve::Column> = keys.collect();
        keys.push(evolve::Column::place(keys.len() as u32 + 1, most));
        imports.insert(naming::camel(&message.name));
        Some(List {
            name: naming::sql_path(&concern.name, &field.name),
            field: naming::snake(&field.name),
            plain: naming::plain_snake(&field.name),
            path: format!("{}.{}", concern.name, field.name),
            element: naming::camel(&message.name),
            number: self.lock.field(&concern.name, &field.name),
            doc: docs::first_paragraph(&field.docs),
            keys,
            columns,
            from_columns,
        })
    }

    /// The columns of a field, and the expression that reads them: one, unless it is a key of several
    /// parts, which has one for each. Its name, or what the names of all begin with, is given, and likewise
    /// what they are.
    fn leaves(
        &self,
        field: &Field,
        (name, id): (String, &[u32]),
        held: Held,
        columns: &mut Vec<Column>,
        imports: &mut Imports,
    ) -> String {
        if self.is_json(field.ty) {
            let to_sql = format!("codegen::sql_json(&{})?", held.place());
            let read = format!("columns.json({name:?})?");
            let stored = self.stored(field, name, id, held.may_be_absent());
            columns.push(Column::new(stored, to_sql));
            return read;
        }
        let Some((concern, parts)) = self.model.key_parts(field.ty.value) else {
            let to_sql = held.leaf(field.ty.is_optional());
            let read = format!("columns.take({name:?})?");
            let stored = self.stored(field, name, id, held.may_be_absent());
            columns.push(Column::new(stored, to_sql));
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
            let id = [id, &[self.lock.field(&concern.name, &part.name)]].concat();
            let part_read = self.leaves(&bare, (column, &id), inner, columns, imports);
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
        (owner, field): (&str, &Field),
        message: &Message,
        id: &[u32],
        value: &str,
        columns: &mut Vec<Column>,
        imports: &mut Imports,
    ) -> String {
        let optional = field.ty.is_optional();
        let presence = naming::sql_path(&field.name, "present");
        if optional {
            let to_sql = format!("codegen::sql(&{value}.is_some())");
            let stored = evolve::Column {
                id: [id, &[0]].concat(),
                name: presence.clone(),
                ty: ColumnType::Bool,
                optional: false,
                within: false,
                key: None,
                checks: Vec::new(),
                shape: None,
                fill: Some(Fill::Bool(false)),
                comment: String::new(),
            };
            columns.push(Column::new(stored, to_sql));
        }
        let held = match optional {
            true => Held::Maybe(format!("{value}.as_ref()"), "inner".to_owned()),
            false => Held::There(value.to_owned()),
        };
        let rust = naming::camel(&message.name);
        imports.insert(rust.clone());
        let first = columns.len();
        let mut read = format!("{rust} {{");
        let born = match self.lock.absent(owner, &field.name) {
            Some(Absent::Message(born)) => Some(born),
            _ => None,
        };
        for inner in &message.fields {
            let own = self.lock.absent(&message.name, &inner.name);
            let number = self.lock.field(&message.name, &inner.name);
            let inner = &self.as_born(inner, born.and_then(|it| it.get(&number)).or(own));
            let column = naming::sql_path(&field.name, &inner.name);
            let name = naming::snake(&inner.name);
            let id = [id, &[number]].concat();
            let held = held.field(&name);
            let inner_read = self.leaves(inner, (column, &id), held, columns, imports);
            // One that may be absent is not so in a message that was made of defaults.
            if inner.ty.is_optional()
                && born.is_some_and(|it| it.contains_key(&number))
                && let Some(column) = columns.last_mut()
            {
                column.stored.fill = self.fill(inner);
            }
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
        (!field.ty.is_collection() && message.is_flat()).then_some(message)
    }

    pub(super) fn is_json(&self, ty: Type) -> bool {
        ty.is_collection() || matches!(ty.value, ValueType::Message(_))
    }

    /// A field as the databases have it.
    fn stored(
        &self,
        field: &Field,
        name: String,
        id: &[u32],
        inside_optional: bool,
    ) -> evolve::Column {
        let optional = inside_optional || field.ty.is_optional();
        let is_json = self.is_json(field.ty);
        let ty = match is_json {
            true => ColumnType::Json,
            false => self.column_type(field.ty.value),
        };
        evolve::Column {
            id: id.to_vec(),
            name,
            ty,
            optional,
            within: inside_optional && !field.ty.is_optional(),
            key: None,
            checks: self.column_checks(field),
            shape: match is_json {
                true => Some(self.shape(field.ty)),
                false => Some(Shape::Scalar(ty)).filter(|_| ty == ColumnType::Json),
            },
            // What is absent in JSON is written there as well.
            fill: (self.fill(field)).filter(|_| !field.ty.is_optional() || is_json),
            comment: docs::first_paragraph(&field.docs),
        }
    }

    pub(super) fn column_type(&self, value: ValueType) -> ColumnType {
        let ValueType::Scalar(scalar) = self.model.stored_as(value) else {
            return ColumnType::Text;
        };
        match scalar {
            Scalar::Bool => ColumnType::Bool,
            Scalar::I32 => ColumnType::I32,
            Scalar::I64 => ColumnType::I64,
            Scalar::U32 => ColumnType::U32,
            Scalar::U64 => ColumnType::U64,
            Scalar::F32 => ColumnType::F32,
            Scalar::F64 => ColumnType::F64,
            Scalar::String => ColumnType::Text,
            Scalar::Bytes => ColumnType::Bytes,
            Scalar::Uuid => ColumnType::Uuid,
            Scalar::Timestamp => ColumnType::Timestamp,
            Scalar::Duration => ColumnType::Duration,
            Scalar::Decimal(digits) => ColumnType::Decimal(digits),
            Scalar::Json => ColumnType::Json,
        }
    }

    fn column_checks(&self, field: &Field) -> Vec<Check> {
        let mut checks = Vec::new();
        let constraints = &field.constraints;
        let stored = self.model.stored_as(field.ty.value);
        if let (ValueType::Enum(id), false) = (stored, field.ty.is_collection()) {
            let declared = self.model.enumeration(id);
            let number = |name: &str| self.lock.value(&declared.name, name);
            let values = declared.values.iter();
            let values = values.map(|value| (number(&value.name), value.name.clone()));
            let mut values: Vec<(u32, String)> = values.collect();
            values.sort();
            checks.push(Check::Values(values));
        }
        let (min, max) = limits(stored, constraints);
        if min.or(max).is_some() {
            checks.push(Check::Range(min, max));
        }
        if let Some(length) = constraints
            .length
            .filter(|it| it.min > 0 || it.max.is_some())
        {
            checks.push(Check::Length(length.min, length.max));
        }
        if let Some(pattern) = &constraints.pattern {
            checks.push(Check::Pattern(pattern.clone()));
        }
        checks
    }

    /// What rows hold in a field that they did not have.
    fn fill(&self, field: &Field) -> Option<Fill> {
        if self.is_json(field.ty) {
            return self.fill_json(field).map(Fill::Json);
        }
        match (&field.default, field.ty.value) {
            (Some(Literal::Bool(value)), _) => Some(Fill::Bool(*value)),
            (Some(Literal::Number(value)), _) => Some(Fill::Number(*value)),
            (Some(Literal::String(text)), _) => Some(Fill::Text(text.clone())),
            (Some(Literal::Enum(id, index)), _) => {
                let value = &self.model.enumeration(*id).values[*index as usize];
                Some(Fill::Text(value.name.clone()))
            }
            (Some(Literal::EmptyList), _) => None,
            // A key is never filled in, though it may be left out.
            (None, ValueType::Scalar(Scalar::Bool)) => Some(Fill::Bool(false)),
            (None, ValueType::Scalar(Scalar::Decimal(digits))) if field.omissible => {
                Some(Fill::Number(Number::Decimal(0, digits.scale)))
            }
            (None, ValueType::Scalar(scalar))
                if field.omissible && (scalar.is_number() || scalar == Scalar::Duration) =>
            {
                Some(Fill::Number(Number::Int(0)))
            }
            (None, _) => None,
        }
    }
}

impl Table {
    /// The table as the databases have it, and those of its lists.
    pub(super) fn stored(&self) -> Vec<evolve::Table> {
        let lists = self.lists.iter().map(|list| evolve::Table {
            number: self.number,
            list: Some(list.number),
            name: list.name.clone(),
            comment: list.doc.clone(),
            columns: (list.keys.iter())
                .chain(list.columns.iter().map(|column| &column.stored))
                .cloned()
                .collect(),
            indexes: Vec::new(),
            derived: None,
        });
        [self.own()].into_iter().chain(lists).collect()
    }

    fn own(&self) -> evolve::Table {
        let columns = self.keys.iter().chain(&self.columns);
        let index = |index: &Index| evolve::Index {
            name: index.name.clone(),
            columns: index.over.clone(),
        };
        evolve::Table {
            number: self.number,
            list: None,
            name: self.name.clone(),
            comment: self.doc.clone(),
            columns: columns.map(|column| column.stored.clone()).collect(),
            indexes: self.indexes.iter().map(index).collect(),
            derived: self.derived.clone(),
        }
    }
}
