//! Where Debian packages come from: whatever the machine itself uses.

use super::program::run;
use std::fs;

/// What to hand to debootstrap.
#[derive(Debug)]
pub(crate) struct Source {
    /// The release.
    pub(crate) suite: String,
    /// The archive; absent where the machine isn't one of that release: debootstrap then uses its default.
    pub(crate) archive: Option<String>,
}

/// What a machine gets that is neither Debian nor Ubuntu.
const SUITE_ELSEWHERE: &str = "bookworm";

/// Finds the release, and where to get it, from the machine's own apt configuration.
pub(crate) fn source() -> Source {
    let format = "$(CODENAME) $(REPO_URI)";
    let targets = run(&["apt-get", "indextargets", "--format", format, "Identifier: Packages"]);
    let suite = suite();
    let archive = archive_of(&suite, &targets.unwrap_or_default());
    Source { suite, archive }
}

/// Finds the release alone: asking apt takes half a second.
pub(crate) fn suite() -> String {
    suite_of(&fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn suite_of(os_release: &str) -> String {
    let field = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let debian_like = matches!(field("ID=").as_deref(), Some("debian" | "ubuntu"));
    let suite = field("VERSION_CODENAME=").filter(|name| debian_like && !name.is_empty());
    suite.unwrap_or_else(|| SUITE_ELSEWHERE.to_owned())
}

fn archive_of(suite: &str, index_targets: &str) -> Option<String> {
    let mut archives = index_targets.lines().filter_map(|line| line.split_once(' '));
    archives.find(|(codename, _)| *codename == suite).map(|(_, uri)| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str =
        "stable-updates mirror://a/updates/\nstable mirror://a/main/\nstable mirror://b/main/\n";

    #[test]
    fn takes_the_archive_of_the_running_release() {
        let suite = suite_of("ID=debian\nVERSION_CODENAME=stable\n");
        assert_eq!(archive_of(&suite, TARGETS).as_deref(), Some("mirror://a/main/"));
    }

    #[test]
    fn leaves_the_archive_to_debootstrap_elsewhere() {
        let suite = suite_of("ID=fedora\nVERSION_CODENAME=\"\"\n");
        assert_eq!((suite.as_str(), archive_of(&suite, "")), ("bookworm", None));
    }
}
