//! Pass 2: the platform and its settings.

use std::collections::HashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Platform;
use crate::syntax::Span;
use crate::syntax::ast::{File, Ident, Item};
use crate::syntax::field::LiteralKind;
use crate::syntax::platform as ast;

/// More partitions than a broker would carry; a slip of the finger more likely than a wish.
const MAX_PARTITIONS: u32 = 10_000;

impl Checker {
    pub(super) fn platform(&mut self, files: &[File]) -> Option<Platform> {
        let mut found: Option<&ast::Platform> = None;
        for item in files.iter().flat_map(|file| &file.items) {
            let Item::Platform(platform) = item else {
                continue;
            };
            match found {
                Some(first) => self.report(
                    Diagnostic::new(
                        Code::SecondPlatform,
                        platform.name.span,
                        "a build has one platform",
                    )
                    .label(first.name.span, "it has this one")
                    .help("remove one of them"),
                ),
                None => found = Some(platform),
            }
        }
        let Some(platform) = found else {
            self.no_platform(files);
            return None;
        };
        self.member_naming(&platform.name);
        let mut result = Platform {
            name: platform.name.text.clone(),
            docs: platform.docs.clone(),
            crate_dir: None,
            partitions: None,
            caller: None,
            span: platform.name.span,
        };
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for setting in &platform.settings {
            let name = &setting.name;
            if let Some(first) = seen.get(name.text.as_str()) {
                self.report(
                    Diagnostic::new(
                        Code::SettingTwice,
                        name.span,
                        format!("`{}` is given twice", name.text),
                    )
                    .label(*first, "first here")
                    .help("remove one of them"),
                );
                continue;
            }
            seen.insert(&name.text, name.span);
            self.setting(setting, &mut result);
        }
        Some(result)
    }

    fn no_platform(&mut self, files: &[File]) {
        // The file that was asked for comes last, after all that it imports.
        let Some(main) = files.last() else { return };
        if self.schema.lost_names.contains("platform") {
            return;
        }
        self.report(
            Diagnostic::new(Code::NoPlatform, Span::new(main.id, 0, 0), "there is no platform")
                .help("say what is built, and where its crate lives: `platform game { crate \"../game\" }`"),
        );
    }

    fn setting(&mut self, setting: &ast::Setting, platform: &mut Platform) {
        let (name, value) = (&setting.name, &setting.value);
        match (name.text.as_str(), &value.kind) {
            ("crate", LiteralKind::String(path)) if !path.is_empty() => {
                platform.crate_dir = Some(path.clone())
            }
            ("partitions", LiteralKind::Number(text)) => match text
                .parse()
                .ok()
                .filter(|n| (1..=MAX_PARTITIONS).contains(n))
            {
                Some(partitions) => platform.partitions = Some(partitions),
                None => self.report(
                    Diagnostic::new(
                        Code::WrongSetting,
                        value.span,
                        format!("{text} is not a number of partitions"),
                    )
                    .help(format!("a whole number from 1 to {MAX_PARTITIONS}")),
                ),
            },
            ("caller", LiteralKind::Name(message)) => {
                let name = Ident {
                    text: message.clone(),
                    span: value.span,
                };
                platform.caller = self.record_type(&name);
                self.schema.caller = Some(platform.caller);
            }
            ("crate" | "partitions" | "caller", _) => {
                let wanted = match name.text.as_str() {
                    "crate" => "a directory in double quotes: `crate \"../game\"`",
                    "partitions" => "a number: `partitions 12`",
                    _ => "the name of a message: `caller Session`",
                };
                self.report(
                    Diagnostic::new(
                        Code::WrongSetting,
                        value.span,
                        format!("`{}` cannot have this value", name.text),
                    )
                    .help(format!("write {wanted}")),
                );
            }
            (other, _) => {
                let finding = Diagnostic::new(
                    Code::UnknownSetting,
                    name.span,
                    format!("there is no setting `{other}`"),
                )
                .help("the settings of a platform are `crate`, `partitions` and `caller`");
                self.report(finding.did_you_mean(
                    name.span,
                    other,
                    ["crate", "partitions", "caller"],
                ));
            }
        }
    }
}
