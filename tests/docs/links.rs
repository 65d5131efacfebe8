//! Links between pages lead somewhere.

use crate::pages::{Page, page, pages, top};

/// The goals of all links of a page.
fn links(page: &Page) -> Vec<String> {
    let prose: String = page.text.split("```").step_by(2).collect();
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(goal, _)| goal.to_owned())
        .collect()
}

/// A heading as it is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept: String = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
    kept.trim().replace(' ', "-")
}

fn has_anchor(page: &Page, wanted: &str) -> bool {
    let headings = page.text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|found| found == wanted)
}

#[test]
fn links_between_pages_resolve() {
    let mut followed = 0;
    for from in pages() {
        for link in links(&from).into_iter().filter(|link| !link.contains("://")) {
            let (path, wanted) = link.split_once('#').unwrap_or((&link, ""));
            let folder = top().join(&from.path).parent().unwrap().to_path_buf();
            let goal = if path.is_empty() { top().join(&from.path) } else { folder.join(path) };
            assert!(goal.exists(), "{}: {link} leads nowhere", from.path);
            if !wanted.is_empty() {
                let goal = goal.canonicalize().unwrap();
                let goal = page(&goal.strip_prefix(top()).unwrap().to_string_lossy());
                assert!(has_anchor(&goal, wanted), "{}: {link}: there is no such heading", from.path);
            }
            followed += 1;
        }
    }
    assert!(followed > 10, "the links are gone");
}

#[test]
fn every_page_can_be_found_from_the_index() {
    let index = links(&page("docs/README.md"));
    for page in pages() {
        let Some(name) = page.path.strip_prefix("docs/").filter(|name| *name != "README.md") else {
            continue;
        };
        assert!(index.iter().any(|link| link == name), "docs/README.md doesn't lead to {name}");
    }
}
