//! The language of `on` and `--limit`: name, glob, `tag:x`, `group:x`, `!`, `&&`, `||` and parentheses.

use super::range;
use crate::nearest::did_you_mean;
use crate::place::At;
use crate::problem::{Problem, Report};
use globset::{Glob, GlobMatcher};
use std::collections::BTreeSet;
use std::ops::Range;

/// What can be asked of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    pub(crate) groups: Vec<String>,
}

/// Chooses among the hosts of a fleet.
#[derive(Debug)]
pub(crate) struct Chooser<'a> {
    /// The hosts, in file order.
    pub(crate) hosts: &'a [Candidate],
    /// The groups that may be named.
    pub(crate) groups: &'a [String],
    /// Where problems go.
    pub(crate) report: &'a Report,
}

enum Expr {
    Atom(Atom, Range<usize>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

enum Atom {
    Tag(String),
    Group(String),
    Names(Vec<GlobMatcher>),
}

impl Atom {
    fn holds(&self, host: &Candidate) -> bool {
        match self {
            Self::Tag(tag) => host.tags.contains(tag),
            Self::Group(group) => host.groups.contains(group),
            Self::Names(globs) => globs.iter().any(|glob| glob.is_match(&host.name)),
        }
    }
}

impl Expr {
    fn holds(&self, host: &Candidate) -> bool {
        match self {
            Self::Atom(atom, _) => atom.holds(host),
            Self::Not(inner) => !inner.holds(host),
            Self::And(left, right) => left.holds(host) && right.holds(host),
            Self::Or(left, right) => left.holds(host) || right.holds(host),
        }
    }

    fn atoms<'e>(&'e self, found: &mut Vec<(&'e Atom, Range<usize>)>) {
        match self {
            Self::Atom(atom, at) => found.push((atom, at.clone())),
            Self::Not(inner) => inner.atoms(found),
            Self::And(left, right) | Self::Or(left, right) => {
                left.atoms(found);
                right.atoms(found);
            }
        }
    }
}

impl Chooser<'_> {
    /// Returns the positions of the chosen hosts; `None` when the selector is wrong, and it has been said.
    ///
    /// Each name, tag and group in it must match something, so that a slip behind `!` can't include a host that
    /// was to be left out.
    pub(crate) fn choose(&self, selector: &At<String>) -> Option<Vec<usize>> {
        let expr = match parse(&selector.value) {
            Ok(expr) => expr,
            Err((at, why)) => {
                self.report.add(Problem::at(&selector.part(at), why.message).maybe_hint(why.hint));
                return None;
            }
        };
        let mut atoms = Vec::new();
        expr.atoms(&mut atoms);
        let empty: Vec<_> =
            atoms.into_iter().filter(|(atom, _)| !self.hosts.iter().any(|h| atom.holds(h))).collect();
        for (_, at) in &empty {
            let written = &selector.value[at.clone()];
            let problem = Problem::at(&selector.part(at.clone()), format!("`{written}` matches no host"));
            self.report.add(problem.maybe_hint(self.suggest(written)));
        }
        if !empty.is_empty() {
            return None;
        }
        let chosen: Vec<usize> = (0..self.hosts.len()).filter(|at| expr.holds(&self.hosts[*at])).collect();
        if chosen.is_empty() {
            let problem = Problem::at(&selector.place, "this selects no host");
            self.report.add(problem.hint("each part matches some host, but all of it together none"));
            return None;
        }
        Some(chosen)
    }

    fn suggest(&self, written: &str) -> Option<String> {
        if let Some(tag) = written.strip_prefix("tag:") {
            let tags: BTreeSet<&str> =
                self.hosts.iter().flat_map(|h| h.tags.iter().map(String::as_str)).collect();
            return did_you_mean(tag, tags)
                .map(|hint| hint.replace('`', "").replacen("mean ", "mean tag:", 1));
        }
        if let Some(group) = written.strip_prefix("group:") {
            let groups = self.groups.iter().map(String::as_str);
            return did_you_mean(group, groups)
                .map(|hint| hint.replace('`', "").replacen("mean ", "mean group:", 1));
        }
        let is = |set: &dyn Fn(&Candidate) -> bool| self.hosts.iter().any(set);
        if is(&|host| host.tags.iter().any(|tag| tag == written)) {
            return Some(format!("it is a tag: write tag:{written}"));
        }
        if self.groups.iter().any(|group| group == written) {
            return Some(format!("it is a group: write group:{written}"));
        }
        did_you_mean(written, self.hosts.iter().map(|host| host.name.as_str()))
    }
}

struct Wrong {
    message: String,
    hint: Option<String>,
}

type Parsed<T> = Result<T, (Range<usize>, Wrong)>;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word,
    Not,
    And,
    Or,
    Open,
    Close,
}

