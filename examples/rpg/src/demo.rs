//! `demo`: a story in the terminal. Players sign up and trade, a trade is refused and leaves no trace, a
//! process is killed in the middle of its work, and after a restart it is shown that nothing is missing
//! and nothing there twice.

use crate::sim::{self, Compared};
use rkcy_runtime::cli::{Format, Ink, RunnableCommand, Session, Settings, Term, grouped};
use rkcy_runtime::codegen::{Class, Fault, Ref, Uuid, derived_uuid, serde_json};
use rkcy_runtime::driver::{Client, LogChoice, Running, StoreChoice};
use rpg::generated::txn::{Fund, SignUp, Trade};
use rpg::generated::{Character, Currency, Offer};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Players and callers of the load that is killed.
const PLAYERS: &str = "40";
const CALLERS: &str = "64";
/// The load must have begun by then, however slow the machine.
const BEGIN: Duration = Duration::from_secs(30);
/// Pause between two looks at the load's journal.
const LOOK: Duration = Duration::from_millis(20);

/// See the platform at work: a story in under 20 seconds
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} demo
  {bin} demo --log embedded:/tmp/story/log --store sqlite:/tmp/story/{bin}.db   # keeps the data")]
pub(crate) struct Demo {
    /// Seconds of load before the kill
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

impl RunnableCommand for Demo {
    fn run(self, session: &Session) -> Result<ExitCode, Fault> {
        if session.settings.is_shared() {
            let message = "the demo crashes and restarts a platform of its own: on an embedded log";
            return Err(Fault::new(Class::Invalid, "wrong_log", message).at("log"));
        }
        let dir = tempfile::tempdir().map_err(|error| broken("no_directory", error.to_string()))?;
        let settings = match session.settings.places_given {
            true => session.settings.clone(),
            false => Settings {
                log: LogChoice::Embedded(dir.path().join("log")),
                store: StoreChoice::Sqlite(dir.path().join("rpg.db")),
                ..session.settings.clone()
            },
        };
        let session = session.with_settings(settings);
        let journal = dir.path().join("journal");
        let story = Story {
            term: session.term,
            begun: Instant::now(),
        };
        story.title("A role-playing game's economy, on an embedded log and SQLite");
        story.faint(&format!("log    {}", session.settings.log));
        story.faint(&format!("store  {}", session.settings.store));

        let two = two_players(&session, &story)?;
        killed(
            &session,
            &story,
            &journal,
            Duration::from_secs(self.seconds),
        )?;
        story.part("Started again: is it all there, and everything once?");
        let compared = sim::verify(&session, &journal)?;
        two.unchanged(&session, &story)?;
        story.end(&compared);
        Ok(ExitCode::from(u8::from(!compared.differences.is_empty())))
    }
}

/// The narrator.
struct Story {
    term: Term,
    begun: Instant,
}

impl Story {
    fn title(&self, text: &str) {
        self.line(&self.term.paint(Ink::Strong, text));
    }

    fn part(&self, text: &str) {
        self.line("");
        let at = format!("{:>5.1} s", self.begun.elapsed().as_secs_f64());
        let (at, text) = (
            self.term.paint(Ink::Faint, &at),
            self.term.paint(Ink::Strong, text),
        );
        self.line(&format!("{at}  {text}"));
    }

    fn step(&self, what: &str, came: &str, ink: Ink) {
        let came = self.term.paint(ink, came);
        self.line(&format!("         {what:<46} {came}"));
    }

    fn faint(&self, text: &str) {
        self.line(&self.term.paint(Ink::Faint, &format!("         {text}")));
    }

    /// Nothing but the result is for a program.
    fn line(&self, text: &str) {
        if self.term.format == Format::Human {
            self.term.print(text);
        }
    }

