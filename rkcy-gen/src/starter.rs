//! Owns what a new platform begins with: a schema, its handlers, their tests.

use askama::Template;

use crate::naming;
use crate::render::{Texts, tidy};

/// The files of a new platform that belong to the user, beside what a build writes once.
///
/// # Errors
/// Never for the templates that there are; the trait of templates cannot know.
pub fn starter(name: &str, runtime: &Runtime) -> Result<Starter, askama::Error> {
    let package = naming::module(name);
    let (name, runtime) = (name.to_owned(), runtime.requirement());
    let texts = [
        (
            "Cargo.toml",
            Cargo {
                package: package.clone(),
                runtime,
            }
            .render()?,
        ),
        (".gitignore", "/target\n/data\n".to_owned()),
        ("README.md", Readme { name: name.clone() }.render()?),
        ("src/handlers/account.rs", Handlers.render()?),
        ("tests/platform.rs", Test { package }.render()?),
    ];
    Ok(Starter {
        schema: tidy(&Schema { name }.render()?),
        once: texts
            .map(|(path, text)| (path.to_owned(), tidy(&text)))
            .into(),
    })
}

/// What a new platform begins with.
#[derive(Debug)]
pub struct Starter {
    /// The schema.
    pub schema: String,
    /// Files by their path.
    pub once: Texts,
}

/// Where a crate has `rkcy-runtime` from.
#[derive(Debug, Clone)]
pub enum Runtime {
    /// A directory.
    Path(String),
    /// The registry: this version.
    Version(&'static str),
}

impl Runtime {
    /// As `Cargo.toml` says it.
    fn requirement(&self) -> String {
        match self {
            Runtime::Path(path) => {
                let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
                format!("{{ path = \"{escaped}\" }}")
            }
            Runtime::Version(version) => format!("\"{version}\""),
        }
    }
}

#[derive(Template)]
#[template(path = "new/schema.jinja", escape = "none")]
struct Schema {
    name: String,
}

#[derive(Template)]
#[template(path = "new/cargo.jinja", escape = "none")]
struct Cargo {
    package: String,
    runtime: String,
}

#[derive(Template)]
#[template(path = "new/readme.jinja", escape = "none")]
struct Readme {
    name: String,
}

#[derive(Template)]
#[template(path = "new/handlers.jinja", escape = "none")]
struct Handlers;

#[derive(Template)]
#[template(path = "new/test.jinja", escape = "none")]
struct Test {
    package: String,
}
