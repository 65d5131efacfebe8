//! File names that tools trip over: in a `files` change, below a purged directory, and in a watched tree.

use crate::everywhere;
use crate::job::{Files, Work, script, secs};
use crate::target::Target;
use crate::tree::{assert_same, look};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Names that a `files` change can state: text without control characters.
const STATED: [&str; 9] = [
    "-rf",
    "--help",
    "it's \"quoted\" `id` $(id) $HOME",
    "trailing blank ",
    " ",
    "back\\slash\\",
    "*[a]?{b}",
    "ümlaut",
    "~",
];

/// What else can be found below a directory.
fn found() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = STATED.iter().map(|n| n.as_bytes().to_vec()).collect();
    for name in [&b"two\nlines"[..], b"\n", b"ends\n", b"\n\n-x ", b"not \xff\xfe utf8", b"tab\tand\rreturn"]
    {
        names.push(name.to_vec());
    }
    names.push(vec![b'n'; 255]);
    names.push([b"\n".repeat(3), vec![b'm'; 252]].concat());
    names
}

fn below(t: &Target, folder: &str, name: &[u8]) -> PathBuf {
    Path::new(&t.dest(folder)).join(OsStr::from_bytes(name))
}

/// A folder with a file, a directory and a symlink of each name.
fn grow(t: &Target, folder: &str) {
    for kind in ["files", "dirs", "links"] {
        fs::create_dir_all(below(t, folder, kind.as_bytes())).unwrap();
    }
    for name in found() {
        fs::write(below(t, &format!("{folder}/files"), &name), [b"old ", &name[..]].concat()).unwrap();
        let dir = below(t, &format!("{folder}/dirs"), &name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("in it"), "old").unwrap();
        let target = OsStr::from_bytes(&name);
        std::os::unix::fs::symlink(target, below(t, &format!("{folder}/links"), &name)).unwrap();
    }
}

fn stated(t: &Target) -> Files {
    STATED
        .iter()
        .fold(Files::new(), |files, name| files.file(t.dest(&format!("app/files/{name}")), "new", 0o600))
        .purge(t.dest("app/dirs"))
        .purge(t.dest("app/links"))
}

/// Rewrites each file in place, replaces each link, empties each directory, and leaves new names behind.
fn rewrite(t: &Target) -> String {
    format!(
        "cd {}; for f in files/* files/.[!.]*; do [ ! -f \"$f\" ] || echo new >\"./$f\"; done; rm -rf dirs links; mkdir -p links; \
         printf x >'new\nfile'; mkdir 'new\ndir'; ln -s x \"$(printf 'a\\377\\nb')\"",
        t.dest("tree")
    )
}

#[test]
fn a_change_of_files_with_odd_names_then_undone_then_twice() {
    everywhere(|t| {
        grow(t, "app");
        let before = look(t, "app");
        let begun = t.begin(&Work::new().files(stated(t)));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        assert_eq!(fs::read_dir(t.dest("app/dirs")).unwrap().count(), 0, "purged");
        assert_eq!(fs::read_dir(t.dest("app/links")).unwrap().count(), 0, "purged");
        for name in STATED {
            assert_eq!(t.read(&format!("app/files/{name}")).unwrap(), "new", "{name:?}");
        }
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_same(&before, &look(t, "app"));
        t.settle();

        let begun = t.begin(&Work::new().files(stated(t)));
        assert!(t.connect().confirm(&begun).whole().is_confirmed(), "{:#?}", begun.answers);
        assert!(t.inspect(&Work::new().files(stated(t))).0.inspection.is_unchanged(), "twice");
        t.settle();
    });
}

#[test]
fn a_watched_tree_with_odd_names_then_undone_then_twice() {
    everywhere(|t| {
        grow(t, "tree");
        let mut change = script(&rewrite(t));
        change.watch = vec![t.dest("tree")];
        change.timeout = secs(30);
        let work = Work::new().script(change);
        for round in 0..2 {
            let before = look(t, "tree");
            let begun = t.begin(&work);
            assert!(begun.answers.whole().is_ready(), "{round}: {:#?}", begun.answers);
            assert!(below(t, "tree", b"new\nfile").exists());
            let end = t.verb(&["rollback", &begun.tx]);
            assert!(end.whole().rolled_back().is_some(), "{round}: {end:#?}");
            // busybox gives neither a directory's nor a symlink's time its fraction.
            if t.shell == "busybox sh" {
                let names = |seen: &std::collections::BTreeMap<String, String>| {
                    seen.keys().cloned().collect::<Vec<_>>()
                };
                assert_eq!(names(&before), names(&look(t, "tree")));
            } else {
                assert_same(&before, &look(t, "tree"));
            }
            t.settle();
        }
        let begun = t.begin(&work);
        assert!(t.connect().confirm(&begun).whole().is_confirmed(), "{:#?}", begun.answers);
    });
}

#[test]
fn a_name_with_the_byte_that_our_lists_need_is_refused_with_a_sentence() {
    everywhere(|t| {
        t.write("tree/a\u{1}b", "x");
        let mut change = script("true");
        change.watch = vec![t.dest("tree")];
        let begun = t.begin(&Work::new().script(change));
        assert_eq!(begun.answers.whole().refused(), Some("snapshot"), "{:#?}", begun.answers);
        let said = format!("{:?}", begun.answers.all);
        assert!(
            said.contains("holds the control character 1") && said.contains("rename that file"),
            "{said}"
        );
        t.settle();
    });
}
