//! The generator: a cold `build` of a large schema against the sum of its parts alone, in the same run.
//!
//! The parts are what other people's libraries and programs do of it: pest parses the schema, protox the `.proto`,
//! `prost-build` writes the Rust of that, and as many `rustfmt` as there are processors format the same files. A median of several
//! rounds each. `rkcy-gen` is the binary beside this one, which `scripts/bench` has built.

use crate::figures::Figures;
use rkcy_gen::syntax::{Sources, parse};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Concerns of the large schema, of which each has about thirty lines.
const LARGE: usize = 1_000;
/// Concerns of one as people write them.
const ORDINARY: usize = 200;
/// Rounds of which the median counts.
const ROUNDS: usize = 5;

pub(crate) fn run(figures: &mut Figures) {
    let large = Built::new(LARGE);
    let cold = median(|| large.cold());
    let parts = [
        ("pest", median(|| large.parse())),
        ("protox", median(|| drop(large.descriptors()))),
        ("prost_build", {
            let descriptors = large.descriptors();
            median(|| rust_of(descriptors.clone()))
        }),
        ("rustfmt", median(|| large.format())),
    ];
    let sum: Duration = parts.iter().map(|(_, time)| *time).sum();
    figures.add(
        "gen_build_over_parts",
        cold.as_secs_f64() / sum.as_secs_f64(),
        "ratio",
    );
    figures.add("gen_lines", lines(&large.schema), "lines");
    let written: f64 = large.rust().iter().map(|path| lines(path)).sum();
    figures.add("gen_lines_of_rust", written, "lines");
    milliseconds(figures, format!("gen_cold_build_{LARGE}"), cold);
    for (name, time) in parts {
        milliseconds(figures, format!("gen_{name}"), time);
    }
    let bytes = large.peak_bytes();
    figures.add("gen_memory", bytes / f64::from(1 << 20), "MiB");
    // Time for each line, of texts that grow.
    let check = |built: &Built| median(|| built.succeeds(&["check"]));
    let ordinary = Built::new(ORDINARY);
    let (small, big) = (check(&ordinary), check(&large));
    milliseconds(figures, format!("gen_check_{ORDINARY}"), small);
    milliseconds(figures, format!("gen_check_{LARGE}"), big);
    let cold = median(|| ordinary.cold());
    milliseconds(figures, format!("gen_cold_build_{ORDINARY}"), cold);
    let nothing = median(|| ordinary.succeeds(&["build"]));
    milliseconds(figures, format!("gen_nothing_to_do_{ORDINARY}"), nothing);
    let check = ordinary.cargo_check();
    milliseconds(figures, format!("gen_cargo_check_{ORDINARY}"), check);
}

fn milliseconds(figures: &mut Figures, name: String, time: Duration) {
    figures.add(name, time.as_secs_f64() * 1_000.0, "ms");
}