fn parse(text: &str) -> Parsed<Expr> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, at: 0, depth: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        None => Ok(expr),
        Some((Token::Word, at)) => wrong(at, "`&&` or `||` is missing before this", None),
        Some((_, at)) => wrong(at, "this closes nothing", None),
    }
}

fn wrong<T>(at: Range<usize>, message: impl Into<String>, hint: Option<&str>) -> Parsed<T> {
    Err((at, Wrong { message: message.into(), hint: hint.map(str::to_owned) }))
}

fn tokens(text: &str) -> Parsed<Vec<(Token, Range<usize>)>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, len) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '!' => (Token::Not, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '&' if rest.starts_with("&&") => (Token::And, 2),
            '|' if rest.starts_with("||") => (Token::Or, 2),
            '&' | '|' => {
                return wrong(at..at + 1, format!("`{c}` stands alone"), Some("write it twice: `&&`, `||`"));
            }
            ',' => {
                return wrong(
                    at..at + 1,
                    "`,` is not part of a selector",
                    Some("write `||` between two names"),
                );
            }
            _ => (Token::Word, word_len(rest)),
        };
        tokens.push((token, at..at + len));
        at += len;
    }
    Ok(tokens)
}

/// A word ends at a blank or an operator; inside of glob brackets, `!` and `,` belong to it.
fn word_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            c if c.is_whitespace() || "&|()".contains(c) => return at,
            '!' | ',' if depth == 0 => return at,
            _ => {}
        }
    }
    rest.len()
}

