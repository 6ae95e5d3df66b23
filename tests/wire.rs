//! What `breaking` lets pass is compatible on the wire: messages that one version of a schema writes are read by the other,
//! in both directions, with the same values in all fields that both have; of a number that became wider, those values that
//! fit the narrower type, as docs/evolution.md says. By descriptors made of the `.proto` files, not by generated code, so
//! that any two versions can be compared.

// Tests read files, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "migrations/edits.rs"]
mod edits;

use edits::World;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rkcy_gen::breaking::{self, breaking};
use rkcy_gen::check::check;
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::plan;
use rkcy_gen::syntax::{Sources, load};
use std::collections::BTreeMap;

/// Messages of one type that are written and read, in each direction.
const TIMES: usize = 20;
/// Messages within messages that are filled.
const DEPTH: usize = 3;

struct Version {
    model: Model,
    lock: Lock,
}

impl Version {
    /// `None` where the text is not sound.
    fn new(text: &str, before: &Lock) -> Option<Version> {
        let mut sources = Sources::new();
        let entry = sources.add("test.rkcy", text.as_bytes().to_vec());
        let nothing = &mut |_: &_| Err("no imports".to_owned());
        let model = check(load(&mut sources, entry, nothing)).model?;
        let lock = before.assign(&model).ok()?;
        Some(Version { model, lock })
    }

    fn breaks(&self, new: &Version) -> bool {
        !breaking(self.as_compared(), new.as_compared()).is_empty()
    }

    fn as_compared(&self) -> breaking::Version<'_> {
        let Version { model, lock } = self;
        breaking::Version { model, lock }
    }

    fn messages(&self) -> DescriptorPool {
        let plan = plan(&self.model, &self.lock, "test.rkcy");
        let mut files = plan.generated.iter();
        let file = files.find(|file| file.path == plan.proto.path).unwrap();
        let text = file.print().unwrap();
        let file = protox::file::File::from_source("test.proto", &text).unwrap();
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_proto(file.file_descriptor_proto().clone())
            .unwrap();
        pool
    }
}

/// Random values in most fields, which fit what the reader has.
fn filled(
    message: MessageDescriptor,
    reader: Option<&MessageDescriptor>,
    rng: &mut ChaCha8Rng,
    depth: usize,
) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    for field in message.fields() {
        if rng.random_bool(0.2) {
            continue;
        }
        let other = reader.and_then(|reader| reader.get_field(field.number()));
        let other = other.map(|other| element(&other).kind());
        let inner = element(&field);
        let mut one = || value(&inner, other.clone(), rng, depth);
        let value = if field.is_list() {
            Some(Value::List((0..2).filter_map(|_| one()).collect()))
        } else if field.is_map() {
            let named = |nth: usize| Some((MapKey::String(format!("n{nth}")), one()?));
            Some(Value::Map((0..2).filter_map(named).collect()))
        } else {
            one()
        };
        if let Some(value) = value {
            made.set_field(&field, value);
        }
    }
    made
}

/// The field that holds one value: of a map, that of its entries.
fn element(field: &FieldDescriptor) -> FieldDescriptor {
    let entry = field.is_map().then(|| field.kind());
    let entry = entry.as_ref().and_then(Kind::as_message);
    entry.map_or_else(|| field.clone(), MessageDescriptor::map_entry_value_field)
}

/// The values of a list, or of a map in the order of their names.
fn elements(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::List(values) => Some(values.iter().collect()),
        Value::Map(values) => {
            let sorted: BTreeMap<&MapKey, &Value> = values.iter().collect();
            Some(sorted.into_values().collect())
        }
        _ => None,
    }
}

