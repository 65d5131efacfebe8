//! Where Debian packages come from: whatever the machine itself uses.

use super::program::run;
use std::fs;

/// What to hand to debootstrap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The release.
    pub(crate) suite: String,
    /// The archive; absent where the machine isn't one of that release: debootstrap then uses its default.
    pub(crate) archive: Option<String>,
}

/// What a machine gets that is neither Debian nor Ubuntu.
const SUITE_ELSEWHERE: &str = "bookworm";

/// Finds the release and the archive from the machine's own apt configuration.
pub(crate) fn source() -> Source {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let format = "$(CODENAME) $(REPO_URI)";
    let targets = run(&["apt-get", "indextargets", "--format", format, "Identifier: Packages"]);
    choose(&release, &targets.unwrap_or_default())
}

fn choose(os_release: &str, index_targets: &str) -> Source {
    let field = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let debian_like = matches!(field("ID=").as_deref(), Some("debian" | "ubuntu"));
    let suite = field("VERSION_CODENAME=").filter(|name| debian_like && !name.is_empty());
    let suite = suite.unwrap_or_else(|| SUITE_ELSEWHERE.to_owned());
    let matching = index_targets.lines().filter_map(|line| line.split_once(' '));
    let archive =
        matching.into_iter().find(|(codename, _)| *codename == suite).map(|(_, uri)| uri.to_owned());
    Source { suite, archive }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str =
        "stable-updates mirror://a/updates/\nstable mirror://a/main/\nstable mirror://b/main/\n";

    #[test]
    fn takes_the_archive_of_the_running_release() {
        let source = choose("ID=debian\nVERSION_CODENAME=stable\n", TARGETS);
        assert_eq!(source, Source { suite: "stable".into(), archive: Some("mirror://a/main/".into()) });
    }

    #[test]
    fn leaves_the_archive_to_debootstrap_elsewhere() {
        let source = choose("ID=fedora\nVERSION_CODENAME=\"\"\n", "");
        assert_eq!(source, Source { suite: "bookworm".into(), archive: None });
    }
}
