//! Input that no person writes: it ends in bounded time, without a panic, with few and clear errors.

use std::sync::LazyLock;
use std::time::Duration;

use rkcy_gen::check::{Checked, check};
use rkcy_gen::diagnostic::{Code, human, json};
use rkcy_gen::syntax::{Sources, load};

const SIZE: usize = 64 << 10;

/// The limit of the design is 100 ms of a processor. Processors and builds differ, so where that is more it is
/// what an ordinary schema of this size takes here, eight times: work that grows with the square takes far longer.
static LIMIT: LazyLock<Duration> = LazyLock::new(|| {
    let mut text = "platform t { crate \"t\" }\nmessage M {\n".to_owned();
    for index in 0.. {
        if text.len() >= SIZE {
            break;
        }
        text.push_str(&format!("f{index}: i64\n"));
    }
    text.push('}');
    let fastest = (0..5).map(|_| once(text.clone().into_bytes()).1).min();
    Duration::from_millis(100).max(8 * fastest.unwrap_or_default())
});

/// Time that this thread has had of a processor: what others do meanwhile does not count.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Checks a text; where others have emptied the caches, the fastest of a few times is its own.
fn run(bytes: Vec<u8>) -> (Checked, Duration) {
    let mut best = once(bytes.clone());
    for _ in 0..5 {
        if best.1 < *LIMIT {
            break;
        }
        let again = once(bytes.clone());
        if again.1 < best.1 {
            best = again;
        }
    }
    best
}

fn once(bytes: Vec<u8>) -> (Checked, Duration) {
    let start = processor_time();
    let mut sources = Sources::new();
    let entry = sources.add("t.rkcy", bytes);
    let unit = load(&mut sources, entry, &mut |_| {
        Err("there are no files here".to_owned())
    });
    let checked = check(unit);
    for found in checked.diagnostics.iter().take(50) {
        assert!(!human(found, &sources, false).is_empty());
        assert!(!json(found, &sources).is_empty());
    }
    (checked, processor_time().saturating_sub(start))
}

/// Runs a text that is repeated to 64 kB, in front of and behind others.
fn repeated(name: &str, before: &str, part: &str, after: &str) -> Checked {
    let text = format!("{before}{}{after}", part.repeat(SIZE / part.len().max(1)));
    let (checked, time) = run(text.into_bytes());
    assert!(time < *LIMIT, "{name} took {time:?}");
    assert!(checked.model.is_none(), "{name} has a model");
    checked
}

/// Numbers that look random and are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn repeated_parts_end() {
    let inside = "platform t { crate \"t\" }\nconcern A { key id: uuid\n";
    let body = "platform t { crate \"t\" }\nconcern A { key id: uuid command c(n: i64) }\ntransaction t(a: ref A) {\n";
    let parts = [
        "[",
        "{",
        "(",
        "]",
        "}",
        ")",
        "[]",
        "{}",
        "()",
        "([{",
        "<",
        ">",
        "map<",
        "map<string,",
        "!",
        "-",
        ".",
        "..",
        "..=",
        ",",
        ":",
        "=",
        "?",
        "@",
        "@a",
        "@a(",
        "\"",
        "\\",
        "/",
        "//",
        "///",
        "/*",
        "*/",
        ";",
        "\n",
        "\r",
        "\t",
        " ",
        "a",
        "a ",
        "a.",
        "a.b(",
        "a[",
        "a{",
        "a(",
        "1",
        "1.",
        "1 ",
        "key ",
        "ref ",
        "id of ",
        "let ",
        "let a = ",
        "if ",
        "else ",
        "if a { } else ",
        "for a in ",
        "for a in b {",
        "return ",
        "require ",
        "a == ",
        "create ",
        "create A {",
        "concern ",
        "concern A {",
        "concern A { ",
        "platform ",
        "import ",
        "import \"x\" ",
        "enum E {",
        "A[a].c(1).",
        "A[",
        "a is present ",
        "///\n",
        "/// x\n",
        "\"\n",
        "x: ",
        "x: i64 ",
        "x: i64\n",
        "command ",
        "refuses a, ",
        "a, ",
        "\u{0}",
        "\u{202e}",
        "ä",
        "🦀",
        "\u{feff}",
        "\u{7f}",
        "'",
        "'a'",
        "`",
        "#",
        "$",
        "1_",
        "0x",
        "; ",
        "x;\n",
        "@x(..=",
        "= ",
        "= []",
        "[[",
        "]]",
        "i64?",
        "??",
    ];
    for part in parts {
        for (before, after) in [
            ("", ""),
            (inside, ""),
            (body, ""),
            (inside, "\n}"),
            (body, "\n}"),
            ("\"", ""),
            ("// ", ""),
            ("/* ", ""),
        ] {
            let (_, time) = run(format!("{before}{}{after}", part.repeat(4_000)).into_bytes());
            assert!(
                time < *LIMIT,
                "{part:?} between {before:?} and {after:?} took {time:?}"
            );
        }
    }
}

