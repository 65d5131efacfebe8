//! The language of `on` and `--limit`: name, glob, `tag:x`, `group:x`, `!`, `&&`, `||` and parentheses.

use super::range;
use super::select::Candidate;
use globset::{Glob, GlobMatcher};
use std::ops::Range;

/// A selector as a tree.
pub(super) enum Expr {
    Atom(Atom, Range<usize>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

/// What is asked of a host by itself.
pub(super) enum Atom {
    Tag(String),
    Group(String),
    Names(Vec<GlobMatcher>),
}

impl Atom {
    /// Returns whether the host is meant.
    pub(super) fn holds(&self, host: &Candidate) -> bool {
        match self {
            Self::Tag(tag) => host.tags.contains(tag),
            Self::Group(group) => host.groups.contains(group),
            Self::Names(globs) => globs.iter().any(|glob| glob.is_match(&host.name)),
        }
    }
}

impl Expr {
    /// Returns whether the host is meant.
    pub(super) fn holds(&self, host: &Candidate) -> bool {
        match self {
            Self::Atom(atom, _) => atom.holds(host),
            Self::Not(inner) => !inner.holds(host),
            Self::And(left, right) => left.holds(host) && right.holds(host),
            Self::Or(left, right) => left.holds(host) || right.holds(host),
        }
    }

    /// Collects all that is asked, with the place in the text.
    pub(super) fn atoms<'e>(&'e self, found: &mut Vec<(&'e Atom, Range<usize>)>) {
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

/// Why a text is no selector.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// What was parsed, or what is wrong and where in the text.
pub(super) type Parsed<T> = Result<T, (Range<usize>, Wrong)>;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word,
    Not,
    And,
    Or,
    Open,
    Close,
}

/// Parses a selector.
pub(super) fn parse(text: &str) -> Parsed<Expr> {
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
