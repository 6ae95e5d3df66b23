//! Owns what a platform has once: the root of the generated code, the list of transactions, and the
//! files that are written once and then belong to the user.

use askama::Template;

use super::operation::{OperationPlan, instance_name, operations};
use super::types::Imports;
use super::{Cx, docs};
use crate::model::{Concern, Model};
use crate::naming::{self, Std};

/// Partitions of a new platform, unless the schema says otherwise.
const DEFAULT_PARTITIONS: u32 = 8;

/// `src/generated/mod.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "root.jinja", escape = "none")]
pub(super) struct RootFile {
    header: String,
    std: Std,
    declared: String,
    /// What files of the whole platform are called.
    stem: String,
    /// The package of the gRPC services.
    package: String,
    doc: String,
    partitions: u32,
    /// Modules of values: their name and what they give.
    modules: Vec<(String, Vec<String>)>,
    concerns: Vec<RootConcern>,
    /// All descriptions, hidden ones too, in Rust.
    descriptions: Vec<String>,
    /// Modules of concerns whose instances claim something, with what tells it.
    claiming: Vec<(String, String)>,
    /// Modules of concerns that are referred to, with the numbers of the hidden ones that count.
    counted: Vec<(String, u32)>,
    /// Modules and types of concerns that are in views of others.
    viewed: Vec<(String, String)>,
    /// Modules of concerns that have views, with the numbers of the hidden ones that keep them.
    views: Vec<(String, u32)>,
    has_transactions: bool,
    /// Modules of messages, and of enums.
    messages: Vec<String>,
    enums: Vec<String>,
    /// Modules of configuration, by number.
    configs: Vec<String>,
    /// The message that says who calls, and its Rust type.
    caller: Option<(String, String)>,
    /// The trait of functions, if there are any.
    functions: Option<String>,
    /// Traits of handlers.
    traits: Vec<String>,
    all_handlers: String,
    logic: String,
    /// Numbers and names.
    migrations: Vec<(u32, String)>,
}

#[derive(Debug, Clone)]
struct RootConcern {
    module: String,
    rank: u32,
    has_handlers: bool,
}

/// `src/generated/txn/mod.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "transactions.jinja", escape = "none")]
pub(super) struct TransactionsFile {
    header: String,
    std: Std,
    /// By name: module, what it gives, number.
    transactions: Vec<RootTransaction>,
    /// Modules by number.
    by_number: Vec<String>,
}

#[derive(Debug, Clone)]
struct RootTransaction {
    module: String,
    /// The struct of its parameters.
    name: String,
    gives: Vec<String>,
}

/// `Cargo.toml`
#[derive(Debug, Clone, Template)]
#[template(path = "cargo.jinja", escape = "none")]
pub(super) struct CargoFile {
    pub(super) package: String,
}

/// `src/main.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "main.jinja", escape = "none")]
pub(super) struct MainFile {
    pub(super) declared: String,
    pub(super) package: String,
}

/// `src/lib.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "lib.jinja", escape = "none")]
pub(super) struct LibFile {
    pub(super) declared: String,
}

/// `src/handlers/mod.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "handlers.jinja", escape = "none")]
pub(super) struct HandlersFile {
    modules: Vec<String>,
}

/// `src/handlers/CONCERN.rs`
#[derive(Debug, Clone, Template)]
#[template(path = "handler.jinja", escape = "none")]
pub(super) struct HandlerFile {
    declared: String,
    handlers: String,
    imports: Imports,
    stubs: Vec<Stub>,
}

/// One handler that a user has not written.
#[derive(Debug, Clone, Template)]
#[template(path = "stub.jinja", escape = "none")]
pub(super) struct Stub {
    operation: OperationPlan,
    instance: String,
}

