//! Random edits of a schema. What was edited is known by number, so that the text of a schema can say what
//! each thing was called in any earlier one.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// Something with a name that changes.
#[derive(Clone)]
struct Named<T> {
    id: u32,
    name: String,
    it: T,
}

#[derive(Clone, PartialEq)]
enum Ty {
    /// An integer or a float, as an index into `NUMBERS`.
    Number(usize),
    Bool,
    Json,
    /// So many digits before the point, so many behind it.
    Decimal(u32, u32),
    /// With a longest length.
    Text(u32),
    Uuid,
    Timestamp,
    Enum(u32),
    Message(u32),
    Ref(u32),
    IdOf(u32),
}

const NUMBERS: [&str; 6] = ["i32", "u32", "i64", "u64", "f32", "f64"];

#[derive(Clone)]
struct Field {
    ty: Ty,
    optional: bool,
    /// A list or a map.
    list: bool,
    map: bool,
    table: bool,
    unique: bool,
    index: bool,
    docs: Option<u32>,
}

type Fields = Vec<Named<Field>>;

/// A schema.
#[derive(Clone)]
pub(crate) struct World {
    /// What the next edit is drawn from.
    pub(crate) seed: u64,
    next: u32,
    enums: Vec<Named<Vec<Named<()>>>>,
    messages: Vec<Named<Fields>>,
    concerns: Vec<Named<Fields>>,
}

