//! Owns SVG: boxes of text, arrows, the sheet that they stand on.

use std::fmt::Write as _;

/// Width of a character of the font, in pixels, on the wide side: no box is too narrow for its text.
const CHARACTER: u32 = 8;
/// Height of a line of text.
pub(super) const LINE: u32 = 18;
/// Between a box and its text.
const PADDING: u32 = 10;
/// Longest text of a line, in characters; what is longer is cut.
const LONGEST: usize = 72;

/// Both schemes of colours, and the font: what is asked for where the picture is shown.
const STYLE: &str = "\
svg{--sheet:#fff;--ink:#1f2328;--faint:#656d76;--line:#8c959f;--box:#f6f8fa;--head:#ddf4ff;--lock:#fff1e5;--frame:#afb8c1}\
@media(prefers-color-scheme:dark){svg{--sheet:#0d1117;--ink:#e6edf3;--faint:#9198a1;--line:#6e7681;--box:#161b22;--head:#0c2d6b;--lock:#4d2d00;--frame:#3d444d}}\
.sheet{fill:var(--sheet)}text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:var(--ink)}\
.title{font-size:16px;font-weight:600}.strong{font-weight:600}.faint{fill:var(--faint)}\
.box{fill:var(--box);stroke:var(--frame)}.head{fill:var(--head);stroke:var(--frame)}.lock{fill:var(--lock);stroke:var(--frame)}\
.group{fill:none;stroke:var(--frame);stroke-dasharray:5 4}.arrow{fill:none;stroke:var(--line);stroke-width:1.4}.loose{stroke-dasharray:3 3}\
.tip{fill:var(--line)}";

/// A picture in the making.
#[derive(Default)]
pub(super) struct Sheet {
    /// What stands below everything else: arrows, frames.
    below: String,
    above: String,
    width: u32,
    height: u32,
}

/// A box with a heading and lines of text.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) heading: String,
    /// How the heading is coloured.
    pub(super) class: &'static str,
    pub(super) lines: Vec<String>,
}

/// Where something stands. Pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Place {
    pub(super) fn right(&self) -> u32 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> u32 {
        self.y + self.height
    }
}

impl Card {
    pub(super) fn new(heading: impl Into<String>, class: &'static str) -> Card {
        Card {
            heading: heading.into(),
            class,
            lines: Vec::new(),
        }
    }

    /// Width and height.
    pub(super) fn size(&self) -> (u32, u32) {
        let lines = self.lines.iter().chain([&self.heading]);
        let widest = lines
            .map(|line| cut(line).chars().count())
            .max()
            .unwrap_or(0);
        let count = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        let below = if count == 0 {
            0
        } else {
            count * LINE + PADDING
        };
        (text_width(widest) + 2 * PADDING, heading_height() + below)
    }

    /// The height of the middle of a line, from the top of the card.
    pub(super) fn middle_of(line: u32) -> u32 {
        heading_height() + PADDING / 2 + line * LINE + LINE / 2
    }
}

pub(super) fn heading_height() -> u32 {
    LINE + 8
}

fn text_width(characters: usize) -> u32 {
    u32::try_from(characters).unwrap_or(u32::MAX / CHARACTER) * CHARACTER
}

impl Sheet {
    fn cover(&mut self, place: Place) {
        self.width = self.width.max(place.right());
        self.height = self.height.max(place.bottom());
    }

    /// The height down to which something stands.
    pub(super) fn bottom(&self) -> u32 {
        self.height
    }

    pub(super) fn text(&mut self, x: u32, y: u32, class: &str, text: &str) {
        let text = cut(text);
        let width = text_width(text.chars().count());
        let (text, base) = (escaped(&text), y + LINE - 5);
        let _ = writeln!(
            self.above,
            "<text x=\"{x}\" y=\"{base}\" class=\"{class}\">{text}</text>"
        );
        self.cover(Place {
            x,
            y,
            width,
            height: LINE,
        });
    }

    /// Puts a card; gives its place.
    pub(super) fn card(&mut self, x: u32, y: u32, card: &Card) -> Place {
        let (width, height) = card.size();
        let (head, class) = (heading_height(), card.class);
        let _ = writeln!(
            self.above,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" class=\"box\"/>\n\
             <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{head}\" rx=\"6\" class=\"{class}\"/>"
        );
        self.text(x + PADDING, y + 4, "strong", &card.heading);
        for (line, nth) in card.lines.iter().zip(0..) {
            let y = y + head + PADDING / 2 + nth * LINE;
            self.text(x + PADDING, y, "line", line);
        }
        let place = Place {
            x,
            y,
            width,
            height,
        };
        self.cover(place);
        place
    }

    /// A frame around what belongs together.
    pub(super) fn frame(&mut self, place: Place) {
        let Place {
            x,
            y,
            width,
            height,
        } = place;
        let _ = writeln!(
            self.below,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"10\" class=\"group\"/>"
        );
        self.cover(place);
    }

    /// An arrow between two points, that leaves and arrives sideways: to the right where `1`, to the left
    /// where `-1`.
    pub(super) fn arrow(&mut self, from: (u32, u32, i64), to: (u32, u32, i64), class: &str) {
        let bend = 28;
        let ((x1, y1, leaves), (x2, y2, arrives)) = (from, to);
        let (c1, c2) = (
            i64::from(x1) + leaves * bend,
            i64::from(x2) - arrives * bend,
        );
        let _ = writeln!(
            self.below,
            "<path d=\"M{x1} {y1}C{c1} {y1} {c2} {y2} {x2} {y2}\" class=\"arrow {class}\" marker-end=\"url(#tip)\"/>"
        );
        for (x, y) in [(x1, y1), (x2, y2)] {
            self.cover(Place {
                x,
                y,
                width: 40,
                height: 4,
            });
        }
    }

    pub(super) fn finish(self, title: &str) -> String {
        let (width, height, title) = (self.width + 20, self.height + 20, escaped(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" class=\"tip\"/></marker></defs>\n\
             <rect width=\"{width}\" height=\"{height}\" class=\"sheet\"/>\n{}{}</svg>\n",
            self.below, self.above
        )
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What XML 1.0 has no place for, even escaped.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
