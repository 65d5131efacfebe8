//! Chooses hosts by a selector, and says why when it chooses none.

use super::selector::parse;
use crate::nearest::did_you_mean;
use crate::place::At;
use crate::problem::{Problem, Report};
use std::collections::BTreeSet;

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
