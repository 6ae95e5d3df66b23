//! `docs/evolution.md` is run from its beginning to its end: its schema, its changes, and what the tools print. With
//! `INSTA_UPDATE=always` what they print is written into it.

// Tests write files, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/evolution.md");

struct Shop(tempfile::TempDir);

impl Shop {
    fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.0.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@t"]);
        assert!(
            git.args(args).output().unwrap().status.success(),
            "git {args:?}"
        );
    }

    /// Everything that a command prints, in its order.
    fn run(&self, command: &str) -> String {
        let program = env!("CARGO_BIN_EXE_rkcy-gen");
        let command = command.strip_prefix("rkcy-gen").unwrap();
        let mut shell = Command::new("sh");
        let output = shell
            .current_dir(self.0.path())
            .args(["-c", &format!("'{program}' {command} 2>&1")])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn schema(&self) -> String {
        std::fs::read_to_string(self.0.path().join("shop.rkcy")).unwrap()
    }

    fn write(&self, text: &str) {
        std::fs::write(self.0.path().join("shop.rkcy"), text).unwrap();
    }

    /// Makes a change: lines that go, or that new ones come behind.
    fn edit(&self, diff: &str) {
        let mut schema = self.schema();
        let lines: Vec<(&str, &str)> = diff.lines().map(|line| line.split_at(1)).collect();
        let mut at = 0;
        while at < lines.len() {
            let (mark, old) = lines[at];
            let new = lines.get(at + 1).filter(|it| it.0 == "+").map(|it| it.1);
            let new = new.unwrap_or_else(|| panic!("a change without a new line: {diff}"));
            assert!(
                schema.contains(&format!("{old}\n")),
                "`{old}` is not in\n{schema}"
            );
            let after = match mark {
                "-" => format!("{new}\n"),
                _ => format!("{old}\n{new}\n"),
            };
            schema = schema.replacen(&format!("{old}\n"), &after, 1);
            at += 2;
        }
        self.write(&schema);
    }
}

#[test]
fn the_guide_is_what_happens() {
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    let shop = Shop(tempfile::tempdir().unwrap());
    shop.git(&["init", "-q"]);
    let (mut text, mut lines) = (String::new(), guide.lines());
    while let Some(line) = lines.next() {
        text.push_str(&format!("{line}\n"));
        // A change is made to what stands in the last commit.
        if line.starts_with("## ") && shop.0.path().join("shop.rkcy").exists() {
            shop.git(&["add", "."]);
            shop.git(&["commit", "-q", "--allow-empty", "-m", "next"]);
        }
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let inner = block
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        match info.split(' ').collect::<Vec<_>>().as_slice() {
            ["rkcy"] => shop.write(&inner),
            ["diff"] => shop.edit(&inner),
            ["console"] => {
                let commands = block.iter().filter_map(|line| line.strip_prefix("$ "));
                let shown = commands.map(|command| format!("$ {command}\n{}", shop.run(command)));
                // Blanks at the ends of lines are not shown.
                let shown: String = shown.collect();
                let shown = shown.lines().map(|line| format!("{}\n", line.trim_end()));
                text.push_str(&shown.collect::<String>());
                text.push_str("```\n");
                continue;
            }
            ["sql", path] => {
                let file = std::fs::read_to_string(shop.0.path().join(path)).unwrap();
                let mut there = file.lines();
                for line in block.iter().filter(|line| **line != "…") {
                    assert!(
                        there.any(|it| it == *line),
                        "`{line}` is not in {path}, or not in this order"
                    );
                }
            }
            _ => {}
        }
        text.push_str(&format!("{inner}```\n"));
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|it| it == "always") {
        std::fs::write(Path::new(GUIDE), &text).unwrap();
    }
    assert!(
        text == guide,
        "docs/evolution.md is not what happens: INSTA_UPDATE=always writes it"
    );
}
