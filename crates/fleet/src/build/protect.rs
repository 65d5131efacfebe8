//! Paths that a change touches only when it says so, and those that none ever touches.

use super::dest;
use crate::place::{At, Place};
use crate::problem::{Problem, Report};
use globset::{Glob, GlobMatcher};
use std::sync::LazyLock;

/// What this program keeps on the target: its undo depends on it, so no change may touch it.
const OUR_OWN: &[&str] = &[
    "/var/lib/snapback",
    "/etc/snapback",
    "/etc/systemd/system/snapback-*",
    "/etc/init.d/snapback-*",
    "/etc/runlevels/*/snapback-*",
    "/etc/rc*.d/*snapback-boot*",
    "/etc/rc.d/*snapback-boot*",
];

/// The same, read once: to compile globs takes longer than to read most fleet files.
static OWN: LazyLock<Vec<Pattern>> =
    LazyLock::new(|| OUR_OWN.iter().filter_map(|text| Pattern::new(text, None).ok()).collect());

/// A path with globs; it stands for what it matches and for everything below that.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    place: Option<Place>,
    parts: Vec<Part>,
}

/// What one name of a path must be. Names are compared one by one: each path of each host is judged, so a path
/// without globs must cost no more than comparing it.
#[derive(Clone, Debug)]
enum Part {
    /// This name.
    Name(String),
    /// A name that matches.
    Glob(GlobMatcher),
    /// `**`: any number of names.
    Any,
}

impl Part {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "**" => Ok(Self::Any),
            _ if !text.contains(['*', '?', '[', '{', '\\']) => Ok(Self::Name(text.to_owned())),
            _ => Glob::new(text)
                .map(|glob| Self::Glob(glob.compile_matcher()))
                .map_err(|why| why.kind().to_string()),
        }
    }

    fn is(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Glob(glob) => glob.is_match(name),
            Self::Any => true,
        }
    }
}

/// How a path stands to a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The pattern has nothing to do with it.
    Apart,
    /// It is on the way to what matches.
    Above,
    /// Something below it could match a `**`, as it could anywhere.
    Perhaps,
    /// It matches, or is below what matches.
    Covered,
}

impl Pattern {
    fn new(text: &str, place: Option<Place>) -> Result<Self, String> {
        let bare = text.strip_suffix("/**").unwrap_or(text);
        let (bare, _) = dest::parse(if bare.is_empty() { "/" } else { bare })?;
        let parts = bare.split('/').skip(1).map(Part::read).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), place, parts })
    }

    /// Returns the patterns that could be read.
    pub(crate) fn read_all(texts: &[At<String>], report: &Report) -> Vec<Self> {
        let read = |text: &At<String>| match Self::new(&text.value, Some(text.place.clone())) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                let hint = "write an absolute path; `*`, `?` and `**` are globs";
                report.add(Problem::at(&text.place, why).hint(hint));
                None
            }
        };
        texts.iter().filter_map(read).collect()
    }

    fn standing(&self, path: &str) -> Standing {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        standing(&self.parts, &names)
    }

    fn covers(&self, path: &str) -> bool {
        self.standing(path) == Standing::Covered
    }
}

fn standing(parts: &[Part], names: &[&str]) -> Standing {
    match (parts, names) {
        ([], _) => Standing::Covered,
        ([Part::Any, ..], []) => Standing::Perhaps,
        (_, []) => Standing::Above,
        ([Part::Any, rest @ ..], [_, below @ ..]) => match standing(rest, names) {
            Standing::Covered => Standing::Covered,
            // `**` may also stand for this name and more.
            _ => standing(parts, below),
        },
        ([part, rest @ ..], [name, below @ ..]) if part.is(name) => standing(rest, below),
        _ => Standing::Apart,
    }
}

/// What a change does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Only the path itself, as a folder that keeps what is in it.
    Itself,
    /// The path, which is no folder afterwards.
    Replaced,
    /// The path and whatever is below it: put back or deleted.
    Whole,
}

/// All that is protected in a fleet, besides what is our own.
#[derive(Debug)]
pub(crate) struct Protection {
    users: Vec<Pattern>,
}

impl Protection {
    /// Returns what the fleet file protects.
    pub(crate) fn new(protected_paths: &[At<String>], report: &Report) -> Self {
        Self { users: Pattern::read_all(protected_paths, report) }
    }

