//! `platform drain`: nothing new begins, what is in flight ends, and the database has all of it.
//!
//! Owns the waiting, and what is shown meanwhile. On a log that several processes share this one submits the wish as
//! any caller; an embedded log is reached through the edge of the process that has it, or opened here.

use super::remote::Remote;
use super::session::{Session, runtime};
use super::term::{Format, Ink};
use crate::driver::Client;
use crate::facts;
use crate::store::Store;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, PartitionId, Position};
use serde_json::Value as Json;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Let nothing new begin, and wait until nothing is in flight: then any build may start on what is there
#[derive(Debug, clap::Args)]
pub(crate) struct Drain {
    /// Take submissions again
    #[arg(long)]
    resume: bool,
    /// Give up waiting after so many seconds; what is new is not taken until --resume nevertheless
    #[arg(long, value_name = "SECONDS", conflicts_with = "resume")]
    limit: Option<u64>,
}

/// Who asks the partitions.
enum Through<'a> {
    Client(&'a Client),
    Edge(&'a Remote),
}

impl Through<'_> {
    async fn drain(&self, session: &Session, begin: bool) -> Result<Json, Fault> {
        match self {
            Through::Client(client) => {
                let told = client.drain(begin).await?;
                Ok(facts::drained(session.platform.desc, &told))
            }
            Through::Edge(remote) => {
                let method = if begin { "POST" } else { "DELETE" };
                remote.ask(method, "/v1/drain", &[], None)?.into_result()
            }
        }
    }

    async fn drained(&self, session: &Session) -> Result<Json, Fault> {
        match self {
            Through::Client(client) => {
                let told = client.drained().await?;
                Ok(facts::drained(session.platform.desc, &told))
            }
            Through::Edge(remote) => remote.get("/v1/drain"),
        }
    }
}

impl Drain {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let runtime = runtime()?;
        if let Some(remote) = session.remote()? {
            return runtime.block_on(self.act(session, &Through::Edge(&remote)));
        }
        let running = session.start()?;
        let client = running.client();
        let through = Through::Client(&client);
        let done = runtime.block_on(async {
            tokio::select! {
                fault = running.failed() => Err(fault),
                done = self.act(session, &through) => done,
            }
        });
        drop(client);
        // Where it failed by itself, that is what is said.
        let stopped = running.stop();
        done.and_then(|code| stopped.map(|()| code))
    }

    async fn act(&self, session: &Session, through: &Through<'_>) -> Result<ExitCode, Fault> {
        let term = session.term;
        if self.resume {
            through.drain(session, false).await?;
            match term.format {
                Format::Json => term.print_json(&serde_json::json!({ "draining": false })),
                Format::Human => term.print("submissions are taken again"),
            }
            return Ok(ExitCode::SUCCESS);
        }
        let until = (self.limit).map(|limit| Instant::now() + Duration::from_secs(limit));
        match until {
            None => self.wait(session, through).await,
            Some(until) => {
                let waited = tokio::time::timeout_at(until, self.wait(session, through)).await;
                waited.unwrap_or_else(|_| Err(still_in_flight(self.limit.unwrap_or_default())))
            }
        }
    }

    /// Begins the drain, and comes back when all of it is over and in the database.
    async fn wait(&self, session: &Session, through: &Through<'_>) -> Result<ExitCode, Fault> {
        let term = session.term;
        through.drain(session, true).await?;
        let mut shown = Json::Null;
        loop {
            let told = through.drained(session).await?;
            if told["over"] == true {
                break;
            }
            if told["in_flight"] != shown {
                shown.clone_from(&told["in_flight"]);
                self.show(session, &shown);
            }
            tokio::time::sleep(LOOK).await;
        }
        // Begun once more it has a later place in each log: what the database has up to there is everything.
        let told = through.drain(session, true).await?;
        let store = session.database().await?;
        let stored = until_stored(&*store, &told).await;
        store.close().await;
        stored?;
        match term.format {
            Format::Json => {
                term.print_json(&serde_json::json!({ "draining": true, "over": true }));
            }
            Format::Human => {
                term.print(&format!(
                    "{}: nothing is in flight, and the database has everything",
                    term.paint(Ink::Good, "drained")
                ));
                term.say(
                    "  stop it, and start another build; `platform drain --resume` takes submissions again",
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self, session: &Session, in_flight: &Json) {
        let term = session.term;
        if term.format == Format::Json {
            let progress = serde_json::json!({ "draining": true, "in_flight": in_flight });
            term.print_json(&progress);
            return;
        }
        let names = [
            ("running", "run"),
            ("waiting", "wait"),
            ("locked", "groups are locked"),
            ("parked", "sagas are parked (txn resume)"),
            ("giving", "give back"),
            ("on_the_way", "messages are on their way"),
        ];
        let parts = names.iter().filter_map(|(name, text)| {
            let count = in_flight[name].as_u64().filter(|count| *count > 0)?;
            Some(format!("{count} {text}"))
        });
        let parts: Vec<String> = parts.collect();
        if !parts.is_empty() {
            term.say(&format!("draining: {}", parts.join(", ")));
        }
    }
}

/// Comes back when the database has what the partitions had when they told this.
async fn until_stored(store: &dyn Store, told: &Json) -> Result<(), Fault> {
    for (partition, at) in marks(told) {
        while store.position(partition).await?.position < at {
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

/// Where in its log each partition has begun to drain.
fn marks(told: &Json) -> impl Iterator<Item = (PartitionId, Position)> {
    let partitions = told["partitions"].as_array().into_iter().flatten();
    partitions.filter_map(|told| {
        let number = |name: &str| told.get(name).and_then(Json::as_u64);
        let partition = PartitionId {
            concern: ConcernId(number("concern")?.try_into().ok()?),
            index: number("index")?.try_into().ok()?,
        };
        let (next, nth) = (number("next")?, number("nth")?.try_into().ok()?);
        Some((partition, Position::from_raw(next, nth)))
    })
}

fn still_in_flight(limit: u64) -> Fault {
    let message = format!(
        "not all has ended within {limit} s: nothing new begins; wait on with `platform drain`, see who runs with \
         `txn list`, or take submissions again with `platform drain --resume`"
    );
    Fault::new(Class::Unavailable, "still_in_flight", message)
}
