//! `rkcy-gen show plan|proto|sql`: what a build would decide and write.

use rkcy_gen::diagram::diagram;
use rkcy_gen::evolve::{Dialect, initial};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::{plan, tables, visits};
use rkcy_gen::render::{Rendered, render};

use super::build::file_name;
use super::input::{Sound, buildable, sound};
use super::lock::numbers;
use super::output::{message, print};
use super::{Color, Format, Outcome};

/// The visits of each transaction.
pub(super) fn show_plan(file: &str, format: Format, color: Color) -> Outcome {
    let input = buildable(file, Format::Human, color);
    with_numbers(input, file, color, |model, lock| {
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
    let input = sound(file, Format::Human, color);
    with_numbers(input, file, color, |model, lock| {
        let drawn = || {
            let plan = serde_json::to_string(&visits(model, lock))?;
            diagram(&serde_json::to_string(model)?, &plan)
        };
        drawn().map_err(|error: serde_json::Error| error.to_string())
    })
}

/// The `.proto`.
pub(super) fn show_proto(file: &str, color: Color) -> Outcome {
    let input = buildable(file, Format::Human, color);
    with_numbers(input, file, color, |model, lock| {
        let rendered: Rendered =
            render(&plan(model, lock, &file_name(file))).map_err(|error| error.to_string())?;
        let protos = rendered.generated.into_iter();
        let protos = protos.filter(|(path, _)| path.ends_with(".proto"));
        Ok(protos.map(|(_, text)| text).collect())
    })
}

/// The tables, in both databases.
pub(super) fn show_sql(file: &str, color: Color) -> Outcome {
    let input = buildable(file, Format::Human, color);
    with_numbers(input, file, color, |model, lock| {
        let tables = tables(model, lock);
        let texts = Dialect::ALL.map(|dialect| {
            let sql = initial(&tables, dialect).up;
            format!("-- {}\n\n{sql}", dialect.folder())
        });
        Ok(texts.join("\n"))
    })
}

fn with_numbers(
    input: Result<Sound, Outcome>,
    file: &str,
    color: Color,
    show: impl Fn(&Model, &Lock) -> Result<String, String>,
) -> Outcome {
    let Sound {
        mut sources,
        model,
        outcome,
    } = match input {
        Ok(sound) => sound,
        Err(outcome) => return outcome,
    };
    let lock = match numbers(&model, file, &mut sources) {
        Ok(lock) => lock,
        Err(stop) => return stop.end(&sources, Format::Human, color),
    };
    match show(&model, &lock) {
        Ok(text) => outcome.max(print(&text)),
        Err(why) => {
            message(&format!("error: {why}\n"));
            Outcome::Environment
        }
    }
}
