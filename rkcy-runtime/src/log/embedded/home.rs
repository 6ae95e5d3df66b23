//! The directory of a log: who may use it, what stands in it, what its files are called.
//!
//! ```text
//! lock              held by the process that has the log open; its pid
//! format            format number and random id of the log
//! 0000000001.seg    segments: a file header, then blocks
//! ```

use super::block::ALIGN;
use super::disk::{Disk, write_all};
use crate::log::LogError;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Number of the format on disk. Another number is another layout; there is no reading across.
pub(super) const FORMAT: u32 = 1;
/// Bytes of a segment's header; a multiple of [`ALIGN`].
pub(super) const FILE_HEADER: usize = ALIGN;
const FILE_MAGIC: [u8; 8] = *b"rkcylog\n";
const LOCK: &str = "lock";
const FORMAT_FILE: &str = "format";
const FORMAT_TITLE: &str = "rkcy embedded log, format ";

/// An open log's directory. Dropping it lets the next process in.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    /// Random id of the log; 0 until the log is created.
    pub(super) id: u64,
    lock: Lock,
}

/// The lock: on the directory itself, and on a file in it that says who has it. The file alone would not
/// do, since somebody may remove it while the log is open, and the next process would make another.
#[derive(Debug)]
struct Lock {
    dir: File,
    file: File,
}

impl Drop for Home {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is being started at this moment may hold a
        // copy of the handle until it runs its program.
        for file in [&self.lock.file, &self.lock.dir] {
            let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock);
        }
    }
}

impl Home {
    /// Locks the directory, which is made if need be, and reads what log it is.
    pub(super) fn open(dir: &Path) -> Result<Home, LogError> {
        fs::create_dir_all(dir).map_err(|e| LogError::io("create", dir, 0, e))?;
        if let Some(found) = foreign(dir)? {
            return Err(LogError::Foreign {
                dir: dir.to_owned(),
                found,
            });
        }
        let lock = lock(dir)?;
        let id = read_format(&dir.join(FORMAT_FILE))?.unwrap_or(0);
        Ok(Home {
            dir: dir.to_owned(),
            id,
            lock,
        })
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of the segment `number`.
    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:010}.seg"))
    }

    /// Numbers of the segments, in order.
    pub(super) fn segments(&self) -> Result<Vec<u64>, LogError> {
        let mut numbers: Vec<u64> = names(&self.dir)?
            .iter()
            .filter_map(|name| segment_number(name))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Records that the log exists, once its first segment stands.
    pub(super) fn write_format(&self) -> Result<(), LogError> {
        let text = format_text(self.id);
        let part = self.dir.join("format.part");
        let written = File::create(&part)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
            })
            .and_then(|()| fs::rename(&part, self.dir.join(FORMAT_FILE)));
        written.map_err(|e| LogError::io("write", &part, 0, e))?;
        self.sync_dir()
    }

    /// Creates a segment that begins with `block`: complete and durable, or not there.
    pub(super) fn create_segment(
        &self,
        disk: &dyn Disk,
        number: u64,
        size: u64,
        block: &[u8],
    ) -> Result<File, LogError> {
        let part = self.dir.join("segment.part");
        let path = self.segment(number);
        let wrap = |what: &'static str| {
            let part = part.clone();
            move |e| LogError::io(what, &part, 0, e)
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&part)
            .map_err(wrap("create"))?;
        disk.allocate(&file, size)
            .map_err(wrap("reserve space for"))?;
        write_all(disk, &file, &file_header(self.id, number), 0).map_err(wrap("write"))?;
        write_all(disk, &file, block, FILE_HEADER as u64).map_err(wrap("write"))?;
        disk.sync(&file).map_err(wrap("sync"))?;
        // The length must survive too: a file that is too short looks torn.
        file.sync_all().map_err(wrap("sync"))?;
        fs::rename(&part, &path).map_err(wrap("rename"))?;
        self.sync_dir()?;
        Ok(file)
    }

    /// Removes a segment that nothing needs.
    pub(super) fn remove_segment(&self, number: u64) -> Result<(), LogError> {
        let path = self.segment(number);
        fs::remove_file(&path).map_err(|e| LogError::io("remove", &path, 0, e))
    }

    fn sync_dir(&self) -> Result<(), LogError> {
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|e| LogError::io("sync", &self.dir, 0, e))
    }
}

