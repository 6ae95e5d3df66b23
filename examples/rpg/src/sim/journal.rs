//! What callers asked for and heard, line by line in a file.
//!
//! An intent is written before the transaction is submitted, an outcome before it is counted. A line is
//! one write, so that the end of the process cuts at most the last one short; nothing is synced, since
//! the operating system outlives the process.

use super::action::{Action, made, unreadable};
use rkcy_runtime::codegen::{Class, Fault, TxnId, Uuid, serde, serde_json};
use rkcy_runtime::driver::Client;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A line.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(crate = "rkcy_runtime::codegen::serde")]
pub(super) struct Line {
    /// Id of the transaction.
    pub(super) id: Uuid,
    /// Its name.
    pub(super) txn: String,
    /// Its parameters.
    pub(super) args: serde_json::Value,
    /// `committed`, `refused` or `unknown`; none in an intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
    /// Code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// Player and character of a sign-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<(Uuid, Uuid)>,
}

/// What became of a transaction, as its caller heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is done.
    Committed,
    /// It is not, with the code of the refusal.
    Refused(String),
    /// Nobody knows; with the code of the fault.
    Unknown(String),
}

/// A journal that is written to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens a journal, or begins one. A line that a crash cut short is removed first.
    ///
    /// # Errors
    /// Where the file cannot be opened or written.
    pub(crate) fn append_to(path: &Path) -> Result<Journal, Fault> {
        let wrap = |error| io(path, &error);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(wrap)?;
        let whole = whole_lines(&mut file).map_err(wrap)?;
        file.set_len(whole).map_err(wrap)?;
        Ok(Journal {
            file,
            path: path.to_owned(),
        })
    }

    /// Writes that a transaction will be submitted.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn intent(&mut self, id: TxnId, action: &Action) -> Result<(), Fault> {
        self.write(id, action, None)
    }

    /// Writes what the caller heard.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn outcome(&mut self, id: TxnId, action: &Action, told: &Told) -> Result<(), Fault> {
        self.write(id, action, Some(told))
    }

    fn write(&mut self, id: TxnId, action: &Action, told: Option<&Told>) -> Result<(), Fault> {
        let (outcome, code) = match told {
            None => (None, None),
            Some(Told::Committed) => (Some("committed"), None),
            Some(Told::Refused(code)) => (Some("refused"), Some(code.clone())),
            Some(Told::Unknown(code)) => (Some("unknown"), Some(code.clone())),
        };
        let line = Line {
            id: Uuid::from_bytes(id.0),
            txn: action.name().to_owned(),
            args: action
                .args()
                .map_err(|error| unreadable(error.to_string()))?,
            outcome: outcome.map(str::to_owned),
            code,
            made: matches!(action, Action::SignUp(_)).then(|| made(id)),
        };
        let mut text = serde_json::to_vec(&line).map_err(|error| unreadable(error.to_string()))?;
        text.push(b'\n');
        self.file
            .write_all(&text)
            .map_err(|error| io(&self.path, &error))
    }
}

/// Bytes of the lines that end.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    const BLOCK: u64 = 64 << 10;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Reads a journal; a line without its end is that of a crash, and none.
///
/// # Errors
/// [`Class::Invalid`] with the number of a line that cannot be read.
pub(super) fn read(path: &Path, mut take: impl FnMut(Line, Action)) -> Result<(), Fault> {
    let file = File::open(path).map_err(|error| {
        let message = format!("the journal {} cannot be opened: {error}", path.display());
        Fault::new(Class::Invalid, "journal_missing", message)
    })?;
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        reader
            .read_until(b'\n', &mut text)
            .map_err(|error| io(path, &error))?;
        if text.last() != Some(&b'\n') {
            break;
        }
        let wrong = |what: String| unreadable(format!("{} line {number}: {what}", path.display()));
        let line: Line = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let action = Action::read(&line.txn, line.args.clone()).map_err(wrong)?;
        take(line, action);
    }
    Ok(())
}

fn io(path: &Path, error: &std::io::Error) -> Fault {
    let message = format!("the journal {}: {error}", path.display());
    Fault::new(Class::Unavailable, "journal_failed", message)
}

/// Submits an action and says what became of it; where that is unknown, the same is asked for again a
/// few times: it runs once.
pub(crate) async fn submit(client: &Client, id: TxnId, action: &Action) -> Told {
    use rkcy_runtime::codegen::Outcome;
    const TRIES: usize = 5;
    let pause = std::time::Duration::from_millis(20);
    let mut code = String::new();
    for nth in 0..TRIES {
        let txn = match action.plan(client, id) {
            Ok(txn) => txn,
            // Refused before it was submitted.
            Err(fault) => return Told::Refused(fault.code.into_owned()),
        };
        match client.outcome(txn).await {
            Outcome::Committed(_) => return Told::Committed,
            Outcome::Refused(fault) => return Told::Refused(fault.code.into_owned()),
            Outcome::NotTaken(fault) | Outcome::Parked(fault) => code = fault.code.into_owned(),
        }
        if matches!(code.as_str(), "too_old" | "stopped") {
            break;
        }
        tokio::time::sleep(pause * (1 << nth)).await;
    }
    Told::Unknown(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpg::generated::txn::SignUp;

    fn action(name: &str) -> Action {
        Action::SignUp(SignUp {
            username: name.to_owned(),
            fullname: "Somebody".to_owned(),
        })
    }

    #[test]
    fn a_line_cut_short_is_dropped_and_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let id = Client::new_id();
        Journal::append_to(&path)
            .unwrap()
            .intent(id, &action("anna"))
            .unwrap();
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend_from_slice(br#"{"id":"0193"#);
        std::fs::write(&path, torn).unwrap();
        let count = |path: &Path| {
            let mut lines = 0;
            read(path, |_, _| lines += 1).unwrap();
            lines
        };
        assert_eq!(count(&path), 1);
        let mut journal = Journal::append_to(&path).unwrap();
        journal
            .outcome(id, &action("anna"), &Told::Committed)
            .unwrap();
        assert_eq!(count(&path), 2);
    }

    #[test]
    fn what_is_no_line_is_said_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        std::fs::write(&path, "nonsense\n").unwrap();
        let fault = read(&path, |_, _| ()).unwrap_err();
        assert!(fault.message.contains("line 1"), "{fault}");
    }
}