fn plain(ty: Ty) -> Field {
    Field {
        ty,
        optional: false,
        list: false,
        map: false,
        table: false,
        unique: false,
        index: false,
        docs: None,
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut world = World {
            seed,
            next: 0,
            enums: Vec::new(),
            messages: Vec::new(),
            concerns: Vec::new(),
        };
        let values = (0..2).map(|_| world.named("v", ())).collect();
        let kind = world.named("E", values);
        let kind_id = kind.id;
        world.enums.push(kind);
        let fields = [Ty::Number(2), Ty::Enum(kind_id), Ty::Text(20)];
        let fields = fields.map(|ty| world.named("m", plain(ty))).to_vec();
        let message = world.named("M", fields);
        let message_id = message.id;
        world.messages.push(message);
        for _ in 0..2 {
            let fields = [
                plain(Ty::Number(2)),
                plain(Ty::Number(0)),
                plain(Ty::Text(20)),
                plain(Ty::Enum(kind_id)),
                plain(Ty::Message(message_id)),
                Field {
                    list: true,
                    ..plain(Ty::Message(message_id))
                },
                Field {
                    optional: true,
                    ..plain(Ty::Message(message_id))
                },
                Field {
                    optional: true,
                    ..plain(Ty::Number(3))
                },
                plain(Ty::Uuid),
                plain(Ty::Timestamp),
                plain(Ty::Decimal(3, 2)),
            ];
            let fields = fields.map(|it| world.named("f", it)).to_vec();
            let concern = world.named("C", fields);
            world.concerns.push(concern);
        }
        world
    }

    fn named<T>(&mut self, prefix: &str, it: T) -> Named<T> {
        self.next += 1;
        Named {
            id: self.next,
            name: format!("{prefix}{}", self.next),
            it,
        }
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.named(prefix, ()).name
    }

    /// One edit. Whether it tells what is written where nothing was said: then two ways give two values.
    pub(crate) fn edit(&mut self) -> bool {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let concern = rng.random_range(0..self.concerns.len());
        let count = self.concerns[concern].it.len();
        let field = rng.random_range(0..count.max(1));
        match rng.random_range(0..24) {
            0..=3 => {
                let new = self.new_field(&mut rng);
                let at = rng.random_range(0..=count);
                self.concerns[concern].it.insert(at, new);
            }
            4 if count > 1 => drop(self.concerns[concern].it.remove(field)),
            5 | 6 if count > 0 => {
                let name = self.fresh("f");
                self.concerns[concern].it[field].name = name;
            }
            7 if count > 1 => {
                let other = rng.random_range(0..count);
                let fields = &mut self.concerns[concern].it;
                let (one, two) = (fields[field].name.clone(), fields[other].name.clone());
                fields[field].name = two;
                fields[other].name = one;
            }
            8 | 9 if count > 0 => self.change_type(concern, field),
            10 if count > 0 => {
                let it = &mut self.concerns[concern].it[field].it;
                // A document that is not there has nothing to be filled with.
                if !it.list && !it.unique && it.ty != Ty::Json {
                    it.optional = !it.optional;
                    return true;
                }
            }
            11 if count > 0 => {
                let it = &mut self.concerns[concern].it[field].it;
                let fits = !matches!(it.ty, Ty::Message(_) | Ty::Json) && !it.list;
                it.index = fits && !it.index;
            }
            12 if count > 0 => {
                // The first field is a number that differs from row to row, or a new one.
                let it = &mut self.concerns[concern].it[field].it;
                it.unique = (it.ty == Ty::Uuid && !it.list && !it.optional) && !it.unique;
            }
            13 | 14 => {
                let name = self.fresh("v");
                let which = rng.random_range(0..self.enums.len());
                let value = rng.random_range(0..self.enums[which].it.len());
                if rng.random_bool(0.5) {
                    self.enums[which].it[value].name = name;
                } else {
                    let new = self.named("v", ());
                    self.enums[which].it.push(new);
                }
            }
            15..=17 => return self.edit_message(&mut rng),
            18 => {
                let name = self.fresh("C");
                self.concerns[concern].name = name;
            }
            19 => {
                let field = self.new_field(&mut rng);
                let new = self.named("C", vec![field]);
                self.concerns.push(new);
            }
            20 if self.concerns.len() > 2 => {
                let id = self.concerns[concern].id;
                let refers =
                    |it: &Named<Field>| matches!(it.it.ty, Ty::Ref(to) | Ty::IdOf(to) if to == id);
                if !self.concerns.iter().any(|it| it.it.iter().any(refers)) {
                    self.concerns.remove(concern);
                }
            }
            22 | 23 => {
                let fields = self.concerns[concern].it.iter_mut();
                let is_it = |it: &&mut Named<Field>| {
                    it.it.list && !it.it.map && matches!(it.it.ty, Ty::Message(_))
                };
                if let Some(it) = fields.filter(is_it).nth(field % 2) {
                    it.it.table = !it.it.table;
                }
            }
            21 if count > 0 => self.concerns[concern].it[field].it.docs = Some(self.next),
            _ => {}
        }
        false
    }

    /// An edit of a message, likewise.
    fn edit_message(&mut self, rng: &mut ChaCha8Rng) -> bool {
        let which = rng.random_range(0..self.messages.len());
        let count = self.messages[which].it.len();
        let member = rng.random_range(0..count);
        match rng.random_range(0..6) {
            0 => {
                let name = self.fresh("m");
                self.messages[which].it[member].name = name;
            }
            1 => {
                let ty = [
                    Ty::Number(2),
                    Ty::Bool,
                    Ty::Text(9),
                    Ty::Decimal(1, 3),
                    Ty::Json,
                ];
                let ty = ty[rng.random_range(0..5)].clone();
                let optional = matches!(ty, Ty::Text(_) | Ty::Json);
                let new = self.named(
                    "m",
                    Field {
                        optional,
                        ..plain(ty)
                    },
                );
                self.messages[which].it.push(new);
            }
            // A list in it: it has no columns of its own any more.
            2 => {
                let new = self.named(
                    "m",
                    Field {
                        list: true,
                        ..plain(Ty::Text(9))
                    },
                );
                self.messages[which].it.push(new);
            }
            3 if count > 2 => drop(self.messages[which].it.remove(member)),
            4 => {
                let name = self.fresh("M");
                self.messages[which].name = name;
            }
            5 => {
                let it = &mut self.messages[which].it[member].it;
                if !it.list && matches!(it.ty, Ty::Text(_) | Ty::Number(_)) {
                    it.optional = !it.optional;
                    return true;
                }
            }
            _ => {}
        }
        false
    }

    fn change_type(&mut self, concern: usize, field: usize) {
        let id = self.concerns[concern].id;
        let it = &mut self.concerns[concern].it[field].it;
        it.ty = match &it.ty {
            Ty::Number(0 | 1) if !it.list => Ty::Number(2),
            Ty::Number(4) if !it.list => Ty::Number(5),
            Ty::Text(most) => Ty::Text(most + 7),
            Ty::Decimal(whole, scale) if !it.list && whole + scale < 30 => {
                Ty::Decimal(whole + field as u32 % 3, scale + self.next % 3)
            }
            Ty::IdOf(to) if *to != id && it.optional => Ty::Ref(*to),
            Ty::Ref(to) => Ty::IdOf(*to),
            other => other.clone(),
        };
    }

    fn new_field(&mut self, rng: &mut ChaCha8Rng) -> Named<Field> {
        let target = self.concerns[rng.random_range(0..self.concerns.len())].id;
        let message = self.messages[rng.random_range(0..self.messages.len())].id;
        let field = match rng.random_range(0..17) {
            0..=2 => plain(Ty::Number(rng.random_range(0..NUMBERS.len()))),
            3 => plain(Ty::Bool),
            13 => Field {
                optional: true,
                ..plain(Ty::Json)
            },
            14 => Field {
                list: true,
                ..plain(Ty::Json)
            },
            15 => Field {
                list: true,
                map: true,
                ..plain(Ty::Message(message))
            },
            16 => Field {
                list: true,
                map: true,
                ..plain(Ty::Text(12))
            },
            10 => plain(Ty::Decimal(2 + self.next % 3, self.next % 4)),
            11 => Field {
                optional: true,
                ..plain(Ty::Decimal(38, 0))
            },
            12 => Field {
                list: true,
                ..plain(Ty::Decimal(2, 4))
            },
            4 => Field {
                optional: true,
                ..plain(Ty::Text(12))
            },
            5 => Field {
                list: true,
                ..plain(Ty::Text(12))
            },
            6 => Field {
                optional: true,
                ..plain(Ty::Message(message))
            },
            7 => Field {
                list: true,
                table: rng.random_bool(0.5),
                ..plain(Ty::Message(message))
            },
            8 => Field {
                optional: true,
                ..plain(Ty::Ref(target))
            },
            _ => Field {
                optional: true,
                ..plain(Ty::IdOf(target))
            },
        };
        self.named("f", field)
    }

    /// The schema as text; what was called otherwise in `before` says so.
    pub(crate) fn print(&self, before: Option<&World>) -> String {
        let mut text = "platform test { crate \"out\" }\n".to_owned();
        for declared in &self.enums {
            let old = before.and_then(|it| it.enums.iter().find(|it| it.id == declared.id));
            let values = declared.it.iter().map(|value| {
                let was = old.and_then(|it| it.it.iter().find(|it| it.id == value.id));
                format!(
                    "{}{}",
                    value.name,
                    was_named(&value.name, was.map(|it| &it.name))
                )
            });
            let was = was_named(&declared.name, old.map(|it| &it.name));
            let values: Vec<String> = values.collect();
            text.push_str(&format!(
                "enum {}{was} {{ {} }}\n",
                declared.name,
                values.join("  ")
            ));
        }
        for (word, all, old) in [
            ("message", &self.messages, before.map(|it| &it.messages)),
            ("concern", &self.concerns, before.map(|it| &it.concerns)),
        ] {
            for declared in all {
                let old = old.and_then(|it| it.iter().find(|it| it.id == declared.id));
                let was = was_named(&declared.name, old.map(|it| &it.name));
                text.push_str(&format!("{word} {}{was} {{\n", declared.name));
                if word == "concern" {
                    text.push_str("    key id: uuid\n");
                }
                for field in &declared.it {
                    let was = old.and_then(|it| it.it.iter().find(|it| it.id == field.id));
                    let was = was_named(&field.name, was.map(|it| &it.name));
                    text.push_str(&self.print_field(field, &was));
                }
                text.push_str("}\n");
            }
        }
        text
    }

    fn print_field(&self, field: &Named<Field>, was: &str) -> String {
        let name_of = |id: u32| {
            let concerns = self.concerns.iter().map(|it| (it.id, &it.name));
            let messages = self.messages.iter().map(|it| (it.id, &it.name));
            let enums = self.enums.iter().map(|it| (it.id, &it.name));
            let mut all = concerns.chain(messages).chain(enums);
            all.find(|it| it.0 == id).unwrap().1.clone()
        };
        let it = &field.it;
        let ty = match &it.ty {
            Ty::Number(which) => NUMBERS[*which].to_owned(),
            Ty::Bool => "bool".to_owned(),
            Ty::Json => "json".to_owned(),
            Ty::Decimal(whole, scale) => format!("decimal({}, {scale})", whole + scale),
            Ty::Text(_) => "string".to_owned(),
            Ty::Uuid => "uuid".to_owned(),
            Ty::Timestamp => "timestamp".to_owned(),
            Ty::Enum(id) | Ty::Message(id) => name_of(*id),
            Ty::Ref(id) => format!("ref {}", name_of(*id)),
            Ty::IdOf(id) => format!("id of {}", name_of(*id)),
        };
        let ty = match (it.list, it.optional) {
            (true, _) if it.map => format!("map<string, {ty}>"),
            (true, _) => format!("[{ty}]"),
            (false, true) => format!("{ty}?"),
            (false, false) => ty,
        };
        let mut text = format!("    {}: {ty}", field.name);
        if let (Ty::Text(most), false) = (&it.ty, it.list) {
            text.push_str(&format!(" @length(..={most})"));
        }
        for (word, is_there) in [
            ("unique", it.unique),
            ("index", it.index),
            ("table", it.table),
        ] {
            if is_there {
                text.push_str(&format!(" @{word}"));
            }
        }
        text.push_str(was);
        // What became required has something to be filled with.
        if !it.list && !it.optional {
            match &it.ty {
                Ty::Text(_) => text.push_str(" = \"none\""),
                Ty::Enum(id) => {
                    let declared = self.enums.iter().find(|it| it.id == *id).unwrap();
                    text.push_str(&format!(" = {}", declared.it[0].name));
                }
                _ => {}
            }
        }
        let docs = it
            .docs
            .map(|number| format!("    /// It's number {number}.\n"));
        format!("{}{text}\n", docs.unwrap_or_default())
    }
}

fn was_named(name: &str, was: Option<&String>) -> String {
    match was {
        Some(old) if old != name => format!(" @was({old})"),
        _ => String::new(),
    }
}
