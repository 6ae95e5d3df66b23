//! How transactions end, as server-sent events.
//!
//! The form is that of <https://html.spec.whatwg.org/multipage/server-sent-events.html>. An event has an id: who was cut
//! off says the last one that it has heard, and goes on behind it, as far as that is kept.

use super::Gate;
use super::problem::Problem;
use super::rest::{Answer, Edge, wrong_header, wrong_query};
use crate::codegen::{Class, Fault, Outcome};
use crate::driver::tail::{Event, From, Heard, Listener};
use crate::facts;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::stream;
use rkcy_core::id::ConcernId;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// A line that says nothing comes after so long without an event, so that neither end, nor what is in between, takes the
/// other for gone.
const PULSE: Duration = Duration::from_secs(15);
/// So long a browser waits before it comes back. Milliseconds.
const RETRY: u32 = 2_000;

/// What of it is wanted.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    from: Begin,
    /// Only what was decided at an instance of this concern.
    concern: Option<String>,
    /// Only this transaction.
    txn: Option<String>,
    /// Only what was not committed.
    #[serde(default)]
    errors: bool,
}

#[derive(Clone, Copy, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Begin {
    /// With what comes.
    #[default]
    Now,
    /// With what is kept.
    Start,
}

pub(super) async fn stream(
    State(gate): Edge,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    let Query(wanted) = wanted.map_err(wrong_query)?;
    let filter = Filter::new(&gate, &wanted)?;
    let from = match (last_heard(&headers)?, wanted.from) {
        (Some((born, number)), _) => From::Behind(born, number),
        (None, Begin::Start) => From::Start,
        (None, Begin::Now) => From::Now,
    };
    let place = gate.listeners.clone().try_acquire_owned().map_err(|_| {
        let message = format!("{} listen here: ask again", gate.limits.listeners);
        Problem::from(Fault::new(Class::Bound, "too_many_listeners", message))
    })?;
    let told = Told {
        listener: gate.tail.listen(from),
        stopping: gate.stopping.clone(),
        gate,
        filter,
        begun: false,
        over: false,
        _place: place,
    };
    let body = Body::from_stream(stream::unfold(told, async |mut told| {
        let text = told.next().await?;
        Some((Ok::<_, Infallible>(text), told))
    }));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// The last event that the caller has heard.
fn last_heard(headers: &HeaderMap) -> Result<Option<(u64, u64)>, Problem> {
    const NAME: &str = "last-event-id";
    let Some(value) = headers.get(NAME) else {
        return Ok(None);
    };
    let read = |text: &str| {
        let (born, number) = text.split_once('-')?;
        Some((born.parse().ok()?, number.parse().ok()?))
    };
    match value.to_str().ok().and_then(read) {
        None => Err(wrong_header(NAME, "no event of this stream has such an id")),
        place => Ok(place),
    }
}

/// Which events are told.
struct Filter {
    concern: Option<ConcernId>,
    kind: Option<u32>,
    errors: bool,
}

impl Filter {
    fn new(gate: &Gate, wanted: &Wanted) -> Result<Filter, Problem> {
        let unknown = |path: &str, name: &str| {
            let message = format!("{} has no `{name}`", gate.desc.name);
            Problem::from(Fault::new(Class::Invalid, "unknown_name", message).at(path.to_owned()))
        };
        let concern = wanted.concern.as_deref().map(|name| {
            let concern = gate.desc.concern(name);
            let concern = concern.ok_or_else(|| unknown("concern", name))?;
            Ok::<_, Problem>(concern.group)
        });
        let kind = wanted.txn.as_deref().map(|name| {
            let txn = gate.desc.transaction(name);
            Ok::<_, Problem>(txn.ok_or_else(|| unknown("txn", name))?.number)
        });
        Ok(Filter {
            concern: concern.transpose()?,
            kind: kind.transpose()?,
            errors: wanted.errors,
        })
    }

    fn takes(&self, event: &Event) -> bool {
        let finished = &event.told.finished;
        let is_error = !matches!(finished.outcome, Outcome::Committed(_));
        self.concern.is_none_or(|it| it == event.partition.concern)
            && self.kind.is_none_or(|it| it == finished.kind)
            && (is_error || !self.errors)
    }
}

/// One who is told.
struct Told {
    gate: Arc<Gate>,
    listener: Listener,
    stopping: watch::Receiver<bool>,
    filter: Filter,
    /// Something was told: so it is known that this is a stream.
    begun: bool,
    /// Why it is over was told.
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl Told {
    /// What is sent next; `None` where it is over.
    async fn next(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return Some(format!("retry: {RETRY}\n\n"));
        }
        loop {
            let heard = tokio::select! {
                heard = tokio::time::timeout(PULSE, self.listener.next()) => heard,
                _ = self.stopping.wait_for(|stops| *stops) => return None,
            };
            let text = match heard {
                Err(_) => return Some(":\n\n".to_owned()),
                Ok(Err(fault)) => {
                    // The caller comes back, and hears from whoever is there then.
                    let why = json!({ "error": facts::fault_json(&fault) });
                    self.over = true;
                    return (fault.code != "closed")
                        .then(|| format!("event: failed\ndata: {why}\n\n"));
                }
                Ok(Ok(Heard::Caught)) => return Some("event: caught_up\ndata: {}\n\n".to_owned()),
                Ok(Ok(Heard::Missed)) => return Some("event: missed\ndata: {}\n\n".to_owned()),
                Ok(Ok(Heard::Events(events))) => {
                    let events = events.iter().filter(|event| self.filter.takes(event));
                    events.map(|event| self.text(event)).collect::<String>()
                }
            };
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    fn text(&self, event: &Event) -> String {
        let (born, number) = self.listener.place(event);
        let data = facts::finished(self.gate.desc, event.partition, &event.told, true);
        format!("id: {born}-{number}\nevent: finished\ndata: {data}\n\n")
    }
}
