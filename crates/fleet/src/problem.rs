//! What is wrong with a fleet file: all of it at once, each with its place.

use crate::place::Place;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use snapback_core::event::visible;
use snapback_core::host::HostName;
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong: a lowercase fragment.
    pub message: String,
    /// Where; `None` only when there is no text to point at (the fleet file itself can't be read).
    pub place: Option<Place>,
    /// A second place that belongs to it, with what to say there.
    pub related: Option<(Place, String)>,
    /// What to do next.
    pub hint: Option<String>,
    /// The hosts for which it is wrong; empty when it is so for all that are worked on.
    pub hosts: Vec<HostName>,
}

impl Problem {
    /// Returns a problem at a place.
    pub(crate) fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), ..Self::nowhere(message) }
    }

    /// Returns a problem that no text can be shown for.
    pub(crate) fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, related: None, hint: None, hosts: Vec::new() }
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do next, if anything is known.
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds the second place.
    pub(crate) fn related(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.related = Some((place.clone(), label.into()));
        self
    }

    /// Says that it is wrong for this host.
    pub(crate) fn on(mut self, host: &HostName) -> Self {
        self.hosts.push(host.clone());
        self
    }

    fn same_but_for_hosts(&self, other: &Self) -> bool {
        self.message == other.message && self.place == other.place && self.related == other.related
    }

    fn which_hosts(&self) -> Option<String> {
        match self.hosts.as_slice() {
            [] => None,
            [one] => Some(format!("this is so for {one}")),
            [one, two] => Some(format!("this is so for {one} and {two}")),
            [one, rest @ ..] => Some(format!("this is so for {one} and {} other hosts", rest.len())),
        }
    }

    fn group(&self) -> Group<'_> {
        let mut group = Group::with_title(Level::ERROR.primary_title(shown(&self.message)));
        if let Some(place) = &self.place {
            for snippet in snippets(place, self.related.as_ref()) {
                group = group.element(snippet);
            }
        }
        if let Some(hosts) = self.which_hosts() {
            group = group.element(Level::NOTE.message(hosts));
        }
        match &self.hint {
            Some(hint) => group.element(Level::HELP.message(shown(hint))),
            None => group,
        }
    }
}

/// Our own words may quote the file's, of which the renderer lets a carriage return through.
fn shown(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Returns the quoted text: one block when both places are in the same text, else one for each.
fn snippets<'a>(
    place: &'a Place,
    related: Option<&'a (Place, String)>,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let primary =
        |quote: &Quote<'a>| quote.snippet().annotation(AnnotationKind::Primary.span(quote.span(place)));
    let Some((other, label)) = related else { return vec![primary(&Quote::of(&[place]))] };
    let second = |quote: &Quote<'a>| AnnotationKind::Context.span(quote.span(other)).label(shown(label));
    if place.same_text(other) {
        let quote = Quote::of(&[place, other]);
        vec![primary(&quote).annotation(second(&quote))]
    } else {
        let (first, quote) = (Quote::of(&[place]), Quote::of(&[other]));
        vec![primary(&first), quote.snippet().annotation(second(&quote))]
    }
}

/// The lines of a text that some places are in: the renderer looks at all of the text it is given, for each problem.
struct Quote<'a> {
    place: &'a Place,
    lines: Range<usize>,
}

impl<'a> Quote<'a> {
    fn of<const N: usize>(places: &[&'a Place; N]) -> Self {
        let (place, text) = (places[0], places[0].text());
        let start = places.iter().map(|place| place.range().start).min().unwrap_or(0);
        let end = places.iter().map(|place| place.range().end).max().unwrap_or(0);
        let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let to = text[end..].find('\n').map_or(text.len(), |at| end + at + 1);
        Self { place, lines: from..to }
    }

    fn snippet(&self) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let text = self.place.text();
        let line = text[..self.lines.start].matches('\n').count() + 1;
        Snippet::source(&text[self.lines.clone()]).line_start(line).path(self.place.name())
    }

    fn span(&self, place: &Place) -> Range<usize> {
        place.range().start - self.lines.start..place.range().end - self.lines.start
    }
}

/// All that is wrong, in the order of the files and their lines.
#[derive(Clone, Debug)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Returns every problem as text: the message, the place, the line with a caret, and the hint.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let parts: Vec<String> = self.0.iter().map(|problem| renderer.render(&[problem.group()])).collect();
        // The renderer shows most control characters as pictures; these it leaves.
        let drives = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        parts.join("\n\n").replace(drives, "\u{fffd}")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// Collects problems while the work goes on.
///
/// It is shared by readers that stand side by side, hence the cell.
#[derive(Debug, Default)]
pub(crate) struct Report(RefCell<Vec<Problem>>);

impl Report {
    /// Takes a problem down; the same one for a further host only adds that host.
    pub(crate) fn add(&self, problem: Problem) {
        let mut problems = self.0.borrow_mut();
        match problems.iter_mut().find(|known| known.same_but_for_hosts(&problem)) {
            Some(known) => {
                for host in problem.hosts {
                    if !known.hosts.contains(&host) {
                        known.hosts.push(host);
                    }
                }
            }
            None => problems.push(problem),
        }
    }

    /// Takes back which hosts a problem is for where it is for all of them: it isn't the host's fault then.
    pub(crate) fn forget_hosts_where_all(&self, count: usize) {
        for problem in self.0.borrow_mut().iter_mut().filter(|problem| problem.hosts.len() == count) {
            problem.hosts.clear();
        }
    }

    /// Returns whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Returns the problems, sorted by text (in the order in which the texts were first complained about) and line.
    pub(crate) fn into_problems(self) -> Problems {
        let mut problems = self.0.into_inner();
        let mut texts: Vec<Place> = Vec::new();
        for place in problems.iter().filter_map(|p| p.place.as_ref()) {
            if !texts.iter().any(|known| known.same_text(place)) {
                texts.push(place.clone());
            }
        }
        problems.sort_by_key(|problem| {
            problem
                .place
                .as_ref()
                .map(|place| (texts.iter().position(|known| known.same_text(place)), place.range().start))
        });
        Problems(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Source;

    fn whole(place: &Place, other: &Place) -> String {
        let snippet = Snippet::source(place.text())
            .path(place.name())
            .annotation(AnnotationKind::Primary.span(place.range()))
            .annotation(AnnotationKind::Context.span(other.range()).label("first here"));
        Renderer::plain().render(&[Group::with_title(Level::ERROR.primary_title("wrong")).element(snippet)])
    }

    #[test]
    fn the_lines_that_are_quoted_are_told_as_if_all_of_the_text_were_given() {
        let source = Source::of_argument("fleet.toml", "a = 1\n\nbü = [\n  2,\r\n]\nlast");
        let ends: Vec<usize> =
            (0..=source.text.len()).filter(|at| source.text.is_char_boundary(*at)).collect();
        let ranges: Vec<Range<usize>> = ends
            .iter()
            .flat_map(|from| ends.iter().map(|to| *from..*to))
            .filter(|r| r.start <= r.end)
            .collect();
        for range in &ranges {
            for related in ranges.iter().step_by(7) {
                let (place, other) =
                    (Place::new(&source, range.clone()), Place::new(&source, related.clone()));
                let problem = Problem::at(&place, "wrong").related(&other, "first here");
                assert_eq!(
                    Problems(vec![problem]).render(false),
                    whole(&place, &other),
                    "{range:?} {related:?}"
                );
            }
        }
    }
}
