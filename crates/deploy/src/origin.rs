//! Where a run is started from: the branch and the page of the CI job, as the usual CI systems say in the environment,
//! else the branch that is checked out.

use snapback_core::lease::Origin;
use std::fs;
use std::path::{Path, PathBuf};

/// Variables that name the branch; the first that is set counts.
const BRANCH: [&str; 11] = [
    // GitHub, Gitea, Forgejo: of a pull request, then of a push.
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    // GitLab.
    "CI_COMMIT_REF_NAME",
    // Woodpecker.
    "CI_COMMIT_BRANCH",
    // Jenkins, with and without its multibranch plugin.
    "BRANCH_NAME",
    "GIT_BRANCH",
    "BUILDKITE_BRANCH",
    "CIRCLE_BRANCH",
    "DRONE_BRANCH",
    "BITBUCKET_BRANCH",
    // Azure.
    "BUILD_SOURCEBRANCHNAME",
];

/// Variables that hold the address of the job's page.
const URL: [&str; 7] = [
    "CI_JOB_URL",
    "CI_PIPELINE_URL",
    "BUILD_URL",
    "BUILDKITE_BUILD_URL",
    "CIRCLE_BUILD_URL",
    "DRONE_BUILD_LINK",
    "TRAVIS_BUILD_WEB_URL",
];

/// Returns where this process was started from; `dir` is the fleet file's folder.
pub(crate) fn origin(dir: &Path) -> Origin {
    of(|name| std::env::var(name).ok(), dir)
}

fn of(variable: impl Fn(&str) -> Option<String>, dir: &Path) -> Origin {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let first = |names: &[&str]| names.iter().find_map(|name| set(name));
    let github = || {
        let (server, repository) = (set("GITHUB_SERVER_URL")?, set("GITHUB_REPOSITORY")?);
        Some(format!("{server}/{repository}/actions/runs/{}", set("GITHUB_RUN_ID")?))
    };
    Origin { branch: first(&BRANCH).or_else(|| checked_out(dir)), url: first(&URL).or_else(github) }
}

/// The branch that is checked out there. A file is read: git itself need not be installed.
fn checked_out(dir: &Path) -> Option<String> {
    let dir = std::path::absolute(dir).ok()?;
    let git = dir.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    let head = fs::read_to_string(git_dir(git)?.join("HEAD")).ok()?;
    head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned)
}

/// In a worktree `.git` is a file that names the folder.
fn git_dir(git: PathBuf) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    Some(git.parent()?.join(text.trim().strip_prefix("gitdir: ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_environment(variables: &[(&str, &str)], dir: &Path) -> (Option<String>, Option<String>) {
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let origin = of(value, dir);
        (origin.branch, origin.url)
    }

    fn some(branch: &str, url: &str) -> (Option<String>, Option<String>) {
        (Some(branch.to_owned()), Some(url.to_owned()))
    }

    #[test]
    fn ci_systems_name_the_branch_and_the_page() {
        let none = Path::new("/");
        let github = [
            ("GITHUB_HEAD_REF", ""),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "shop/shop"),
            ("GITHUB_RUN_ID", "7"),
        ];
        assert_eq!(
            of_environment(&github, none),
            some("main", "https://github.com/shop/shop/actions/runs/7")
        );
        let gitlab =
            [("CI_COMMIT_REF_NAME", "fix"), ("CI_JOB_URL", "https://ci/1"), ("CI_PIPELINE_URL", "no")];
        assert_eq!(of_environment(&gitlab, none), some("fix", "https://ci/1"));
        let jenkins = [("GIT_BRANCH", "origin/main"), ("BUILD_URL", "https://j/2")];
        assert_eq!(of_environment(&jenkins, none), some("origin/main", "https://j/2"));
        assert_eq!(of_environment(&[], none), (None, None));
    }

    #[test]
    fn elsewhere_the_branch_that_is_checked_out_counts() {
        let dir = tempfile::tempdir().unwrap();
        let fleet = dir.path().join("a/fleets");
        fs::create_dir_all(&fleet).unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        fs::write(dir.path().join("real/HEAD"), "ref: refs/heads/topic/x\n").unwrap();
        assert_eq!(of_environment(&[], &fleet).0, None);
        fs::write(dir.path().join("a/.git"), "gitdir: ../real\n").unwrap();
        assert_eq!(of_environment(&[], &fleet).0.as_deref(), Some("topic/x"));
        fs::write(dir.path().join("real/HEAD"), "0123456789abcdef\n").unwrap();
        assert_eq!(of_environment(&[], &fleet).0, None, "no branch is checked out");
    }
}
