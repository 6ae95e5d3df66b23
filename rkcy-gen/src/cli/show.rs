//! `rkcy-gen show`: what the stages of the generator see.

use rkcy_gen::json_schema;
use rkcy_gen::model::outline;

use super::input::{Sound, parse, sound};
use super::output::{message, print, report};
use super::show_plan::{show_diagram, show_plan, show_proto, show_sql};
use super::{Color, Format, Outcome};

/// Show what the generator makes of a schema.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  rkcy-gen show model schemas/rpg.rkcy\n  rkcy-gen show model --format json schemas/rpg.rkcy"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// The tree as it is parsed, for who works on the generator.
    #[command(after_help = "Example:\n  rkcy-gen show ast schemas/rpg.rkcy")]
    Ast {
        /// The schema.
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// The checked model; as JSON it is a document with a version, for other tools.
    #[command(after_help = "Example:\n  rkcy-gen show model --format json schemas/rpg.rkcy")]
    Model {
        /// The schema.
        #[arg(value_name = "FILE")]
        file: String,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// The visits of each transaction: what is made together, what is locked meanwhile, what it
    /// costs; as JSON it is a document with a version, for other tools.
    #[command(after_help = "Example:\n  rkcy-gen show plan schemas/rpg.rkcy")]
    Plan {
        /// The schema.
        #[arg(value_name = "FILE")]
        file: String,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// The protobuf messages.
    #[command(after_help = "Example:\n  rkcy-gen show proto schemas/rpg.rkcy")]
    Proto {
        /// The schema.
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// A picture, as SVG: concerns with their groups and relations, and each transaction as its visits.
    #[command(after_help = "Example:\n  rkcy-gen show diagram schemas/rpg.rkcy > rpg.svg")]
    Diagram {
        /// The schema.
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// The JSON Schema of a document that other tools read: what `show model` or `show plan` prints as JSON.
    #[command(after_help = "Example:\n  rkcy-gen show json-schema model")]
    JsonSchema {
        /// Which document.
        #[arg(value_enum)]
        of: Document,
    },
    /// The tables, in PostgreSQL and in SQLite.
    #[command(after_help = "Example:\n  rkcy-gen show sql schemas/rpg.rkcy")]
    Sql {
        /// The schema.
        #[arg(value_name = "FILE")]
        file: String,
    },
}

/// A document with a version.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Document {
    Model,
    Plan,
}

pub(super) fn run(args: &Args, color: Color) -> Outcome {
    match &args.what {
        What::Ast { file } => show_ast(file, color),
        What::Model { file, format } => show_model(file, *format, color),
        What::Plan { file, format } => show_plan(file, *format, color),
        What::Proto { file } => show_proto(file, color),
        What::Diagram { file } => show_diagram(file, color),
        What::JsonSchema { of } => {
            let schema = match of {
                Document::Model => json_schema::of_model(),
                Document::Plan => json_schema::of_plan(),
            };
            print(&format!("{schema:#}\n"))
        }
        What::Sql { file } => show_sql(file, color),
    }
}

fn show_ast(file: &str, color: Color) -> Outcome {
    match parse(file) {
        Ok(input) => {
            let outcome = report(
                &input.unit.diagnostics,
                &input.sources,
                Format::Human,
                color,
            );
            let text: String = input
                .unit
                .files
                .iter()
                .map(|file| format!("{file:#?}\n"))
                .collect();
            outcome.max(print(&text))
        }
        Err(why) => {
            message(&why);
            Outcome::BadInput
        }
    }
}

fn show_model(file: &str, format: Format, color: Color) -> Outcome {
    let Sound { model, outcome, .. } = match sound(file, Format::Human, color) {
        Ok(sound) => sound,
        Err(outcome) => return outcome,
    };
    let text = match format {
        Format::Human => outline(&model),
        Format::Json => match serde_json::to_string_pretty(&model) {
            Ok(text) => text + "\n",
            Err(error) => {
                message(&format!("error: the model has no JSON: {error}\n"));
                return Outcome::Environment;
            }
        },
    };
    outcome.max(print(&text))
}
