//! `rkcy-gen show plan|proto|sql`: what a build would decide and write.

use std::path::Path;

use rkcy_gen::diagram::diagram;
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::{plan, visits};
use rkcy_gen::render::{Rendered, render};

use super::build::{file_name, numbers};
use super::input::{CheckedInput, checked};
use super::output::{message, print, report};
use super::{Color, Format, Outcome};

/// The visits of each transaction.
pub(super) fn show_plan(file: &str, format: Format, color: Color) -> Outcome {
    with_model(file, color, |model, lock| {
        let document = visits(model, lock);
        match format {
            Format::Human => Ok(document.to_text()),
            Format::Json => {
                let text = serde_json::to_string_pretty(&document);
                text.map(|text| text + "\n")
                    .map_err(|error| error.to_string())
            }
        }
    })
}

/// The picture, drawn from the documents that other tools get.
pub(super) fn show_diagram(file: &str, color: Color) -> Outcome {
    with_model(file, color, |model, lock| {
        let drawn = || {
            let plan = serde_json::to_string(&visits(model, lock))?;
            diagram(&serde_json::to_string(model)?, &plan)
        };
        drawn().map_err(|error: serde_json::Error| error.to_string())
    })
}

/// The `.proto`.
pub(super) fn show_proto(file: &str, color: Color) -> Outcome {
    show_files(file, color, &|path| path.ends_with(".proto"), false)
}

/// The tables, in both databases.
pub(super) fn show_sql(file: &str, color: Color) -> Outcome {
    show_files(file, color, &|path| path.ends_with(".up.sql"), true)
}

fn show_files(
    file: &str,
    color: Color,
    is_wanted: &dyn Fn(&str) -> bool,
    has_headings: bool,
) -> Outcome {
    with_model(file, color, |model, lock| {
        let rendered: Rendered =
            render(&plan(model, lock, &file_name(file))).map_err(|error| error.to_string())?;
        let wanted = rendered
            .generated
            .into_iter()
            .filter(|(path, _)| is_wanted(path));
        let texts: Vec<String> = wanted
            .map(|(path, text)| {
                if has_headings {
                    format!("-- {path}\n{text}")
                } else {
                    text
                }
            })
            .collect();
        Ok(texts.join("\n"))
    })
}

fn with_model(
    file: &str,
    color: Color,
    show: impl Fn(&Model, &Lock) -> Result<String, String>,
) -> Outcome {
    let CheckedInput { sources, checked } = match checked(file) {
        Ok(input) => input,
        Err(why) => {
            message(&why);
            return Outcome::BadInput;
        }
    };
    let outcome = report(&checked.diagnostics, &sources, Format::Human, color);
    let Some(model) = checked.model else {
        return outcome;
    };
    let lock = match numbers(&model, &Path::new(file).with_extension("lock")) {
        Ok(lock) => lock,
        Err((why, failed)) => {
            message(&format!("error: {why}\n"));
            return failed;
        }
    };
    match show(&model, &lock) {
        Ok(text) => outcome.max(print(&text)),
        Err(why) => {
            message(&format!("error: {why}\n"));
            Outcome::Environment
        }
    }
}