/// Checks the header of a segment's file.
pub(super) fn check_file_header(
    bytes: &[u8],
    path: &Path,
    id: u64,
    number: u64,
) -> Result<(), LogError> {
    let expected = file_header(id, number);
    let found = bytes.get(..FILE_HEADER).unwrap_or(bytes);
    if found == expected {
        return Ok(());
    }
    if let Some(format) = found.get(8..12).and_then(|raw| raw.first_chunk())
        && found.starts_with(&FILE_MAGIC)
        && crc32c::crc32c(found.get(..28).unwrap_or_default()).to_le_bytes()
            == found.get(28..32).unwrap_or_default()
    {
        let format = u32::from_le_bytes(*format);
        if format != FORMAT {
            return Err(LogError::Format {
                file: path.to_owned(),
                found: format,
                known: FORMAT,
            });
        }
        return Err(LogError::damaged(
            path,
            0,
            "this segment belongs to another log or place",
        ));
    }
    Err(LogError::damaged(
        path,
        0,
        "the file's header is not what was written",
    ))
}

fn file_header(id: u64, number: u64) -> [u8; FILE_HEADER] {
    let mut bytes = [0; FILE_HEADER];
    bytes[..8].copy_from_slice(&FILE_MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..20].copy_from_slice(&id.to_le_bytes());
    bytes[20..28].copy_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn names(dir: &Path) -> Result<Vec<String>, LogError> {
    let wrap = |e| LogError::io("list", dir, 0, e);
    let entries = fs::read_dir(dir).map_err(wrap)?;
    entries
        .map(|entry| {
            Ok(entry
                .map_err(wrap)?
                .file_name()
                .to_string_lossy()
                .into_owned())
        })
        .collect()
}

fn segment_number(name: &str) -> Option<u64> {
    let digits = name
        .strip_suffix(".seg")
        .filter(|digits| digits.len() == 10)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// What stands in a directory that is no log. Beside a log's own files others are left alone.
fn foreign(dir: &Path) -> Result<Option<String>, LogError> {
    let mut names = names(dir)?;
    names.sort_unstable();
    if names.iter().any(|name| name == FORMAT_FILE) {
        return Ok(None);
    }
    let ours = |name: &String| {
        name == LOCK
            || name == "format.part"
            || name == "segment.part"
            || segment_number(name).is_some()
    };
    Ok(names
        .into_iter()
        .find(|name| !ours(name))
        .map(|name| format!("\"{name}\"")))
}

/// Takes the lock of the directory, or says who has it.
fn lock(dir: &Path) -> Result<Lock, LogError> {
    let path = dir.join(LOCK);
    let wrap = |e| LogError::io("lock", &path, 0, e);
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
    };
    let locked = |file: &mut File| {
        let mut text = String::new();
        // Who it is helps, but not knowing it changes nothing.
        let read = file.read_to_string(&mut text).ok();
        LogError::Locked {
            dir: dir.to_owned(),
            pid: read.and_then(|_| text.trim().parse().ok()),
        }
    };
    let exclusive = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    let directory = File::open(dir).map_err(wrap)?;
    match rustix::fs::flock(&directory, exclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            // Not created here: it is the other process's, where it is there.
            let file = File::open(&path).map(|mut file| locked(&mut file));
            return Err(file.unwrap_or_else(|_| LogError::Locked {
                dir: dir.to_owned(),
                pid: None,
            }));
        }
        // Some network file systems lock no directories; the file is locked there.
        Err(_) => {}
    }
    let mut file = open().map_err(wrap)?;
    match rustix::fs::flock(&file, exclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(locked(&mut file)),
        Err(error) => return Err(wrap(error.into())),
    }
    let pid = format!("{}\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.write_all_at(pid.as_bytes(), 0))
        .map_err(wrap)?;
    Ok(Lock {
        dir: directory,
        file,
    })
}

/// What the format file says.
fn format_text(id: u64) -> String {
    let text = format!("{FORMAT_TITLE}{FORMAT}\nid {id:016x}\n");
    let crc = crc32c::crc32c(text.as_bytes());
    format!("{text}crc {crc:08x}\n")
}

/// Reads the format file: the id of the log, or `None` where there is no such file.
fn read_format(path: &Path) -> Result<Option<u64>, LogError> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("read", path, 0, error)),
    };
    let broken = || LogError::damaged(path, 0, "it does not name the format of a log");
    let (first, rest) = text.split_once('\n').ok_or_else(broken)?;
    let format = first
        .strip_prefix(FORMAT_TITLE)
        .and_then(|n| n.parse().ok());
    let format: u32 = format.ok_or_else(broken)?;
    if format != FORMAT {
        return Err(LogError::Format {
            file: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    let id = rest
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("id "));
    let id = id
        .and_then(|id| u64::from_str_radix(id, 16).ok())
        .filter(|id| *id != 0);
    // The checksum is in the text: it is right only if the whole text is.
    let id = id.filter(|id| format_text(*id) == text);
    id.map(Some).ok_or_else(broken)
}
