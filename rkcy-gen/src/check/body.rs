//! Pass 5: a transaction while it is checked: what is bound where, which steps there are so far.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::transaction::needed_results;
use crate::model::{
    Expr, ExprKind, Field, Local, LocalId, LocalKind, Mode, ParamId, Path, Refusals, Root,
    Statement, Step, StepId, Type,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr as ast;
use crate::syntax::operation::Param;
use crate::syntax::transaction::{Statement as AstStatement, Transaction as AstTransaction};

/// A name that is bound to an expression stands for it wherever it is used, so records of records
/// can grow without end. This many parts are far more than a payload has.
const MAX_PARTS: usize = 50_000;

/// A transaction while it is checked.
pub(super) struct Body<'a> {
    /// The parameters that are known.
    pub(super) params: &'a [Field],
    pub(super) bindings: Vec<Binding<'a>>,
    /// The blocks that are open, outermost first.
    open: Vec<Open<'a>>,
    /// The names in statements that could not be read or built: nothing is said about them.
    pub(super) lost_names: HashSet<&'a str>,
    /// Where each name stands among the bindings, while its block is open.
    index: HashMap<&'a str, usize>,
    /// The names of blocks that are closed.
    closed: HashMap<&'a str, Span>,
    /// How many parts the expressions have that names were replaced by.
    parts: usize,
    /// That there are too many has been reported.
    pub(super) too_large: bool,
    /// Whether what is checked is the value of the transaction, or part of it: then instances may be
    /// read as they are committed.
    pub(super) is_tail: bool,
    pub(super) steps: Vec<Step>,
    pub(super) locals: Vec<Local>,
    /// How long the lists are at most that loops and conditions give.
    pub(super) lengths: HashMap<LocalId, u32>,
    pub(super) refusals: Refusals,
    pub(super) used_refusals: Vec<bool>,
    /// Something is wrong or missing, so what is not used cannot be told.
    pub(super) blurred: bool,
    /// It looks at who calls.
    pub(super) sees_caller: bool,
    pub(super) mode: Mode,
    /// Where its name stands.
    pub(super) name: Span,
}

/// A block that is not closed yet.
struct Open<'a> {
    statements: Vec<Statement>,
    /// The `let`s of the whole block, to tell a name that comes later from one that never comes.
    lets: Vec<&'a Ident>,
    /// How many names were bound before it.
    bound: usize,
}

/// A name and what it stands for.
pub(super) struct Binding<'a> {
    pub(super) name: &'a Ident,
    pub(super) value: Bound,
    pub(super) used: bool,
    pub(super) place: BoundBy,
}

/// What binds a name.
#[derive(Clone, Copy)]
pub(super) enum BoundBy {
    Parameter,
    /// A `let`, up to its value.
    Let(Span),
    /// `if let`.
    IfLet,
    /// A `for`. Nothing is said of an element that is not used: a `for` cannot do without.
    For,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Bound {
    Param(ParamId, Type),
    Step(StepId, Type),
    Local(LocalId, Type),
    /// An expression, and of how many parts it is made.
    Expr(Expr, usize),
    /// It is not known, which has been reported.
    Lost,
    /// An expression that has become too large.
    TooLarge,
}

/// What a value gives, besides an error that has been reported.
pub(super) enum Given {
    Expr(Expr),
    Step(StepId, Option<Type>),
    Lost,
}

impl<'a> Body<'a> {
    /// A transaction before its first statement.
    pub(super) fn new(
        declared: &'a AstTransaction,
        known: &'a [Field],
        refusals: Refusals,
        mode: Mode,
    ) -> Self {
        let mut body = Self {
            params: known,
            bindings: Vec::new(),
            open: Vec::new(),
            lost_names: HashSet::new(),
            index: HashMap::new(),
            closed: HashMap::new(),
            parts: 0,
            too_large: false,
            is_tail: false,
            steps: Vec::new(),
            locals: Vec::new(),
            lengths: HashMap::new(),
            used_refusals: vec![false; refusals.named().len()],
            refusals,
            blurred: false,
            sees_caller: false,
            mode,
            name: declared.name.span,
        };
        let by_place: HashMap<Span, usize> = known
            .iter()
            .enumerate()
            .map(|(index, field)| (field.span, index))
            .collect();
        for param in &declared.params {
            let Param::Named(field) = param else { continue };
            if body.position(&field.name.text).is_some() {
                continue;
            }
            let index = by_place.get(&field.name.span).copied();
            let value = match index.and_then(|index| Some((index, known.get(index)?))) {
                Some((index, field)) => Bound::Param(ParamId::new(index), field.ty),
                None => Bound::Lost,
            };
            body.bind(Binding {
                name: &field.name,
                value,
                used: false,
                place: BoundBy::Parameter,
            });
        }
        body
    }

