//! Owns rendering: from a plan to the text of every file. Rust is not formatted yet; `write` does that,
//! with the one program that knows how.

use std::collections::BTreeMap;

use prost_types::FileDescriptorProto;
use prost_types::field_descriptor_proto::Type;

use crate::plan::{File, Plan, ProtoSource};

/// Texts by path in the crate's directory.
pub type Texts = BTreeMap<String, String>;

/// Everything that a build writes, as text.
#[derive(Debug)]
pub struct Rendered {
    /// Files that belong to the generator.
    pub generated: Texts,
    /// Files that are written when they are absent.
    pub once: Texts,
    /// Handlers that the user has to write: file, name, function, stub.
    pub handlers: Vec<Stub>,
}

/// A handler that the user has to write.
#[derive(Debug, Clone)]
pub struct Stub {
    /// The file, in the crate's directory.
    pub path: String,
    /// The concern and the operation.
    pub name: String,
    /// The name of the function.
    pub function: String,
    /// What it may look like.
    pub text: String,
}

/// What the generator did wrong: never the fault of a schema.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template that cannot be printed.
    #[error("cannot print `{path}`: {error}")]
    Template {
        /// The file.
        path: String,
        /// Why.
        error: askama::Error,
    },
    /// A `.proto` that does not compile.
    #[error("the generated `{path}` does not compile: {error}")]
    Proto {
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
}

/// Prints a plan.
///
/// # Errors
/// Where the generator is wrong.
pub fn render(plan: &Plan) -> Result<Rendered, RenderError> {
    let mut generated = print_all(&plan.generated)?;
    let proto = generated
        .get(&plan.proto.path)
        .map(String::as_str)
        .unwrap_or_default();
    let rust = rust_of_proto(&plan.proto, proto)?;
    generated.insert("src/generated/proto.rs".to_owned(), rust);
    let mut handlers = Vec::new();
    for handler in &plan.handlers {
        handlers.push(Stub {
            path: handler.path.clone(),
            name: handler.name.clone(),
            function: handler.function.clone(),
            text: print(&handler.stub)?,
        });
    }
    Ok(Rendered {
        generated,
        once: print_all(&plan.once)?,
        handlers,
    })
}

fn print_all(files: &[File]) -> Result<Texts, RenderError> {
    files
        .iter()
        .map(|file| Ok((file.path.clone(), print(file)?)))
        .collect()
}

fn print(file: &File) -> Result<String, RenderError> {
    let text = file.print().map_err(|error| RenderError::Template {
        path: file.path.clone(),
        error,
    })?;
    Ok(tidy(&text))
}

/// No blanks at the ends of lines, one line feed at the end of the file.
pub(crate) fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

/// Compiles a `.proto` in memory into Rust.
fn rust_of_proto(source: &ProtoSource, text: &str) -> Result<String, RenderError> {
    let fail = |error: String| RenderError::Proto {
        path: source.path.clone(),
        error,
    };
    let name = "schema.proto";
    let file =
        protox::file::File::from_source(name, text).map_err(|error| fail(error.to_string()))?;
    let mut compiler = protox::Compiler::with_file_resolver(OneFile(file));
    compiler
        .open_file(name)
        .map_err(|error| fail(format!("{error:?}")))?;
    let set = compiler.file_descriptor_set();
    let module = prost_build::Module::from_protobuf_package_name(&source.package);
    let mut config = prost_build::Config::new();
    config
        .bytes(["."])
        .btree_map(["."])
        // Nobody sees them: what is shown are the values.
        .skip_debug(["."])
        .prost_path("::rkcy_runtime::codegen::prost");
    let files = set.file.into_iter().map(without_enums);
    let requests = files.map(|file| (module.clone(), file)).collect();
    let mut files = config
        .generate(requests)
        .map_err(|error| fail(error.to_string()))?;
    let rust = files.remove(&module).unwrap_or_default();
    // Its own first line would name another generator.
    let body = rust.split_once('\n').map_or("", |(_, body)| body);
    Ok(tidy(&format!(
        "// {}\n\n//! The values of the schema as protobuf messages: their form in the log.\n\n{body}",
        source.header
    )))
}

/// Enums are numbers on the wire, and generated code has types of its own for them.
fn without_enums(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.enum_type.clear();
    // The entries of maps are messages inside of messages.
    for message in &mut file.message_type {
        let inner = message.nested_type.iter_mut();
        let inner = inner.flat_map(|entry| &mut entry.field);
        for field in message.field.iter_mut().chain(inner) {
            if field.r#type() == Type::Enum {
                field.set_type(Type::Int32);
                field.type_name = None;
            }
        }
    }
    file
}

/// Finds the one file that there is.
struct OneFile(protox::file::File);

impl protox::file::FileResolver for OneFile {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name == self.0.name() {
            Ok(self.0.clone())
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}
