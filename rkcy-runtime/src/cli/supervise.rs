//! `run --supervise`: each role in a process of its own, started again when it dies.
//!
//! Owns the processes and the pauses between their lives. What a process that dies leaves is taken over by
//! the others of its role at once, and by its successor.

use super::run::{Part, Signals};
use super::session::runtime;
use super::term::Term;
use rkcy_core::fault::{Class, Fault};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Set for a process that has a supervisor.
const SUPERVISED: &str = "RKCY_SUPERVISED";
/// Pause before the second life; doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who has lived for so long begins with the short pause again.
const SETTLED: Duration = Duration::from_secs(30);
/// Who ends so soon in its first life would not do better in the next.
const FIRST: Duration = Duration::from_secs(2);
/// Pause between two looks at the processes.
const LOOK: Duration = Duration::from_millis(50);

/// One role, with its process where it has one.
struct Ward {
    roles: String,
    state: State,
    pause: Duration,
    lives: u32,
}

enum State {
    Alive(Child, Instant),
    Waiting(Instant),
    Ended,
}

/// Runs the roles until a signal comes, or one of them ends by itself in good order.
///
/// # Errors
/// Where a process cannot be started.
pub(super) fn run(term: Term, parts: &[Part], is_shared: bool) -> Result<ExitCode, Fault> {
    let names: Vec<&str> = parts.iter().map(|part| part.word()).collect();
    let names = match is_shared {
        true => names.into_iter().map(str::to_owned).collect(),
        // They cannot be told apart there.
        false => vec![names.join(",")],
    };
    let mut wards: Vec<Ward> = (names.into_iter())
        .map(|roles| Ward {
            roles,
            state: State::Waiting(Instant::now()),
            pause: PAUSE,
            lives: 0,
        })
        .collect();
    let runtime = runtime()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let mut code = ExitCode::SUCCESS;
    loop {
        for ward in &mut wards {
            if let Some(ended) = ward.look(term)? {
                code = ended;
                stop(&mut wards);
                return Ok(code);
            }
        }
        if wards.iter().all(|ward| matches!(ward.state, State::Ended)) {
            return Ok(code);
        }
        let signal = runtime.block_on(async {
            tokio::select! {
                () = signals.any() => true,
                () = tokio::time::sleep(LOOK) => false,
            }
        });
        if signal {
            stop(&mut wards);
            return Ok(code);
        }
    }
}

impl Ward {
    /// Starts it where it is time; the exit code of all where it makes no sense to go on.
    fn look(&mut self, term: Term) -> Result<Option<ExitCode>, Fault> {
        match &mut self.state {
            State::Ended => {}
            State::Waiting(until) if *until > Instant::now() => {}
            State::Waiting(_) => {
                self.lives += 1;
                self.state = State::Alive(start(&self.roles)?, Instant::now());
            }
            State::Alive(child, since) => {
                let lived = since.elapsed();
                let Some(status) = child.try_wait().map_err(|error| failed(&error))? else {
                    return Ok(None);
                };
                if status.success() {
                    self.state = State::Ended;
                    return Ok(None);
                }
                let hopeless = status.code() == Some(2) || self.lives == 1 && lived < FIRST;
                if let Some(code) = status.code().filter(|_| hopeless) {
                    return Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1))));
                }
                if lived >= SETTLED {
                    self.pause = PAUSE;
                }
                term.warn(&format!(
                    "{} ended ({}) after {lived:.0?}: starting it again in {:.0?}",
                    self.roles,
                    how(status),
                    self.pause
                ));
                self.state = State::Waiting(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
        Ok(None)
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for no known reason".to_owned(),
    }
}

/// Starts this command again, for these roles only.
fn start(roles: &str) -> Result<Child, Fault> {
    let executable = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut arguments = Vec::new();
    let mut given = std::env::args_os().skip(1);
    while let Some(argument) = given.next() {
        let text = argument.to_string_lossy();
        if text == "--roles" {
            given.next();
        } else if text != "--supervise" && !text.starts_with("--roles=") {
            arguments.push(argument);
        }
    }
    Command::new(executable)
        .args(arguments)
        .args(["--roles", roles])
        .env(SUPERVISED, "1")
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| failed(&error))
}

/// Ends all processes in good order, and waits for them. A terminal's Ctrl-C has told them already.
fn stop(wards: &mut [Ward]) {
    let mut living: Vec<&mut Child> = (wards.iter_mut())
        .filter_map(|ward| match &mut ward.state {
            State::Alive(child, _) => Some(child),
            _ => None,
        })
        .collect();
    for child in &mut living {
        // One that has ended needs no telling.
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let _ = id.map(|id| kill_process(id, Signal::TERM));
    }
    for child in living {
        let _ = child.wait();
    }
}

fn failed(error: &std::io::Error) -> Fault {
    let message = format!("a role cannot be started: {error}");
    Fault::new(Class::Unavailable, "no_process", message)
}

/// Where this process has a supervisor, it ends with it, in good order.
pub(super) fn die_with_supervisor() {
    #[cfg(target_os = "linux")]
    if std::env::var_os(SUPERVISED).is_some() {
        // Where that is not possible, nothing is worse than without.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    }
}