    /// Begins a block. What is bound in it is known until it is closed.
    pub(super) fn open(&mut self, statements: &'a [AstStatement]) {
        self.open.push(Open {
            statements: Vec::new(),
            lets: statements.iter().filter_map(bound_name).collect(),
            bound: self.bindings.len(),
        });
    }

    /// How many blocks are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Ends the innermost block; gives its statements.
    pub(super) fn close(&mut self) -> Vec<Statement> {
        let Some(block) = self.open.pop() else {
            return Vec::new();
        };
        for binding in self.bindings.iter().skip(block.bound) {
            self.index.remove(binding.name.text.as_str());
            self.closed.insert(&binding.name.text, binding.name.span);
        }
        block.statements
    }

    /// Appends a statement to the innermost block.
    pub(super) fn push(&mut self, statement: Statement) {
        if let Some(block) = self.open.last_mut() {
            block.statements.push(statement);
        }
    }

    /// A new local; gives the expression that it is.
    pub(super) fn local(
        &mut self,
        name: Option<&Ident>,
        ty: Type,
        kind: LocalKind,
        needs: BTreeSet<StepId>,
        span: Span,
    ) -> (LocalId, Expr) {
        let id = LocalId::new(self.locals.len());
        self.locals.push(Local {
            id,
            name: name.map(|name| name.text.clone()),
            ty,
            kind,
            needs,
        });
        (id, rooted(Root::Local(id), ty, span))
    }

    /// The steps whose results an expression needs.
    pub(super) fn needs(&self, expr: &Expr) -> BTreeSet<StepId> {
        needed_results(&self.steps, &self.locals, expr)
    }

    pub(super) fn bind(&mut self, binding: Binding<'a>) {
        self.index.insert(&binding.name.text, self.bindings.len());
        self.bindings.push(binding);
    }

    /// Where a name is bound already.
    pub(super) fn position(&self, name: &str) -> Option<Span> {
        let index = self.index.get(name)?;
        self.bindings.get(*index).map(|binding| binding.name.span)
    }

    /// What a name stands for; it counts as used then.
    pub(super) fn find(&mut self, name: &str) -> Option<Bound> {
        let binding = self.bindings.get_mut(*self.index.get(name)?)?;
        binding.used = true;
        if let Bound::Expr(_, parts) = binding.value {
            self.parts += parts;
            if self.parts > MAX_PARTS {
                return Some(Bound::TooLarge);
            }
        }
        Some(binding.value.clone())
    }

    /// The names that are known here.
    pub(super) fn known_names(&self) -> Vec<String> {
        let names = self.bindings.iter().map(|binding| &binding.name.text);
        let is_open = |name: &&String| self.index.contains_key(name.as_str());
        names.filter(is_open).cloned().collect()
    }

    /// The `let` that binds the name later on.
    pub(super) fn bound_later(&self, name: &str) -> Option<&'a Ident> {
        let mut lets = self.open.iter().flat_map(|block| &block.lets);
        lets.find(|later| later.text == name).copied()
    }

    /// Where the name was bound in a block that is closed.
    pub(super) fn bound_inside(&self, name: &str) -> Option<Span> {
        self.closed.get(name).copied()
    }
}

/// What is bound, as an expression.
pub(super) fn rooted(root: Root, ty: Type, span: Span) -> Expr {
    let fields = Vec::new();
    Expr {
        ty,
        kind: ExprKind::Path(Path { root, fields }),
        span,
    }
}

fn bound_name(statement: &AstStatement) -> Option<&Ident> {
    match statement {
        AstStatement::Let(name, ..) => Some(name),
        _ => None,
    }
}

/// Whether an expression is written as a step.
pub(super) fn is_step(expr: &ast::Expr) -> bool {
    use ast::ExprKind as Kind;
    match &expr.kind {
        Kind::Create(..)
        | Kind::Ensure(..)
        | Kind::Update(..)
        | Kind::Get(_)
        | Kind::Find(_)
        | Kind::Delete(_) => true,
        Kind::Chain(_, accesses) => accesses.iter().any(|access| access.arguments.is_some()),
        _ => false,
    }
}