/// `None` where it would be a message too deep.
fn value(
    field: &FieldDescriptor,
    reader: Option<Kind>,
    rng: &mut ChaCha8Rng,
    depth: usize,
) -> Option<Value> {
    let narrow = matches!(reader, Some(Kind::Int32 | Kind::Uint32));
    Some(match field.kind() {
        Kind::Double => Value::F64(rng.random()),
        Kind::Float => Value::F32(rng.random()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(rng.random()),
        Kind::Int64 if narrow => Value::I64(rng.random::<i32>().into()),
        Kind::Uint64 if narrow => Value::U64(rng.random::<u32>().into()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(rng.random()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(rng.random()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(rng.random()),
        Kind::Bool => Value::Bool(rng.random()),
        Kind::String => Value::String(format!("s{}", rng.random_range(0..1000))),
        Kind::Bytes => Value::Bytes(rng.random::<[u8; 16]>().to_vec().into()),
        Kind::Enum(of) => {
            let nth = rng.random_range(0..of.values().len());
            Value::EnumNumber(of.values().nth(nth).unwrap().number())
        }
        Kind::Message(_) if depth == DEPTH => return None,
        Kind::Message(of) => {
            let other = reader.as_ref().and_then(Kind::as_message);
            Value::Message(filled(of, other, rng, depth + 1))
        }
    })
}

/// What a value is, whatever the width of its type.
fn plain(value: &Value) -> String {
    match value {
        Value::List(values) => format!("{:?}", values.iter().map(plain).collect::<Vec<_>>()),
        Value::I32(it) | Value::EnumNumber(it) => it.to_string(),
        Value::I64(it) => it.to_string(),
        Value::U32(it) => it.to_string(),
        Value::U64(it) => it.to_string(),
        other => format!("{other:?}"),
    }
}

/// Compares the fields that both know.
fn same(written: &DynamicMessage, read: &DynamicMessage, what: &str) {
    for field in written.descriptor().fields() {
        let Some(other) = read.descriptor().get_field(field.number()) else {
            continue;
        };
        let (one, two) = (written.get_field(&field), read.get_field(&other));
        let what = format!("{what}.{}", field.name());
        match (one.as_message(), two.as_message()) {
            (Some(one), Some(two)) => same(one, two, &what),
            _ => match (elements(&one), elements(&two)) {
                (Some(one), Some(two)) => {
                    assert_eq!(one.len(), two.len(), "{what}");
                    for (one, two) in one.into_iter().zip(two) {
                        match (one.as_message(), two.as_message()) {
                            (Some(one), Some(two)) => same(one, two, &what),
                            _ => assert_eq!(plain(one), plain(two), "{what}"),
                        }
                    }
                }
                _ => assert_eq!(plain(&one), plain(&two), "{what}"),
            },
        }
    }
}

/// How many types of messages were compared.
fn compare(writer: &DescriptorPool, reader: &DescriptorPool, seed: u64, what: &str) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut types = 0;
    for message in writer.all_messages().filter(|it| !it.is_map_entry()) {
        let Some(other) = reader.get_message_by_name(message.full_name()) else {
            continue;
        };
        types += 1;
        for _ in 0..TIMES {
            let written = filled(message.clone(), Some(&other), &mut rng, 0);
            let read = DynamicMessage::decode(other.clone(), written.encode_to_vec().as_slice());
            let name = format!("{what}: {}", message.full_name());
            let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
            same(&written, &read, &name);
        }
    }
    types
}

fn hold(old: &Version, new: &Version, seed: u64, what: &str) -> usize {
    let (one, other) = (old.messages(), new.messages());
    compare(&one, &other, seed, &format!("{what}, old to new"))
        + compare(&other, &one, seed, &format!("{what}, new to old"))
}

#[test]
fn what_breaks_nothing_is_read_by_the_other_version() {
    let (mut compatible, mut broken, mut types) = (0, 0, 0);
    for seed in 0..400 {
        let mut world = World::new(seed);
        let Some(mut old) = Version::new(&world.print(None), &Lock::default()) else {
            continue;
        };
        for step in 0..3 {
            let before = world.clone();
            world.edit();
            let text = world.print(Some(&before));
            let Some(new) = Version::new(&text, &old.lock) else {
                break;
            };
            if old.breaks(&new) {
                broken += 1;
            } else {
                compatible += 1;
                types += hold(
                    &old,
                    &new,
                    seed,
                    &format!("seed {seed}, step {step}\n{text}"),
                );
            }
            old = new;
        }
    }
    println!("{compatible} compatible changes with {types} types compared, {broken} that break");
    assert!(compatible > 100 && broken > 100, "{compatible}, {broken}");
}

#[test]
fn versions_of_a_schema_that_break_nothing_read_each_other() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/history");
    let mut old: Option<Version> = None;
    let mut compatible = 0;
    for number in 1..=10 {
        let text = std::fs::read_to_string(folder.join(format!("{number:02}.rkcy"))).unwrap();
        let empty = Lock::default();
        let new = Version::new(&text, old.as_ref().map_or(&empty, |it| &it.lock)).unwrap();
        if let Some(old) = old.filter(|old| !old.breaks(&new)) {
            compatible += 1;
            assert!(hold(&old, &new, number, &format!("version {number}")) > 0);
        }
        old = Some(new);
    }
    assert!(compatible > 0);
}

#[test]
fn a_change_that_breaks_is_seen_here_too() {
    let old = "platform t { crate \"out\" }\nconcern C { key id: uuid  f: string }";
    let new =
        "platform t { crate \"out\" }\nconcern C { key id: uuid  f: i64 @allow(RKCY0300, \"no\") }";
    let old = Version::new(old, &Lock::default()).unwrap();
    let new = Version::new(new, &old.lock).unwrap();
    assert!(old.breaks(&new));
    assert!(std::panic::catch_unwind(|| hold(&old, &new, 1, "")).is_err());
}