    fn end(&self, compared: &Compared) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = (compared.acknowledged + compared.refused) as f64 / compared.seconds.max(0.001);
        if self.term.format == Format::Json {
            self.term.print_json(&serde_json::json!({
                "seconds": seconds,
                "per_second": rate,
                "compared": compared.to_json(),
            }));
            return;
        }
        let row = |what: &str, count: u64| vec![what.to_owned(), grouped(count)];
        let rows = [
            row(
                "characters compared, in memory and in the database",
                compared.characters as u64,
            ),
            row(
                "transactions acknowledged before or after the kill",
                compared.acknowledged,
            ),
            row("transactions refused, without a trace", compared.refused),
            row(
                "without an answer at the kill, asked for again by id",
                compared.asked_again,
            ),
            row("transactions a second, until the kill", rate.round() as u64),
            row(
                "effects missing, or there twice",
                compared.differences.len() as u64,
            ),
        ];
        self.line("");
        self.line(&self.term.table(&["what came of it", "count"], &rows, &[1]));
        self.line("");
        for difference in compared.differences.iter().take(5) {
            self.line(&self.term.paint(Ink::Bad, difference));
        }
        self.line(&match compared.differences.is_empty() {
            true => self.term.paint(
                Ink::Good,
                &format!("Not one coin is missing or too many. ({seconds:.1} s)"),
            ),
            false => self.term.paint(Ink::Bad, "Something is wrong: see above."),
        });
    }
}

/// Two characters and what they have.
struct Two {
    anna: Uuid,
    bert: Uuid,
    has: (i64, i64),
}

/// The first part of the story.
fn two_players(session: &Session, story: &Story) -> Result<Two, Fault> {
    let runtime = sim::runtime()?;
    let running = session.start()?;
    let client = running.client();
    let two = runtime.block_on(async {
        story.part("Two players sign up");
        let anna = sign_up(&client, story, "anna", "Anna of the Hills").await?;
        let bert = sign_up(&client, story, "bert", "Bert the Smith").await?;

        story.part("Money enters the game");
        for (name, to, amount) in [("Anna", anna, 100), ("Bert", bert, 40)] {
            let begun = Instant::now();
            let amount = gold(amount);
            let to = Ref::new(to);
            let what = format!("fund {name} with {} gold", amount.gold);
            let character = client.call(&Fund { to, amount }).await?;
            let came = format!("has {} gold{}", character.currency.gold, took(begun));
            story.step(&what, &came, Ink::Good);
        }

        story.part("They trade: both sides pay, or nobody does");
        let begun = Instant::now();
        client.call(&trade(anna, 30, bert, 5)).await?;
        story.step(
            "Anna pays 30 gold, Bert pays 5",
            &format!("committed{}", took(begun)),
            Ink::Good,
        );
        let before = purses(&client, story, anna, bert).await?;

        story.part("A trade that Bert cannot pay for");
        let begun = Instant::now();
        match client.call(&trade(anna, 20, bert, 1_000)).await {
            Err(fault) if fault.class == Class::Refusal => {
                let came = format!("refused: {}{}", fault.code, took(begun));
                story.step("Anna pays 20 gold, Bert pays 1000", &came, Ink::Note);
            }
            Err(fault) => return Err(fault),
            Ok(()) => return Err(broken("demo_failed", "Bert paid what he does not have")),
        }
        let after = purses(&client, story, anna, bert).await?;
        if before != after {
            return Err(broken("demo_failed", "the refused trade left a trace"));
        }
        story.step(
            "what the refused trade has left behind",
            "nothing",
            Ink::Good,
        );
        Ok(Two {
            anna,
            bert,
            has: after,
        })
    });
    drop(client);
    stop(running, two)
}

impl Two {
    /// After the restart they have what they had.
    fn unchanged(&self, session: &Session, story: &Story) -> Result<(), Fault> {
        let runtime = sim::runtime()?;
        let running = session.start()?;
        let client = running.client();
        let has = runtime.block_on(purses(&client, story, self.anna, self.bert));
        drop(client);
        let has = stop(running, has)?;
        if has != self.has {
            return Err(broken(
                "demo_failed",
                "Anna and Bert have not what they had",
            ));
        }
        Ok(())
    }
}

