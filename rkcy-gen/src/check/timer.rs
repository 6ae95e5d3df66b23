//! Timers: what each waits for, and what it runs, once all transactions are known.

use super::Checker;
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Builtin, CommandId, ConcernId, ExprKind, Payload, Root, Scalar, Timer, TimerAction,
    Transaction, TransactionId, Type, ValueType,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::concern as ast;

impl Checker {
    /// The timers of all concerns.
    pub(super) fn timers(&mut self) {
        for (id, written) in std::mem::take(&mut self.schema.written_timers) {
            let field = self.timer_field(id, &written.field);
            let action = match &written.run {
                None => {
                    let is_there = self.is_there(id, Builtin::Delete, written.span);
                    is_there.then_some(TimerAction::Delete)
                }
                Some(run) => self.timer_run(id, run, &written),
            };
            let (Some(field), Some(action)) = (field, action) else {
                continue;
            };
            let timers = &self.schema.concern(id).timers;
            let same = |timer: &&Timer| timer.field == field && timer.action == action;
            if let Some(first) = timers.iter().find(same) {
                let finding =
                    Diagnostic::new(Code::TimerTwice, written.span, "this timer is set already")
                        .label(first.span, "here");
                self.report(finding.help("remove one of them"));
                continue;
            }
            self.schema.concerns[id.index()].timers.push(Timer {
                docs: written.docs,
                field,
                action,
                span: written.span,
            });
        }
    }

    /// The field that a timer waits for, by its position.
    fn timer_field(&mut self, id: ConcernId, name: &Ident) -> Option<usize> {
        let concern = self.schema.concern(id);
        let found = concern.all_fields().find(|field| field.name == name.text);
        let Some(field) = found else {
            self.unknown_field(Owner::Concern(id), name);
            return None;
        };
        let is_time = field.ty.value == ValueType::Scalar(Scalar::Timestamp);
        if is_time && !field.ty.is_collection() {
            return concern.fields.iter().position(|it| it.name == name.text);
        }
        let shown = self.show_type(field.ty);
        let message = format!(
            "a timer waits for a `timestamp`, and `{}` is a `{shown}`",
            name.text
        );
        let finding = Diagnostic::new(Code::WrongTimerField, name.span, message);
        self.report(finding.label(field.span, "declared here").help(
            "keep the time in a field of its own: `until: timestamp?`, which is absent where there is nothing to wait for",
        ));
        None
    }

    /// What a timer runs: a command of the concern, or a transaction that is given the instance.
    fn timer_run(
        &mut self,
        id: ConcernId,
        run: &ast::Run,
        written: &ast::Timer,
    ) -> Option<TimerAction> {
        let text = &run.name.text;
        let concern = self.schema.concern(id);
        let command = concern.commands.iter().find(|it| it.name == *text);
        let transaction = self.schema.transactions.iter().find(|it| it.name == *text);
        match (command, transaction) {
            (Some(command), None) => {
                let command = command.id;
                let fits = self.timer_command(id, command, run);
                fits.then_some(TimerAction::Command(command))
            }
            (None, Some(transaction)) => {
                let transaction = transaction.id;
                let fits = self.timer_transaction(id, transaction, run, written.span);
                fits.then_some(TimerAction::Transaction(transaction))
            }
            (Some(command), Some(transaction)) => {
                let word = transaction.mode.word();
                let message = format!("`{text}` is a command here, and a {word}");
                let finding = Diagnostic::new(Code::Ambiguous, run.name.span, message)
                    .label(command.span, "the command")
                    .label(transaction.span, format!("the {word}"));
                self.report(finding.help("rename one of them"));
                None
            }
            (None, None) => {
                self.nothing_to_run(id, &written.field, run);
                None
            }
        }
    }

    /// Whether a timer can run a command. `self` may stand there or not: it is one of the instance in any case.
    fn timer_command(&mut self, id: ConcernId, command: CommandId, run: &ast::Run) -> bool {
        let command = self.schema.concern(id).command(command);
        if matches!(command.payload, Payload::Empty) {
            return true;
        }
        let message = format!("`{}` takes a payload, and a timer has none", command.name);
        let help =
            "let a command without parameters do it, or a transaction that gives the payload";
        self.wrong_action(&run.name, message, command.span, help);
        false
    }