    /// Returns the problem of a change that touches this path, if there is one.
    pub(crate) fn judge(
        &self,
        path: &str,
        touch: Touch,
        allow: &[Pattern],
        place: &Place,
    ) -> Option<Problem> {
        let hit = |pattern: &&Pattern| match pattern.standing(path) {
            Standing::Covered => true,
            Standing::Above => touch != Touch::Itself,
            Standing::Perhaps => touch == Touch::Whole,
            Standing::Apart => false,
        };
        if let Some(own) = OWN.iter().find(hit) {
            let message = format!("{path} is out of bounds: snapback keeps its undo in {}", own.text);
            return Some(Problem::at(place, message).hint("no `allow` can change that; choose another path"));
        }
        let hit = self.users.iter().find(hit)?;
        if allow.iter().any(|pattern| pattern.covers(path)) {
            return None;
        }
        let problem = Problem::at(place, format!("{path} is protected by {:?}", hit.text))
            .hint(format!("if this change is meant to touch it, add allow = [{path:?}] to the change"));
        Some(match &hit.place {
            Some(place) => problem.related(place, "protected here"),
            None => problem,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Source;

    fn texts(list: &[&str]) -> Vec<At<String>> {
        let text = |text: &&str| {
            let source = Source::of_argument("test", text);
            At { value: (*text).to_owned(), place: Place::whole(&source) }
        };
        list.iter().map(text).collect()
    }

    fn allowed(protected: &[&str], allow: &[&str], path: &str, touch: Touch) -> bool {
        let report = Report::default();
        let protection = Protection::new(&texts(protected), &report);
        let allow = Pattern::read_all(&texts(allow), &report);
        assert!(report.is_empty());
        let place = Place::whole(&Source::of_argument("test", "x"));
        protection.judge(path, touch, &allow, &place).is_none()
    }

    #[test]
    fn a_pattern_protects_what_it_matches_and_everything_below() {
        for pattern in ["/etc/ssh/**", "/etc/ssh", "/etc/ssh/", "/etc/s*"] {
            assert!(!allowed(&[pattern], &[], "/etc/ssh/sshd_config", Touch::Whole), "{pattern}");
            assert!(!allowed(&[pattern], &[], "/etc/ssh/sshd_config.d/a.conf", Touch::Whole), "{pattern}");
            assert!(!allowed(&[pattern], &[], "/etc/ssh", Touch::Itself), "{pattern}");
        }
        assert!(!allowed(&["/**/keys"], &[], "/srv/shop/keys/a", Touch::Itself));
        assert!(!allowed(&["/srv/**/keys"], &[], "/srv/keys", Touch::Itself));
        assert!(allowed(&["/srv/**/keys"], &[], "/srv/shop/a", Touch::Itself));
        assert!(allowed(&["/**/keys"], &[], "/srv/shop/a", Touch::Replaced));
        assert!(!allowed(&["/**/keys"], &[], "/srv/shop", Touch::Whole));
        assert!(!allowed(&["/**"], &[], "/srv", Touch::Itself));
        assert!(allowed(&["/etc/ssh/**"], &[], "/etc/sshx", Touch::Whole));
        assert!(allowed(&["/etc/ssh/**"], &[], "/etc", Touch::Itself));
    }

    #[test]
    fn replacing_or_purging_a_folder_touches_what_is_protected_below_it() {
        assert!(!allowed(&["/etc/ssh/**"], &[], "/etc", Touch::Whole));
        assert!(!allowed(&["/srv/*/keys"], &[], "/srv/shop", Touch::Whole));
        assert!(allowed(&["/etc/ssh/**"], &[], "/etc/shop", Touch::Whole));
        assert!(!allowed(&[], &[], "/var/lib", Touch::Whole));
        assert!(!allowed(&[], &[], "/var/lib", Touch::Replaced));
        assert!(!allowed(&[], &[], "/etc/systemd/system", Touch::Whole));
    }

    #[test]
    fn allow_opens_what_it_lists_and_nothing_else() {
        assert!(allowed(&["/etc/ssh/**"], &["/etc/ssh/sshd_config"], "/etc/ssh/sshd_config", Touch::Whole));
        assert!(!allowed(&["/etc/ssh/**"], &["/etc/ssh/sshd_config"], "/etc/ssh/ssh_config", Touch::Whole));
        assert!(allowed(&["/etc/ssh/**"], &["/etc/ssh/*"], "/etc/ssh/ssh_config", Touch::Whole));
    }

    #[test]
    fn our_own_state_and_hooks_can_not_be_allowed() {
        for path in
            ["/var/lib/snapback/current", "/etc/snapback", "/etc/systemd/system/snapback-boot.service"]
        {
            assert!(!allowed(&[], &["/**"], path, Touch::Whole), "{path}");
        }
        assert!(allowed(&[], &[], "/etc/systemd/system/shop.service", Touch::Whole));
    }
}
