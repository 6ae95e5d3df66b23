//! What a record shows to those who look at a topic with other tools.
//!
//! Owns the headers and the key of a record. Nothing of the platform reads them: what counts stands in the
//! frame, under its checksum. By the keys of the config topic Kafka compacts it.

use super::super::{StreamId, StreamKind};
use bytes::Bytes;
use rdkafka::message::{Header, OwnedHeaders};
use rkcy_core::config::Edit;
use rkcy_core::frame::{Frame, Kind};
use rkcy_core::id::TxnId;
use rkcy_core::wire::Wire;
use std::fmt::Write;

/// So many transactions are named; how many more there are is said.
const TXNS: usize = 4;

/// Headers and key, for one record.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) headers: Option<OwnedHeaders>,
    /// Key of the root instance, where the record is about a single one; in the config topic, its object.
    pub(super) key: Option<Bytes>,
}

/// What can be shown of a record of a stream.
pub(super) fn of(stream: StreamId, payload: &Bytes) -> Shown {
    // Change records tell nothing without the schema, answers nobody looks at, and the platform's own record
    // is text.
    if stream.kind != StreamKind::Commands || stream == StreamId::PLATFORM {
        return Shown::default();
    }
    if stream == StreamId::CONFIG {
        return Shown {
            headers: None,
            key: Edit::of_frame(payload.clone()).map(|edit| edit.object.to_wire().into()),
        };
    }
    let Ok(frame) = Frame::decode(payload.clone()) else {
        return Shown::default();
    };
    let headers = OwnedHeaders::new_with_capacity(3);
    let add = |headers: OwnedHeaders, key, value: &str| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    };
    let mut headers = add(headers, "kind", &kinds(&frame));
    if let Some(source) = frame.source {
        let last = source.first + frame.envelopes.len() as u64 - 1;
        let from = format!("{} {}..{last}", source.partition, source.first);
        headers = add(headers, "from", &from);
    }
    let txns = txns(&frame);
    if !txns.is_empty() {
        headers = add(headers, "txn", &txns);
    }
    let key = match frame.envelopes.as_slice() {
        [one] => (one.head.rows.iter())
            .find(|row| row.concern == stream.partition.concern)
            .map(|row| Bytes::copy_from_slice(row.key.as_bytes())),
        _ => None,
    };
    Shown {
        headers: Some(headers),
        key,
    }
}

/// Kinds of envelopes, each with how many there are beside each other.
fn kinds(frame: &Frame) -> String {
    let mut shown = String::new();
    let mut at = 0;
    while let Some(first) = frame.envelopes.get(at) {
        let kind = first.head.kind;
        let same = (frame.envelopes[at..].iter())
            .take_while(|envelope| envelope.head.kind == kind)
            .count();
        if !shown.is_empty() {
            shown.push(',');
        }
        shown.push_str(name(kind));
        if same > 1 {
            // Writing to a string cannot fail.
            let _ = write!(shown, "*{same}");
        }
        at += same;
    }
    shown
}

fn txns(frame: &Frame) -> String {
    let mut ids: Vec<TxnId> = Vec::new();
    let mut more = 0;
    for envelope in &frame.envelopes {
        let id = envelope.head.txn;
        if id == TxnId([0; 16]) || ids.contains(&id) {
            continue;
        }
        if ids.len() < TXNS {
            ids.push(id);
        } else {
            more += 1;
        }
    }
    let mut shown = ids
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    if more > 0 {
        let _ = write!(shown, ",+{more}");
    }
    shown
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Submit => "submit",
        Kind::Visit => "visit",
        Kind::Release => "release",
        Kind::Outcome => "outcome",
        Kind::Open => "open",
        Kind::Seal => "seal",
        Kind::Tick => "tick",
        Kind::Cancel => "cancel",
        Kind::Resume => "resume",
        Kind::Ask => "ask",
        Kind::Finished => "finished",
        Kind::Trying => "trying",
        Kind::Park => "park",
        Kind::GiveBack => "give_back",
        Kind::GivenBack => "given_back",
        Kind::Config => "config",
        Kind::Edit => "edit",
        Kind::Related => "related",
        Kind::Drain => "drain",
    }
}