/// Deeper nesting than any person writes; the parser calls itself.
const DEEPEST: usize = 50;

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<(Token, Range<usize>)> {
        self.tokens.get(self.at).cloned()
    }

    fn eat(&mut self, token: &Token) -> bool {
        let there = self.peek().is_some_and(|(next, _)| next == *token);
        self.at += usize::from(there);
        there
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.eat(&Token::Or) {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        while self.eat(&Token::And) {
            left = Expr::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let end = self.text.len();
        let Some((token, at)) = self.peek() else {
            let message = if self.text.trim().is_empty() {
                "this selector is empty"
            } else {
                "something is missing here"
            };
            let start = if self.text.trim().is_empty() { 0 } else { end.saturating_sub(1) };
            return wrong(start..end, message, Some("name a host, a glob, tag:x or group:x"));
        };
        self.depth += 1;
        if self.depth > DEEPEST {
            return wrong(at, "this is nested too deep", None);
        }
        self.at += 1;
        let expr = match token {
            Token::Not => Expr::Not(Box::new(self.unary()?)),
            Token::Open => {
                let inner = self.or()?;
                if !self.eat(&Token::Close) {
                    return wrong(at, "this parenthesis is never closed", None);
                }
                inner
            }
            Token::Word => Expr::Atom(atom(&self.text[at.clone()], &at)?, at),
            Token::And | Token::Or | Token::Close => {
                return wrong(at, "a host, a tag or a group is missing before this", None);
            }
        };
        self.depth -= 1;
        Ok(expr)
    }
}

fn atom(word: &str, at: &Range<usize>) -> Parsed<Atom> {
    if let Some(tag) = word.strip_prefix("tag:") {
        return Ok(Atom::Tag(tag.to_owned()));
    }
    if let Some(group) = word.strip_prefix("group:") {
        return Ok(Atom::Group(group.to_owned()));
    }
    // `[01-03]` means the same here as in `[hosts."app[01-03]"]`; to a glob it would be a set of characters.
    let names = range::expand(word).unwrap_or_else(|_| vec![word.to_owned()]);
    let globs: Result<Vec<GlobMatcher>, globset::Error> =
        names.iter().map(|name| Glob::new(name).map(|glob| glob.compile_matcher())).collect();
    match globs {
        Ok(globs) => Ok(Atom::Names(globs)),
        Err(why) => wrong(at.clone(), format!("this is no glob: {}", why.kind()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{Place, Source};

    fn fleet() -> Vec<Candidate> {
        let host = |name: &str, tags: &[&str], groups: &[&str]| Candidate {
            name: name.to_owned(),
            tags: tags.iter().map(|t| (*t).to_owned()).collect(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        };
        vec![
            host("app01.example.org", &["app", "eu"], &["web"]),
            host("app02.example.org", &["app"], &["web"]),
            host("app03.example.org", &["app", "eu"], &[]),
            host("db01.example.org", &["db"], &[]),
        ]
    }

    fn choose(text: &str) -> Result<Vec<usize>, String> {
        let report = Report::default();
        let source = Source::of_argument("--limit", text);
        let selector = At { value: text.to_owned(), place: Place::whole(&source) };
        let groups = ["web".to_owned()];
        let chosen = Chooser { hosts: &fleet(), groups: &groups, report: &report }.choose(&selector);
        chosen.ok_or_else(|| {
            let problems = report.into_problems().0;
            problems.into_iter().map(|p| format!("{} ({})", p.message, p.hint.unwrap_or_default())).collect()
        })
    }

    #[test]
    fn names_globs_tags_groups_and_operators_choose() {
        for (text, hosts) in [
            ("db01.example.org", vec![3]),
            ("app*", vec![0, 1, 2]),
            ("app[02-03].example.org", vec![1, 2]),
            ("app0[!1]*", vec![1, 2]),
            ("{db,app03}*", vec![2, 3]),
            ("tag:eu", vec![0, 2]),
            ("group:web", vec![0, 1]),
            ("!tag:app", vec![3]),
            ("tag:app && !tag:eu", vec![1]),
            ("tag:db||group:web && tag:eu", vec![0, 3]),
            ("(tag:db || group:web) && !app02*", vec![0, 3]),
            ("!(tag:db || group:web)", vec![2]),
        ] {
            assert_eq!(choose(text), Ok(hosts), "{text}");
        }
    }

    #[test]
    fn a_part_that_matches_nothing_is_an_error_even_behind_a_not() {
        for (text, why) in [
            ("tag:ap", "`tag:ap` matches no host (did you mean tag:app?)"),
            ("group:wbe", "`group:wbe` matches no host (did you mean group:web?)"),
            ("!app09.example.org", "`app09.example.org` matches no host (did you mean `app01.example.org`?)"),
            ("db", "`db` matches no host (it is a tag: write tag:db)"),
            ("web", "`web` matches no host (it is a group: write group:web)"),
            (
                "tag:app && tag:db",
                "this selects no host (each part matches some host, but all of it together none)",
            ),
        ] {
            assert_eq!(choose(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "this selector is empty (name a host, a glob, tag:x or group:x)"),
            ("tag:app &&", "something is missing here (name a host, a glob, tag:x or group:x)"),
            ("&& tag:app", "a host, a tag or a group is missing before this ()"),
            ("tag:app & tag:eu", "`&` stands alone (write it twice: `&&`, `||`)"),
            ("app01*,app02*", "`,` is not part of a selector (write `||` between two names)"),
            ("tag:app tag:eu", "`&&` or `||` is missing before this ()"),
            ("(tag:app", "this parenthesis is never closed ()"),
            ("tag:app)", "this closes nothing ()"),
        ] {
            assert_eq!(choose(text), Err(why.to_owned()), "{text}");
        }
        assert!(choose(&"!".repeat(100_000)).is_err());
        assert!(choose(&"(".repeat(100_000)).is_err());
    }
}