#[test]
fn work_does_not_grow_with_the_square() {
    let platform = "platform t { crate \"t\" }\n";
    let fill = |before: &str, line: &dyn Fn(usize) -> String, after: &str| {
        let mut text = format!("{platform}{before}");
        let mut index = 0;
        while text.len() < SIZE {
            text.push_str(&line(index));
            index += 1;
        }
        text + after
    };
    let concerns = "message T { l: T?  r: T? }\nconcern A { key id: uuid  n: i64  b: id of B  command c(n: i64) }\nconcern B { key id: uuid  command c(n: i64) }\n";
    let body = format!("{concerns}transaction t(a: ref A, n: i64) {{\n let x = get A[a]\n");
    let texts = [
        fill("message M {\n", &|i| format!("f{i}: U{i}\n"), "}"),
        fill("", &|i| format!("message M{i} {{ a: N{i} }}\n"), ""),
        fill("message M {\n", &|i| format!("f{i}: i64\n"), "}\n"),
        fill("message M {\n", &|_| "f: i64,\n".to_owned(), "}\n"),
        fill("message M {\n", &|_| "f i64\n".to_owned(), "}\n"),
        fill("message M {\n", &|_| "/// x\n".to_owned(), "}\n"),
        fill("enum E {\n", &|i| format!("v{i}\n"), "}"),
        fill("message M { f: i64 ", &|i| format!("@a{i}"), "}"),
        fill("message M { f: i64 ", &|_| "@min(0)".to_owned(), "}"),
        fill(&body, &|i| format!("let y{i} = n\n"), "}"),
        fill(&body, &|i| format!("let y{i} = T {{}}\n"), "}"),
        fill(&body, &|i| format!("A[a].c(y{i})\n"), "}"),
        fill(&body, &|_| "B[x.b].c(1)\n".to_owned(), "}"),
        fill(
            &body,
            &|i| format!("let y{i} = get A[a]\nB[y{i}.b].c(1)\n"),
            "}",
        ),
        fill(
            &format!("{body}create A {{ b: a"),
            &|i| format!(", f{i}: n"),
            "} }",
        ),
        fill(
            &format!("{body}let y0 = create B {{}}\n"),
            &|i| format!("let y{} = create B {{ id: y{i}.id }}\n", i + 1),
            "}",
        ),
        fill(
            &format!("{body}let y0 = T {{}}\n"),
            &|i| format!("let y{} = T {{ l: y{i}, r: y{i} }}\n", i + 1),
            "}",
        ),
        fill(
            "concern A {\nkey id: uuid\nn: i64\n",
            &|i| format!("list l{i} by n\n"),
            "}",
        ),
        fill(
            "concern A {\nkey id: uuid\nn: i64\nlist l by n",
            &|_| ", n".to_owned(),
            "}",
        ),
        fill(
            "concern A {\nkey id: uuid\nt: timestamp\ncommand c()\n",
            &|_| "at t run c()\n".to_owned(),
            "}",
        ),
        fill(
            "",
            &|i| format!("effect e{i}(n: i64) undo e{}\n", i + 1),
            "",
        ),
        fill(
            &body.replace("transaction t", "effect e(n: i64) -> i64\nsaga t"),
            &|i| format!("let y{i} = e(n)\n"),
            "}",
        ),
        fill("", &|i| format!("event E{i} {{ n: i64 }}\n"), ""),
        fill(
            &body.replace("transaction t", "event E { n: i64 @min(0) }\nsaga t"),
            &|_| "emit E { n: x.n }\n".to_owned(),
            "}",
        ),
        fill(
            &format!("{concerns}transaction t("),
            &|i| format!("p{i}: i64, "),
            ") { create B {} }",
        ),
    ];
    for text in texts {
        let shown = text[platform.len()..].chars().take(60).collect::<String>();
        let (_, time) = run(text.into_bytes());
        assert!(time < *LIMIT, "{shown:?} took {time:?}");
    }
}

#[test]
fn noise_gives_one_error() {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let bytes: Vec<u8> = (0..SIZE).map(|_| numbers.next() as u8).collect();
    let ascii: Vec<u8> = (0..SIZE)
        .map(|_| b' ' + (numbers.next() % 95) as u8)
        .collect();
    let words: Vec<u8> = (0..SIZE)
        .map(|_| b"abcdefghij klmnop\n"[(numbers.next() % 18) as usize])
        .collect();
    let signs: Vec<u8> = (0..SIZE)
        .map(|_| b"{}[]()<>=!?@.,: \nab"[(numbers.next() % 19) as usize])
        .collect();
    for (name, noise) in [
        ("bytes", bytes),
        ("ascii", ascii),
        ("words", words),
        ("signs", signs),
    ] {
        let (checked, time) = run(noise);
        assert!(time < *LIMIT, "{name} took {time:?}");
        assert_eq!(
            checked.diagnostics.len(),
            1,
            "{name}: {:?}",
            checked
                .diagnostics
                .iter()
                .map(|found| &found.message)
                .collect::<Vec<_>>()
        );
        assert!(
            checked.diagnostics[0].code.is_unreadable(),
            "{name}: {:?}",
            checked.diagnostics[0].code
        );
    }
}

