//! Owns functions of the schema in Rust: the trait that the user implements, and how transactions call
//! it.

use askama::Template;

use super::concern::MAX_PARAMETERS;
use super::types::Imports;
use super::{Cx, Handler, docs};
use crate::model::Function;
use crate::naming;

/// The file of the handlers of functions, in the crate's directory.
const PATH: &str = "src/handlers/functions.rs";

/// `src/generated/functions.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "functions.jinja", escape = "none")]
pub(super) struct FunctionsFile {
    header: String,
    schema: String,
    imports: Imports,
    uses_codegen: bool,
    /// The trait.
    name: String,
    functions: Vec<FunctionPlan>,
}

/// `src/handlers/functions.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "function_handlers.jinja", escape = "none")]
pub(super) struct FunctionHandlersFile {
    imports: Imports,
    uses_codegen: bool,
    name: String,
    stubs: Vec<FunctionStub>,
}

/// One function that a user has not written.
#[derive(Debug, Clone, Template)]
#[template(path = "function_stub.jinja", escape = "none")]
pub(super) struct FunctionStub {
    function: FunctionPlan,
}

/// A function, ready to be printed.
#[derive(Debug, Clone)]
struct FunctionPlan {
    /// Name in the schema.
    declared: String,
    docs: Vec<String>,
    function: String,
    params: Vec<(String, String)>,
    many_params: bool,
    output: String,
}

impl Cx<'_> {
    pub(super) fn functions_file(&self) -> FunctionsFile {
        let mut imports = Imports::new();
        let functions = self.function_plans(&mut imports);
        let signatures = self.model.functions().iter();
        FunctionsFile {
            header: self.header.clone(),
            schema: super::hash(signatures.map(|function| self.function_signature(function))),
            imports,
            uses_codegen: use_codegen(&functions),
            name: self.names.functions.clone(),
            functions,
        }
    }

    pub(super) fn function_handlers_file(&self) -> (String, FunctionHandlersFile) {
        let mut imports = Imports::from([self.names.functions.clone()]);
        let functions = self.function_plans(&mut imports);
        let file = FunctionHandlersFile {
            imports,
            uses_codegen: use_codegen(&functions),
            name: self.names.functions.clone(),
            stubs: functions
                .into_iter()
                .map(|function| FunctionStub { function })
                .collect(),
        };
        (PATH.to_owned(), file)
    }

    /// Every function, as it is to be written.
    pub(super) fn function_stubs(&self) -> Vec<Handler> {
        let plans = self.function_plans(&mut Imports::new()).into_iter();
        plans
            .map(|function| Handler {
                path: PATH.to_owned(),
                name: function.declared.clone(),
                function: function.function.clone(),
                stub: super::File::new(PATH, FunctionStub { function }),
            })
            .collect()
    }

    fn function_plans(&self, imports: &mut Imports) -> Vec<FunctionPlan> {
        let mut plans = Vec::new();
        for function in self.model.functions() {
            let signature = self.function_signature(function);
            let params = function.params.iter();
            plans.push(FunctionPlan {
                declared: function.name.clone(),
                many_params: function.params.len() > MAX_PARAMETERS,
                docs: docs::lines(&function.docs, &signature),
                function: naming::method(&function.name),
                params: params
                    .map(|param| {
                        let ty = self.argument_type(param.ty, imports);
                        (naming::snake(&param.name), ty)
                    })
                    .collect(),
                output: self.rust_type(function.result.ty, imports),
            });
        }
        plans
    }

    /// A function as a schema writes it.
    fn function_signature(&self, function: &Function) -> String {
        format!(
            "function {}({}){}",
            function.name,
            self.params_signature(&function.params),
            self.result_signature(Some(&function.result))
        )
    }
}

/// Whether functions name types of the runtime.
fn use_codegen(functions: &[FunctionPlan]) -> bool {
    let is_codegen = |ty: &String| ty.contains("codegen::");
    functions.iter().any(|function| {
        let mut params = function.params.iter();
        is_codegen(&function.output) || params.any(|(_, ty)| is_codegen(ty))
    })
}