    /// Whether a timer can run a transaction: one that needs the instance and nothing else.
    fn timer_transaction(
        &mut self,
        id: ConcernId,
        transaction: TransactionId,
        run: &ast::Run,
        span: Span,
    ) -> bool {
        if self.schema.lost_params.contains(&transaction) {
            return false;
        }
        let transaction = &self.schema.transactions[transaction.index()];
        let (name, word) = (&transaction.name, transaction.mode.word());
        let own = [ValueType::Ref(id), ValueType::IdOf(id)].map(Type::one);
        let takes_it = match transaction.params.as_slice() {
            [param] => own.contains(&param.ty),
            _ => false,
        };
        if !takes_it {
            let concern = &self.schema.concern(id).name;
            let message = format!("the {word} `{name}` takes something else than one `{concern}`");
            let help =
                format!("a timer gives its own instance: `{word} {name}(it: ref {concern})`");
            self.wrong_action(&run.name, message, transaction.span, &help);
            return false;
        }
        if !run.has_self {
            let bracket = Span {
                start: span.end - 1,
                end: span.end - 1,
                ..span
            };
            let message = format!("the {word} `{name}` is not given the instance");
            let finding = Diagnostic::new(Code::WrongTimerAction, run.name.span, message);
            let finding = finding.help(format!("write `run {name}(self)`"));
            self.report(finding.edit(bracket, "self"));
            return false;
        }
        if reads_caller(transaction) {
            let message =
                format!("the {word} `{name}` looks at `caller`, and nobody calls it here");
            let help = "let a transaction of its own do what the timer needs";
            self.wrong_action(&run.name, message, transaction.span, help);
            return false;
        }
        true
    }

    fn wrong_action(&mut self, name: &Ident, message: String, declared: Span, help: &str) {
        let finding = Diagnostic::new(Code::WrongTimerAction, name.span, message);
        self.report(finding.label(declared, "declared here").help(help));
    }

    /// `run x(self)` where `x` is neither a command nor a transaction.
    fn nothing_to_run(&mut self, id: ConcernId, field: &Ident, run: &ast::Run) {
        let name = &run.name;
        let text = &name.text;
        let is_lost = self.schema.is_lost(Owner::Concern(id), text);
        if is_lost || self.schema.is_known_call(text) {
            return;
        }
        let concern = self.schema.concern(id);
        let query = concern.queries.iter().find(|it| it.name == *text);
        let effect = self.schema.effect_named(text);
        let function = self.schema.function_named(text);
        let other = match (query, effect, function) {
            (Some(query), ..) => Some((
                format!("`{text}` is a query, which changes nothing"),
                query.span,
                "run a command of the concern, or a transaction",
            )),
            (_, Some(effect), _) => Some((
                format!("`{text}` is an effect, which only a saga can call"),
                effect.span,
                "run a saga that calls it: what fails can be undone there",
            )),
            (_, _, Some(function)) => Some((
                format!("`{text}` is a function, which does nothing"),
                function.span,
                "run a command of the concern, or a transaction",
            )),
            _ => None,
        };
        if let Some((message, declared, help)) = other {
            return self.wrong_action(name, message, declared, help);
        }
        let commands = concern.commands.iter().map(|it| it.name.as_str());
        let transactions = self.schema.transactions.iter();
        let known: Vec<&str> = commands
            .chain(transactions.map(|it| it.name.as_str()))
            .collect();
        let message = format!(
            "there is no transaction `{text}`, and `{}` has no such command",
            concern.name
        );
        let finding = Diagnostic::new(Code::UnknownOperation, name.span, message);
        self.report(match Builtin::from_word(text) {
            Some(Builtin::Delete) => finding.help(format!("write `at {} delete`", field.text)),
            _ => finding
                .help(format!("declare it in the concern: `command {text}()`"))
                .did_you_mean(name.span, text, known),
        });
    }
}

/// Whether a transaction looks at who calls.
fn reads_caller(transaction: &Transaction) -> bool {
    let mut reads = false;
    transaction.each_expr(&mut |expr| {
        expr.walk(&mut |part| {
            if let ExprKind::Path(path) = &part.kind {
                reads |= path.root == Root::Caller;
            }
        });
    });
    reads
}