fn median(mut round: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            round();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

/// A schema that has been built once.
struct Built {
    directory: tempfile::TempDir,
    schema: PathBuf,
    text: String,
}

impl Built {
    fn new(concerns: usize) -> Built {
        let directory = tempfile::tempdir().expect("a directory");
        let schema = directory.path().join("large.rkcy");
        let text = text(concerns);
        std::fs::write(&schema, &text).expect("a file");
        let built = Built {
            directory,
            schema,
            text,
        };
        built.cold();
        built
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// A build where nothing is there yet; of a crate that cargo has built, so that the next one remembers this one.
    fn cold(&self) {
        let target = self.target();
        for old in [
            self.out(),
            target.clone(),
            self.schema.with_extension("lock"),
        ] {
            let gone = match old.is_dir() {
                true => std::fs::remove_dir_all(&old),
                false => std::fs::remove_file(&old),
            };
            assert!(gone.is_ok() || !old.exists(), "{}", old.display());
        }
        std::fs::create_dir(&target).expect("a directory");
        std::fs::write(target.join("CACHEDIR.TAG"), "").expect("a file");
        self.succeeds(&["build"]);
    }

    fn target(&self) -> PathBuf {
        self.directory.path().join("target")
    }

    fn succeeds(&self, asked: &[&str]) {
        let status = self.generator(asked).status().expect("rkcy-gen");
        assert!(status.success(), "{asked:?}: {status}");
    }

    fn generator(&self, asked: &[&str]) -> Command {
        let own = std::env::current_exe().expect("this program");
        let mut command = Command::new(own.with_file_name("rkcy-gen"));
        command.args(asked).arg(&self.schema);
        command.env("CARGO_TARGET_DIR", self.target());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// How long `cargo check` of the crate takes, where all that it depends on was checked before: once, since it is long.
    fn cargo_check(&self) -> Duration {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let runtime = workspace.join("rkcy-runtime");
        let manifest = self.out().join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("a manifest");
        let at = format!("{{ path = {runtime:?} }}");
        let text: Vec<&str> = (text.lines())
            .filter(|line| !line.starts_with("rkcy-runtime"))
            .collect();
        let text = format!("{}\nrkcy-runtime = {at}\n\n[workspace]\n", text.join("\n"));
        std::fs::write(&manifest, text).expect("a manifest");
        let lock = "Cargo.lock";
        std::fs::copy(workspace.join(lock), self.out().join(lock)).expect("a lock");
        let cargo = |asked: &[&str]| {
            let mut cargo = Command::new("cargo");
            cargo.args(asked).current_dir(self.out());
            cargo.env("CARGO_TARGET_DIR", self.target());
            cargo.stdout(Stdio::null()).stderr(Stdio::null());
            assert!(cargo.status().expect("cargo").success(), "{asked:?}");
        };
        cargo(&["check", "--package", "rkcy-runtime"]);
        let begun = Instant::now();
        cargo(&["check"]);
        begun.elapsed()
    }

    /// The most memory that a cold build has had at once: the generator, without `rustfmt`. Bytes.
    fn peak_bytes(&self) -> f64 {
        let mut child = self
            .generator(&["build", "--check"])
            .spawn()
            .expect("rkcy-gen");
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0.0_f64;
        while child.try_wait().expect("rkcy-gen").is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
            peak = peak.max(kib.unwrap_or(0.0) * 1_024.0);
            thread::sleep(Duration::from_millis(2));
        }
        peak
    }

    fn parse(&self) {
        let mut sources = Sources::new();
        let id = sources.add("large.rkcy", self.text.clone().into_bytes());
        assert!(parse(&sources, id).diagnostics.is_empty());
    }

    fn descriptors(&self) -> prost_types::FileDescriptorSet {
        let proto = self.out().join("proto/large.proto");
        protox::compile([proto], [self.out().join("proto")]).expect("a .proto")
    }

    /// The files of Rust that belong to the generator.
    fn rust(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut left = vec![self.out().join("src")];
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                match path.extension() {
                    _ if path.is_dir() => left.push(path),
                    Some(extension) if extension == "rs" => found.push(path),
                    _ => {}
                }
            }
        }
        found
    }

    /// Files that declare modules are left out, since `rustfmt` follows them to all others.
    fn format(&self) {
        let files = self.rust();
        let leaf = |path: &&PathBuf| !path.ends_with("mod.rs") && !path.ends_with("lib.rs");
        let files: Vec<&PathBuf> = files.iter().filter(leaf).collect();
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut running: Vec<_> = (files.chunks(files.len().div_ceil(processors)))
            .map(|files| {
                let mut rustfmt = Command::new("rustfmt");
                rustfmt.args(["--edition", "2024"]).args(files);
                rustfmt.spawn().expect("rustfmt")
            })
            .collect();
        for child in &mut running {
            assert!(child.wait().expect("rustfmt").success());
        }
    }
}

fn rust_of(descriptors: prost_types::FileDescriptorSet) {
    let module = prost_build::Module::from_protobuf_package_name("large");
    let requests = descriptors.file.into_iter();
    let requests = requests.map(|file| (module.clone(), file)).collect();
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]);
    config.generate(requests).expect("Rust");
}

fn lines(path: &Path) -> f64 {
    let text = std::fs::read_to_string(path).expect("a file");
    text.lines().fold(0.0, |lines, _| lines + 1.0)
}

/// A schema of so many concerns, in groups of ten that refer to each other.
fn text(concerns: usize) -> String {
    let mut text = "platform large { crate \"out\" }\n\nenum Kind { plain  fancy }\n\n\
        message Place { x: f64  y: f64 }\n\n"
        .to_owned();
    for nth in 0..concerns {
        let other = match nth % 10 {
            0 => String::new(),
            _ => format!("    before: ref Thing{}?\n", nth - 1),
        };
        let concern = format!(
            "/// A thing of the kind {nth}.\n\
             concern Thing{nth} {{\n    key id: uuid\n    /// What it is called.\n    \
             name: string @length(1..=64)\n    amount: i64 @min(0)\n    kind: Kind = plain\n    \
             place: Place\n    note: string? @length(..=200)\n    tags: [string] @length(..=8)\n    \
             seen: timestamp\n{other}    level_{nth}: u32\n    rest: i64 @range(0..=1000)\n\n    \
             /// More of it.\n    command add(amount: i64 @min(0)) -> i64 refuses too_much\n    \
             command take(amount: i64 @min(0)) refuses too_little\n    \
             query   worth() -> i64 refuses nothing\n}}\n\n\
             /// From one to another.\n\
             transaction move_{nth}(\n    from: ref Thing{nth},\n    to: ref Thing{nth},\n    \
             amount: i64 @min(0),\n) -> Thing{nth} refuses same {{\n    \
             require from != to else same\n    Thing{nth}[from].take(amount)\n    \
             Thing{nth}[to].add(amount)\n    return Thing{nth}[to]\n}}\n\n"
        );
        let _ = write!(text, "{concern}");
    }
    text
}