#[test]
fn one_clear_error_each() {
    let deep = repeated("brackets", "", "[", "");
    assert_eq!(
        deep.diagnostics
            .iter()
            .map(|found| found.code)
            .collect::<Vec<_>>(),
        [Code::TooDeep]
    );
    let deep = repeated("braces", "platform t {}\nconcern A ", "{", "");
    assert_eq!(
        deep.diagnostics
            .iter()
            .map(|found| found.code)
            .collect::<Vec<_>>(),
        [Code::TooDeep]
    );
    let nul = repeated("NUL", "", "\0", "");
    assert_eq!(
        nul.diagnostics
            .iter()
            .map(|found| found.code)
            .collect::<Vec<_>>(),
        [Code::RefusedCharacter]
    );
    let string = repeated("string", "platform t { crate \"", "x", "");
    assert_eq!(
        string
            .diagnostics
            .iter()
            .map(|found| found.code)
            .collect::<Vec<_>>(),
        [Code::UnterminatedString]
    );
    let comment = repeated("comment", "platform t { crate \"t\" }\n/* ", "x", "");
    assert_eq!(
        comment
            .diagnostics
            .iter()
            .map(|found| found.code)
            .collect::<Vec<_>>(),
        [Code::BlockComment]
    );
    let open = repeated(
        "open",
        "platform t { crate \"t\" }\nconcern A {\n key id: uuid\n",
        "// x\n",
        "",
    );
    assert_eq!(
        open.diagnostics
            .iter()
            .map(|found| found.code)
            .collect::<Vec<_>>(),
        [Code::UnbalancedBracket]
    );
}

#[test]
fn mutations_of_a_schema_end() {
    let text = include_bytes!("../schemas/rpg.rkcy");
    let mut numbers = Numbers(42);
    for round in 0..400 {
        let mut bytes = text.to_vec();
        for _ in 0..=round % 5 {
            let at = (numbers.next() as usize) % bytes.len();
            match numbers.next() % 4 {
                0 => bytes[at] = b"{}[]()<>=!?@.,:;\"/ \nab\xff\0"[(numbers.next() % 24) as usize],
                1 => {
                    bytes.remove(at);
                }
                2 => bytes.insert(
                    at,
                    b"{}[]()<>=!?@.,:;\"/ \nab"[(numbers.next() % 22) as usize],
                ),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let (_, time) = run(bytes);
        assert!(time < *LIMIT, "round {round} took {time:?}");
    }
}

#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let mut text = String::from("platform t { crate \"t\" }\n");
    let count = 3_000;
    for index in 0..count {
        text.push_str(&format!("message M{index} {{ next: M{} }}\n", index + 1));
        text.push_str(&format!(
            "concern C{index} {{ key id: ref C{} }}\n",
            index + 1
        ));
    }
    text.push_str(&format!(
        "message M{count} {{ n: i64 }}\nconcern C{count} {{ key id: uuid }}\n"
    ));
    let (checked, time) = once(text.into_bytes());
    assert!(
        checked.diagnostics.is_empty(),
        "{:?}",
        checked.diagnostics.first()
    );
    assert!(time < *LIMIT * 20, "took {time:?}");
}

#[test]
fn five_megabytes_are_read() {
    let mut text = String::from("platform t { crate \"t\" }\n");
    let mut index = 0;
    while text.len() < 5 << 20 {
        text.push_str(&format!(
            "/// Number {index}.\nconcern Account{index} {{\n    key id: uuid\n    owner: string @length(..=40)\n    gold:  i64 @min(0) = 5\n    \
             other: ref Account{index}?\n\n    command pay(amount: i64) refuses too_little\n    query worth() -> i64\n}}\n\n\
             transaction pay{index}(from: ref Account{index}, n: i64) -> Account{index} {{\n    Account{index}[from].pay(n)\n    \
             return Account{index}[from]\n}}\n\n"
        ));
        index += 1;
    }
    let (checked, time) = once(text.into_bytes());
    assert!(
        checked.diagnostics.is_empty(),
        "{:?}",
        checked.diagnostics.first()
    );
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 120 } else { 10 });
    assert!(time < limit, "took {time:?}");
}
