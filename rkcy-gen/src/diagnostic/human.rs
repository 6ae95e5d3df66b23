//! Owns findings for people: an excerpt of the source with labels, drawn by miette.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use super::{Diagnostic, Severity};
use crate::syntax::{FileId, Sources};

/// Wide enough for a help line, narrow enough for half a screen; fixed, so that output is the same
/// everywhere.
const WIDTH: usize = 100;

/// Lines longer than this were written by no person, and an excerpt of one would bury the message.
const MAX_LINE: usize = 500;

/// A finding with an excerpt of the source.
pub fn human(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let theme = GraphicalTheme {
        characters: ThemeCharacters::unicode(),
        styles: if colour {
            ThemeStyles::ansi()
        } else {
            ThemeStyles::none()
        },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .without_syntax_highlighting();
    let mut out = String::new();
    let report = Report::of(diagnostic, sources);
    if handler.render_report(&mut out, &report).is_err() {
        return one_line(diagnostic, sources);
    }
    out
}

/// A finding on one line, as compilers print them.
pub fn one_line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    match diagnostic.span() {
        Some(span) => {
            let (start, _) = sources.positions(span);
            let name = sources.get(span.file).name();
            format!(
                "{name}:{}:{}: {}: {}\n",
                start.line, start.column, diagnostic.code, diagnostic.message
            )
        }
        None => format!("{}: {}\n", diagnostic.code, diagnostic.message),
    }
}

/// The labels of a finding that lie in one file; those in other files hang below as related ones.
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    excerpt: Excerpt<'a>,
    main: bool,
    related: Vec<Report<'a>>,
}

impl<'a> Report<'a> {
    fn of(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Self {
        let mut files: Vec<FileId> = Vec::new();
        for label in &diagnostic.labels {
            if !files.contains(&label.span.file) {
                files.push(label.span.file);
            }
        }
        let mut files = files.into_iter().map(|file| Excerpt { sources, file });
        let first = files.next().unwrap_or(Excerpt {
            sources,
            file: FileId(0),
        });
        let related = files
            .map(|excerpt| Report {
                diagnostic,
                excerpt,
                main: false,
                related: Vec::new(),
            })
            .collect();
        Report {
            diagnostic,
            excerpt: first,
            main: true,
            related,
        }
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.main {
            return f.write_str("see also");
        }
        if let (false, Some(span)) = (
            self.excerpt.is_readable(self.diagnostic),
            self.diagnostic.span(),
        ) {
            let (start, _) = self.excerpt.sources.positions(span);
            let name = self.excerpt.sources.get(span.file).name();
            write!(f, "{name}:{}:{}: ", start.line, start.column)?;
        }
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.main
            .then(|| Box::new(self.diagnostic.code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match (self.main, self.diagnostic.severity()) {
            (false, _) => miette::Severity::Advice,
            (true, Severity::Error) => miette::Severity::Error,
            (true, Severity::Warning) => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_ref().filter(|_| self.main)?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let readable = self.excerpt.is_readable(self.diagnostic);
        readable.then_some(&self.excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let mut first = self.main;
        let labels = self
            .diagnostic
            .labels
            .iter()
            .filter(|label| label.span.file == self.excerpt.file)
            .map(move |label| {
                let range = (
                    label.span.start as usize,
                    (label.span.end - label.span.start) as usize,
                );
                let text = (!label.text.is_empty()).then(|| label.text.clone());
                if std::mem::take(&mut first) {
                    LabeledSpan::new_primary_with_span(text, range)
                } else {
                    LabeledSpan::new_with_span(text, range)
                }
            });
        Some(Box::new(labels))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(
            self.related
                .iter()
                .map(|report| report as &dyn miette::Diagnostic),
        ))
    }
}

/// One file as miette reads it. Its own index of lines makes an excerpt cheap in a long file, and
/// columns count scalars.
struct Excerpt<'a> {
    sources: &'a Sources,
    file: FileId,
}

impl Excerpt<'_> {
    /// Whether the lines around the labels can be shown.
    fn is_readable(&self, diagnostic: &Diagnostic) -> bool {
        let source = self.sources.get(self.file);
        diagnostic
            .labels
            .iter()
            .filter(|label| label.span.file == self.file)
            .all(|label| {
                let first = source.line_of(label.span.start as usize).saturating_sub(1);
                let last = source.line_of(label.span.end as usize) + 1;
                (first..=last).all(|line| source.line_range(line).len() <= MAX_LINE)
            })
    }
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let source = self.sources.get(self.file);
        let text = source.text();
        let start = span.offset();
        let end = start + span.len();
        if end > text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let first = source.line_of(start);
        let from = first.saturating_sub(before);
        let to = (source.line_of(end) + after).min(source.line_count() - 1);
        // Without context miette asks where the span itself begins.
        let alone = before == 0 && after == 0;
        let (offset, column) = match alone {
            true => (start, source.position(start).column as usize - 1),
            false => (source.line_range(from).start, 0),
        };
        let data_end = source.line_range(to).end;
        let data = &text.as_bytes()[offset..data_end.max(offset)];
        let span = SourceSpan::from((offset, data.len()));
        let name = source.name().to_owned();
        Ok(Box::new(MietteSpanContents::new_named(
            name,
            data,
            span,
            from,
            column,
            to + 1,
        )))
    }
}
