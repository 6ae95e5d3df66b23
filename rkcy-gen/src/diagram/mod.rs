//! Owns the picture of a platform: its concerns with their groups and relations, its values, and each
//! transaction as the visits that it makes. It is drawn from the two stable documents alone, as any other
//! tool could.

mod document;
mod svg;

use std::collections::BTreeMap;

use document::{Concern, Field, Message, Model, Plan, Transaction, Value};
use svg::{Card, LINE, Place, Sheet, heading_height};

/// The sheet is about so wide. Pixels.
const WIDTH: u32 = 1_200;
const MARGIN: u32 = 24;
/// Between groups, and between visits: there is room for an arrow.
const GAP: u32 = 56;

/// The picture, as SVG.
///
/// # Errors
/// Where a document is not what `show model --format json` and `show plan --format json` print.
pub fn diagram(model: &str, plan: &str) -> serde_json::Result<String> {
    let model: Model = serde_json::from_str(model)?;
    let plan: Plan = serde_json::from_str(plan)?;
    let mut sheet = Sheet::default();
    let title = format!("platform {}", model.platform.name);
    sheet.text(MARGIN, MARGIN, "title", &title);
    concerns(&model, &mut sheet);
    values(&model, &mut sheet);
    for transaction in &plan.transactions {
        visits(transaction, &mut sheet);
    }
    Ok(sheet.finish(&title))
}

/// Where the next thing stands: side by side, until the sheet is full.
struct Flow {
    x: u32,
    y: u32,
    gap: u32,
    row: u32,
}

impl Flow {
    fn new(y: u32, gap: u32) -> Flow {
        Flow {
            x: MARGIN,
            y,
            gap,
            row: 0,
        }
    }

    fn place(&mut self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.x > MARGIN && self.x + width > WIDTH {
            self.x = MARGIN;
            self.y += self.row + self.gap;
            self.row = 0;
        }
        let at = (self.x, self.y);
        self.x += width + self.gap;
        self.row = self.row.max(height);
        at
    }
}

fn below(sheet: &Sheet) -> u32 {
    sheet.bottom() + MARGIN
}

/// Each group in a frame, the root on top; then an arrow for each field that names an instance.
fn concerns(model: &Model, sheet: &mut Sheet) {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for nth in 0..model.concerns.len() {
        groups.entry(model.root(nth)).or_default().push(nth);
    }
    let mut flow = Flow::new(below(sheet), GAP);
    let mut places: BTreeMap<usize, Place> = BTreeMap::new();
    for members in groups.values() {
        let cards: Vec<(usize, Card)> = members
            .iter()
            .filter_map(|nth| Some((*nth, concern(model, model.concerns.get(*nth)?))))
            .collect();
        let sizes = cards.iter().map(|(_, card)| card.size());
        let (width, height) = sizes.fold((0, 0), |(width, height), size| {
            (size.0.max(width), height + size.1 + MARGIN / 2)
        });
        let framed = cards.len() > 1;
        let (x, y) = flow.place((width + MARGIN, height + MARGIN / 2));
        if framed {
            let (width, height) = (width + MARGIN, height + MARGIN / 2);
            sheet.frame(Place {
                x,
                y,
                width,
                height,
            });
        }
        let mut top = y + MARGIN / 2;
        for (nth, card) in &cards {
            let place = sheet.card(x + MARGIN / 2, top, card);
            top = place.bottom() + MARGIN / 2;
            places.insert(*nth, place);
        }
    }
    for (nth, concern) in model.concerns.iter().enumerate() {
        for (field, line) in concern.keys.iter().chain(&concern.fields).zip(0..) {
            let (target, class) = match field.ty.value {
                Value::Ref(target) => (target, ""),
                Value::IdOf(target) => (target, "loose"),
                _ => continue,
            };
            // The heading names the concern that it is in.
            let to = places
                .get(&target)
                .filter(|_| concern.parent != Some(target));
            if let (Some(from), Some(to)) = (places.get(&nth), to) {
                relation(sheet, *from, Card::middle_of(line), *to, class);
            }
        }
    }
}