impl Cx<'_> {
    pub(super) fn root_file(&self) -> RootFile {
        let model = self.model;
        let mut modules = Vec::new();
        for concern in model.concerns() {
            modules.push((naming::module(&concern.name), self.given(concern)));
        }
        let values = model
            .messages()
            .iter()
            .map(|it| &it.name)
            .chain(model.enums().iter().map(|it| &it.name));
        modules.extend(values.map(|name| (naming::module(name), vec![naming::camel(name)])));
        modules.sort();
        let mut concerns: Vec<RootConcern> = model
            .concerns()
            .iter()
            .map(|concern| RootConcern {
                module: naming::module(&concern.name),
                rank: self.lock.rank(&concern.name),
                has_handlers: !operations(concern).is_empty(),
            })
            .collect();
        concerns.sort_by_key(|concern| concern.rank);
        let mut descriptions: Vec<(u32, String)> = Vec::new();
        let (mut claiming, mut counted) = (Vec::new(), Vec::new());
        let (mut viewed, mut views) = (Vec::new(), Vec::new());
        for concern in model.concerns() {
            let module = naming::module(&concern.name);
            descriptions.push((self.lock.rank(&concern.name), format!("{module}::DESC")));
            let hidden = self.hidden(concern).into_iter();
            descriptions.extend(hidden.map(|it| (it.number, format!("{module}::{}", it.constant))));
            if concern.claims() > 0 {
                let name = naming::camel(&concern.name);
                let tells = match self.names.patch(&concern.name) {
                    "" => format!("claims_of_new::<{name}>(op, args)"),
                    patch => format!("claims_of::<{name}, {patch}>(row, op, args)"),
                };
                claiming.push((module.clone(), tells));
            }
            if !self.viewed_fields(concern).is_empty() {
                viewed.push((module.clone(), naming::camel(&concern.name)));
            }
            if concern.viewed().next().is_some() {
                views.push((module.clone(), self.lock.view(&concern.name)));
            }
            if model.is_referred_to(concern.id) {
                counted.push((module, self.lock.count(&concern.name)));
            }
        }
        descriptions.sort();
        let mut configs: Vec<(u32, String)> = (model.configs())
            .map(|config| (self.lock.config(&config.name), naming::module(&config.name)))
            .collect();
        configs.sort();
        let with_handlers = model
            .concerns()
            .iter()
            .filter(|concern| !operations(concern).is_empty());
        let functions = (!model.functions().is_empty()).then(|| self.names.functions.clone());
        RootFile {
            header: self.header.clone(),
            std: self.names.std.clone(),
            declared: model.platform().name.clone(),
            stem: naming::plain_snake(&model.platform().name),
            package: self.api_package(),
            doc: format!("{:?}", docs::first_paragraph(&model.platform().docs)),
            partitions: model.platform().partitions.unwrap_or(DEFAULT_PARTITIONS),
            modules,
            concerns,
            descriptions: descriptions.into_iter().map(|(_, it)| it).collect(),
            claiming,
            counted,
            viewed,
            views,
            has_transactions: !model.transactions().is_empty(),
            messages: (model.messages().iter())
                .filter(|message| !message.config)
                .map(|message| naming::module(&message.name))
                .collect(),
            enums: (model.enums().iter())
                .map(|declared| naming::module(&declared.name))
                .collect(),
            configs: configs.into_iter().map(|(_, module)| module).collect(),
            caller: model.platform().caller.map(|id| {
                let declared = &model.message(id).name;
                (declared.clone(), naming::camel(declared))
            }),
            traits: with_handlers
                .map(|concern| self.names.handlers(&concern.name).to_owned())
                .chain(functions.clone())
                .collect(),
            functions,
            all_handlers: self.names.all_handlers.clone(),
            logic: self.names.logic.clone(),
            migrations: (self.lock.migrations())
                .map(|(number, name)| (number, name.to_owned()))
                .collect(),
        }
    }

    /// The types that the file of a concern gives to others.
    fn given(&self, concern: &Concern) -> Vec<String> {
        let mut names = vec![
            naming::camel(&concern.name),
            self.names.key(&concern.name).to_owned(),
            self.names.patch(&concern.name).to_owned(),
            self.names.related(&concern.name).to_owned(),
        ];
        let operations = operations(concern);
        if !operations.is_empty() {
            names.push(self.names.handlers(&concern.name).to_owned());
        }
        for operation in operations {
            names.push(self.names.payload(&concern.name, operation.name).to_owned());
            names.push(self.names.refusal(&concern.name, operation.name).to_owned());
        }
        names.retain(|name| !name.is_empty());
        names.sort();
        names
    }

    pub(super) fn transactions_file(&self) -> TransactionsFile {
        let module = |name: &String| naming::module(name);
        let mut transactions: Vec<RootTransaction> = self
            .model
            .transactions()
            .iter()
            .map(|transaction| {
                let name = self.names.transaction(&transaction.name).to_owned();
                let refusal = self.names.refusal("", &transaction.name).to_owned();
                let mut gives = vec![name.clone(), refusal];
                gives.retain(|name| !name.is_empty());
                RootTransaction {
                    module: module(&transaction.name),
                    name,
                    gives,
                }
            })
            .collect();
        transactions.sort_by(|a, b| a.module.cmp(&b.module));
        let mut by_number: Vec<&String> = self
            .model
            .transactions()
            .iter()
            .map(|it| &it.name)
            .collect();
        by_number.sort_by_key(|name| self.lock.transaction(name));
        TransactionsFile {
            header: self.header.clone(),
            std: self.names.std.clone(),
            transactions,
            by_number: by_number.into_iter().map(module).collect(),
        }
    }

    pub(super) fn handlers_file(&self) -> HandlersFile {
        let with_handlers = self
            .model
            .concerns()
            .iter()
            .filter(|concern| !operations(concern).is_empty());
        let mut modules: Vec<String> = with_handlers
            .map(|concern| naming::module(&concern.name))
            .collect();
        if !self.model.functions().is_empty() {
            modules.push("functions".to_owned());
        }
        modules.sort();
        HandlersFile { modules }
    }

    pub(super) fn handler_file(&self, concern: &Concern) -> HandlerFile {
        let mut imports = Imports::from([
            naming::camel(&concern.name),
            self.names.handlers(&concern.name).to_owned(),
        ]);
        self.handler_plans(concern, &mut imports);
        HandlerFile {
            declared: concern.name.clone(),
            handlers: self.names.handlers(&concern.name).to_owned(),
            imports,
            stubs: self
                .stubs(concern)
                .into_iter()
                .map(|(_, stub)| stub)
                .collect(),
        }
    }

    /// Every handler of a concern, as it is to be written: by the name of its function.
    pub(super) fn stubs(&self, concern: &Concern) -> Vec<(String, Stub)> {
        let plans = self.handler_plans(concern, &mut Imports::new());
        let instance = instance_name(&concern.name);
        plans
            .into_iter()
            .map(|operation| {
                (
                    operation.function.clone(),
                    Stub {
                        operation,
                        instance: instance.clone(),
                    },
                )
            })
            .collect()
    }

    fn handler_plans(&self, concern: &Concern, imports: &mut Imports) -> Vec<OperationPlan> {
        let mut plans = Vec::new();
        for operation in operations(concern) {
            // Payloads of their own bring imports that only their fields need.
            let mut of_fields = Imports::new();
            let plan = self.operation(concern, &operation, &mut of_fields);
            if let Some(answer) = operation.result {
                self.rust_type(answer.ty, imports);
            }
            if plan.args != "codegen::Empty" {
                imports.insert(plan.args.clone());
            }
            imports.extend(plan.refusal.as_ref().map(|refusal| refusal.name.clone()));
            imports.extend((!plan.related.is_empty()).then(|| plan.related.clone()));
            plans.push(plan);
        }
        plans
    }

    /// The name of the package.
    pub(super) fn package_name(model: &Model) -> String {
        naming::package(&model.platform().name)
    }
}
