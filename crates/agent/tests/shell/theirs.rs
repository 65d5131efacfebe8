//! What somebody else does between our change and its undo is kept aside and told.

use crate::everywhere;
use crate::job::{Files, Work, script};
use crate::target::{Answers, Begun, Target};
use crate::tree::{assert_same, look};
use snapback_agent::journal::Entry;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn warnings(end: &Answers) -> Vec<String> {
    let entries = end.journal().into_iter();
    entries.filter_map(|e| if let Entry::Warning { text } = e { Some(text.clone()) } else { None }).collect()
}

/// Where their version of a path is kept, and what it holds.
fn kept(t: &Target, begun: &Begun, name: &str) -> String {
    let path = t.tx(&begun.tx, "theirs").join(t.dest(name).trim_start_matches('/'));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn told(t: &Target, begun: &Begun, end: &Answers, name: &str) {
    let theirs = format!("{}{}", t.tx(&begun.tx, "theirs").display(), t.dest(name));
    let found = warnings(end).iter().any(|w| w.starts_with(&t.dest(name)) && w.ends_with(&theirs));
    assert!(found, "{name} in {:#?}", warnings(end));
}

/// Changes, makes, removes and chmods by somebody else, then the undo.
fn check(t: &Target, begun: &Begun, before: &std::collections::BTreeMap<String, String>, ours: &str) {
    assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
    t.write("app/changed", "theirs");
    fs::set_permissions(t.dest("app/chmod"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::remove_file(t.dest("app/removed")).unwrap();
    t.write("app/made/on the way/by them", "new by them");
    let end = t.verb(&["rollback", &begun.tx]);
    assert!(end.whole().rolled_back().is_some(), "{end:#?}");
    for name in ["app/changed", "app/chmod", "app/made/on the way/by them"] {
        told(t, begun, &end, name);
    }
    assert_eq!(kept(t, begun, "app/changed"), "theirs");
    assert_eq!(kept(t, begun, "app/chmod"), ours);
    assert_eq!(kept(t, begun, "app/made/on the way/by them"), "new by them");
    let removed =
        warnings(&end).iter().any(|w| w.starts_with(&t.dest("app/removed")) && w.contains("was removed"));
    assert!(removed, "{:#?}", warnings(&end));
    assert_eq!(warnings(&end).len(), 4, "{:#?}", warnings(&end));
    assert_same(before, &look(t, "app"));
    t.settle();
}

fn grow(t: &Target) {
    for name in ["app/changed", "app/chmod", "app/removed", "app/ours"] {
        t.write(name, "old");
        fs::set_permissions(t.dest(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
    fs::File::open(t.dest("app")).unwrap().set_modified(old).unwrap();
    // busybox tells times in whole seconds.
    for name in ["app/changed", "app/chmod", "app/removed", "app/ours"] {
        fs::File::open(t.dest(name)).unwrap().set_modified(old).unwrap();
    }
}

#[test]
fn of_a_change_of_files() {
    everywhere(|t| {
        grow(t);
        let before = look(t, "app");
        let names = ["changed", "chmod", "removed", "ours", "made/on the way/file"];
        let files = names.iter().fold(Files::new(), |f, n| f.file(t.dest(&format!("app/{n}")), "new", 0o600));
        let begun = t.begin(&Work::new().files(files));
        check(t, &begun, &before, "new");
    });
}

#[test]
fn of_a_watched_tree() {
    everywhere(|t| {
        grow(t);
        let before = look(t, "app");
        let mut change = script(&format!(
            "cd {}; for f in changed chmod removed ours; do echo by-script >$f; done; mkdir -p 'made/on the way'",
            t.dest("app")
        ));
        change.watch = vec![t.dest("app")];
        let begun = t.begin(&Work::new().script(change));
        // Change times are whole seconds for busybox.
        if t.shell == "busybox sh" {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        check(t, &begun, &before, "by-script\n");
    });
}