/// From a line of one card to the heading of another.
fn relation(sheet: &mut Sheet, from: Place, line: u32, to: Place, class: &str) {
    let (leaves, arrives) = (from.y + line, to.y + heading_height() / 2);
    let (start, end) = if to.x >= from.right() {
        ((from.right(), leaves, 1), (to.x, arrives, 1))
    } else if to.right() <= from.x {
        ((from.x, leaves, -1), (to.right(), arrives, -1))
    } else {
        ((from.right(), leaves, 1), (to.right(), arrives, -1))
    };
    sheet.arrow(start, end, class);
}

fn concern(model: &Model, concern: &Concern) -> Card {
    let heading = match concern.parent.and_then(|parent| model.concerns.get(parent)) {
        Some(parent) => format!("{} in {}", concern.name, parent.name),
        None => concern.name.clone(),
    };
    let mut card = Card::new(heading, "head");
    let line = |field: &Field| model.field_text(field);
    let keys = concern.keys.iter().map(|key| format!("key {}", line(key)));
    card.lines
        .extend(keys.chain(concern.fields.iter().map(line)));
    let commands = concern.commands.iter().map(|command| &command.name);
    let queries = concern.queries.iter().map(|query| &query.name);
    card.lines
        .extend(commands.map(|name| format!("command {name}()")));
    card.lines
        .extend(queries.map(|name| format!("query {name}()")));
    let lists = concern.lists.iter();
    card.lines.extend(lists.map(|list| concern.list_text(list)));
    let timers = concern.timers.iter();
    card.lines
        .extend(timers.map(|timer| model.timer_text(concern, timer)));
    card
}

/// Enums, messages, events and effects.
fn values(model: &Model, sheet: &mut Sheet) {
    let enums = model.enums.iter().map(|declared| {
        let mut card = Card::new(format!("enum {}", declared.name), "box");
        let names = declared.values.iter().map(|value| value.name.clone());
        card.lines.extend(names);
        card
    });
    let record = |word: &str, message: &Message| {
        let mut card = Card::new(format!("{word} {}", message.name), "box");
        let line = |field: &Field| model.field_text(field);
        card.lines.extend(message.fields.iter().map(line));
        card
    };
    let messages = model.messages.iter().map(|it| record("message", it));
    let events = model.events.iter().map(|it| record("event", it));
    let effects = model.effects.iter();
    let effects = effects.map(|it| Card::new(format!("effect {}()", it.name), "box"));
    let mut flow = Flow::new(below(sheet), MARGIN);
    for card in enums.chain(messages).chain(events).chain(effects) {
        let (x, y) = flow.place(card.size());
        sheet.card(x, y, &card);
    }
}

/// A transaction from left to right: a card for each visit, an arrow for each hop.
fn visits(transaction: &Transaction, sheet: &mut Sheet) {
    let Transaction {
        mode,
        name,
        count,
        records,
        legs,
        ..
    } = transaction;
    let most = if transaction.at_most { "at most " } else { "" };
    let y = below(sheet);
    sheet.text(MARGIN, y, "strong", &format!("{mode} {name}"));
    let costs = format!(
        "{most}{}, {}, {}",
        many(*count, "visit"),
        many(*records, "record"),
        many(*legs, "leg"),
    );
    sheet.text(MARGIN, y + LINE, "faint", &costs);
    let mut flow = Flow::new(y + 2 * LINE + MARGIN / 2, GAP);
    let mut before: Option<Place> = None;
    for visit in &transaction.visits {
        let times = match visit.times {
            1 => String::new(),
            times => format!(", up to {times} times"),
        };
        let locked = match visit.locked_hops {
            0 => String::new(),
            hops => format!(", locked for {}", many(hops, "hop")),
        };
        let class = if visit.locked_hops > 0 {
            "lock"
        } else {
            "head"
        };
        let mut card = Card::new(visit.instance.clone(), class);
        card.lines.push(format!("{}{times}{locked}", visit.access));
        for step in &visit.steps {
            let undo = step.undo.as_ref();
            let undo = undo.map_or(String::new(), |undo| format!(" (undone by {undo})"));
            card.lines.push(format!("{}{undo}", step.text));
        }
        let (x, y) = flow.place(card.size());
        let place = sheet.card(x, y, &card);
        if let Some(before) = before {
            relation(sheet, before, heading_height() / 2, place, "");
        }
        before = Some(place);
    }
}

fn many(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}