/// The load, and its end.
fn killed(session: &Session, story: &Story, journal: &Path, load: Duration) -> Result<(), Fault> {
    story.part("Another process puts load on it …");
    story.faint(&format!(
        "rpg sim --players {PLAYERS} --clients {CALLERS} --journal …"
    ));
    let errors = journal.with_extension("stderr");
    let mut child = Killed(spawn(session, journal, &errors)?);
    let (spawned, mut begun) = (Instant::now(), None);
    while begun.is_none_or(|begun: Instant| begun.elapsed() < load) {
        let ended = child
            .0
            .try_wait()
            .map_err(|error| broken("demo_failed", error.to_string()))?;
        if ended.is_some() || (begun.is_none() && spawned.elapsed() > BEGIN) {
            let said = std::fs::read_to_string(&errors).unwrap_or_default();
            return Err(broken(
                "demo_failed",
                format!("the load did not run: {}", said.trim()),
            ));
        }
        let written = std::fs::metadata(journal).map_or(0, |file| file.len());
        if written > 0 && begun.is_none() {
            begun = Some(Instant::now());
        }
        std::thread::sleep(LOOK);
    }
    story.part("… and is killed in the middle of it");
    let pid = child.0.id();
    drop(child);
    let written = std::fs::metadata(journal).map_or(0, |file| file.len());
    let came = format!("its callers' journal: {} KiB", grouped(written >> 10));
    story.step(&format!("kill -9 {pid}"), &came, Ink::Bad);
    Ok(())
}

/// A process that does not outlive this value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(session: &Session, journal: &Path, errors: &Path) -> Result<Child, Fault> {
    let wrap = |error: std::io::Error| broken("demo_failed", error.to_string());
    let settings = &session.settings;
    Command::new(std::env::current_exe().map_err(wrap)?)
        .args([
            "sim",
            "--players",
            PLAYERS,
            "--clients",
            CALLERS,
            "--seconds",
            "1000",
            "--journal",
        ])
        .arg(journal)
        .arg(format!("--log={}", settings.log))
        // Not on its command line, which everybody on the machine may read: it may hold a password.
        .env("RKCY_STORE", settings.store.with_secrets())
        .arg(format!("--env={}", settings.env))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(errors).map_err(wrap)?)
        .spawn()
        .map_err(wrap)
}

async fn sign_up(client: &Client, story: &Story, name: &str, full: &str) -> Result<Uuid, Fault> {
    let begun = Instant::now();
    let id = Client::new_id();
    let params = SignUp {
        username: name.to_owned(),
        fullname: full.to_owned(),
    };
    let player = client.call_as(id, &params).await?;
    let came = format!("player {:.8}{}", player.id().to_string(), took(begun));
    story.step(&format!("{name}, as {full}"), &came, Ink::Good);
    // The number of the step that creates the character.
    Ok(derived_uuid(id, 3, 0))
}

async fn purses(
    client: &Client,
    story: &Story,
    anna: Uuid,
    bert: Uuid,
) -> Result<(i64, i64), Fault> {
    let anna = client.get::<Character>(&anna).await?.currency.gold;
    let bert = client.get::<Character>(&bert).await?.currency.gold;
    story.step(
        "Anna and Bert have",
        &format!("{anna} and {bert} gold"),
        Ink::Good,
    );
    Ok((anna, bert))
}

fn trade(left: Uuid, pays: i64, right: Uuid, other: i64) -> Trade {
    Trade {
        lhs: Offer {
            character: Ref::new(left),
            currency: gold(pays),
        },
        rhs: Offer {
            character: Ref::new(right),
            currency: gold(other),
        },
    }
}

fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

fn took(begun: Instant) -> String {
    format!("  ({:.1} ms)", begun.elapsed().as_secs_f64() * 1e3)
}

/// Stops in good order, whatever came before; the first fault is the one that counts.
fn stop<T>(running: Running, came: Result<T, Fault>) -> Result<T, Fault> {
    let stopped = running.stop();
    let came = came?;
    stopped.map(|()| came)
}

fn broken(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(Class::Unavailable, code, message.into())
}
