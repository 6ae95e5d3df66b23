//! `rkcy-gen explain`: the page of a code.

use rkcy_gen::diagnostic::{Code, page};

use super::Outcome;
use super::output::{message, print};

/// Explain a diagnostic: the rule, why it is one, and what to do.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  rkcy-gen explain RKCY0023")]
pub(super) struct Args {
    /// The code, as it is printed: `RKCY0023`; without one, all are listed.
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let Some(name) = &args.code else {
        let list: String = Code::ALL
            .iter()
            .map(|code| format!("{}  {}\n", code.name(), code.title()))
            .collect();
        return print(&list);
    };
    match Code::find(name) {
        Some(code) => print(&page(code)),
        None => {
            message(&format!(
                "error: there is no code `{name}`; `rkcy-gen explain` lists them\n"
            ));
            Outcome::BadInput
        }
    }
}
