//! What a file is besides its content: it comes back after a script that lost it, and after a file that was replaced.

use crate::everywhere;
use crate::job::{Files, Work, script, secs};
use crate::target::Target;
use crate::tree::{assert_same, look};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

/// A shell script that root's tools make a world with; what isn't there is left out.
const WORLD: &str = "\
    umask 022; mkdir -p dir/deep sticky; for f in plain owned suid acl note twin-a sparse; do echo old >$f; done
    chown 1234:4321 owned; chmod 6711 suid; chmod 1777 sticky; chown 77:88 dir; chmod 2750 dir
    ln twin-a dir/twin-b; ln twin-a sticky/twin-c; ln -s plain link; chown -h 99:98 link
    mkfifo fifo; chmod 0604 fifo; mknod null c 1 3; mknod disk b 7 250
    truncate -s 8M sparse; printf end >>sparse
    setfattr -n user.note -v kept note; setfattr -n trusted.note -v kept note; setfattr -n security.note -v kept note
    setfattr -n user.dir -v kept dir; setfacl -m u:1234:rwx acl; setfacl -m u:7:rx -d -m g:8:rw,u:9:r dir
    cp /bin/true able; setcap cap_net_raw+ep able
    touch -h -d 2001-02-03T04:05:06.070809010Z link
    touch -d 2001-02-03T04:05:06.070809010Z plain owned suid acl note twin-a sparse able dir/deep dir sticky fifo .";

/// All of it goes.
const RUIN: &str = "\
    setfattr -x user.note note 2>/dev/null; setfacl -b acl 2>/dev/null; echo new >owned; chown 0:0 owned link; chmod 700 suid sticky
    echo more >>twin-a; rm dir/twin-b; echo torn >dir/twin-b; rm fifo null; echo x >fifo; mknod null c 1 5; ln -sfn other link
    rm sparse able; echo small >sparse; echo new >able; rm -rf dir; echo x >dir; mkdir made; echo x >made/file; touch plain";

fn grow(t: &Target) -> bool {
    fs::create_dir(t.dest("w")).unwrap();
    let grown = format!("cd {}; {WORLD}", t.dest("w"));
    Command::new("sh").args(["-c", &grown]).output().unwrap();
    fs::metadata(t.dest("w/owned")).unwrap().uid() == 1234
}

/// Everything that `look` doesn't see: devices, room on disk, which names are one file, attributes of all namespaces.
fn more(t: &Target) -> String {
    let line = format!(
        "cd {}; find . -name able -prune -o -printf '%p %y %U:%G %m %n %T@ %l\\n' | sort; stat -c '%n %t:%T' null disk; \
         stat -c '%i' twin-a dir/twin-b sticky/twin-c | uniq -c | tr -s ' ' | cut -d' ' -f2; test $(stat -c %b sparse) -lt 2000 && echo sparse; \
         getfattr -Rhd -m - . 2>/dev/null | sort; getfacl -Rnp . 2>/dev/null | sort; getcap able 2>/dev/null",
        t.dest("w")
    );
    let out = Command::new("sh").args(["-c", &line]).output().unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn a_watched_tree_comes_back_with_all_that_its_files_are_then_twice() {
    everywhere(|t| {
        // Without root there is less to lose, and busybox's limits are told before arming.
        if !grow(t) || t.shell == "busybox sh" {
            return;
        }
        let mut change = script(&format!("cd {} || exit; {RUIN}; true", t.dest("w")));
        change.watch = vec![t.dest("w")];
        change.timeout = secs(20);
        let work = Work::new().script(change);
        for round in 0..2 {
            let before = (look(t, "w"), more(t));
            assert!(before.1.contains("sparse\n") && before.1.contains("\n3\n"), "{}", before.1);
            let begun = t.begin(&work);
            assert!(begun.answers.whole().is_ready(), "{round}: {:#?}", begun.answers);
            assert_eq!(t.read("w/made/file").unwrap(), "x\n");
            let end = t.verb(&["rollback", &begun.tx]);
            assert!(end.whole().rolled_back().is_some(), "{round}: {end:#?}");
            assert_eq!(before.1, more(t), "{round}, {}", t.shell);
            assert_same(&before.0, &look(t, "w"));
            t.settle();
        }
    });
}

#[test]
fn replaced_and_purged_files_come_back_with_all_that_they_are_then_twice() {
    everywhere(|t| {
        if !grow(t) {
            return;
        }
        let files = || {
            let names = ["owned", "suid", "acl", "note", "twin-a", "sparse", "able", "link"];
            let files = Files::new().dir(t.dest("w/sticky"), 0o755).purge(t.dest("w/sticky"));
            let files = names.iter().fold(files, |f, n| f.file(t.dest(&format!("w/{n}")), "new", 0o600));
            // busybox can't keep a directory that is made anew from inheriting an ACL, which is told before arming.
            if t.shell == "busybox sh" {
                return files;
            }
            files
                .file(t.dest("w/made/deep/file"), "new", 0o600)
                .dir(t.dest("w/dir"), 0o700)
                .purge(t.dest("w/dir"))
        };
        for round in 0..2 {
            let before = (look(t, "w"), more(t));
            let begun = t.begin(&Work::new().files(files()));
            assert!(begun.answers.whole().is_ready(), "{round}: {:#?}", begun.answers);
            let end = t.verb(&["rollback", &begun.tx]);
            assert!(end.whole().rolled_back().is_some(), "{round}: {end:#?}");
            if t.shell != "busybox sh" {
                assert_eq!(before.1, more(t), "{round}, {}", t.shell);
            }
            assert_same(&before.0, &look(t, "w"));
            t.settle();
        }
        let begun = t.begin(&Work::new().files(files()));
        assert!(t.connect().confirm(&begun).whole().is_confirmed(), "{:#?}", begun.answers);
        assert!(t.inspect(&Work::new().files(files())).0.inspection.is_unchanged());
        t.settle();
    });
}

#[test]
fn a_big_file_is_linked_and_not_copied_then_undone_then_twice() {
    everywhere(|t| {
        let big = || Files::new().file(t.dest("app/big"), "new", 0o600);
        t.write("app/big", vec![7; 12_000_000]);
        fs::set_permissions(t.dest("app/big"), fs::Permissions::from_mode(0o640)).unwrap();
        let inode = fs::metadata(t.dest("app/big")).unwrap().ino();
        let before = look(t, "app");
        let begun = t.begin(&Work::new().files(big()));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        let snap = t.tx(&begun.tx, "job/c/0/snap").join(t.dest("app/big").trim_start_matches('/'));
        assert_eq!(fs::metadata(&snap).unwrap().ino(), inode, "where people look for it");
        assert_eq!(t.read("app/big").unwrap(), "new");
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_same(&before, &look(t, "app"));
        let meta = fs::metadata(t.dest("app/big")).unwrap();
        assert_eq!((meta.ino(), meta.nlink()), (inode, 1));
        t.settle();
        let begun = t.begin(&Work::new().files(big()));
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        assert!(t.inspect(&Work::new().files(big())).0.inspection.is_unchanged());
        t.settle();
    });
}

#[test]
fn a_symlink_is_watched_as_a_symlink() {
    everywhere(|t| {
        t.write("w/target", "x");
        symlink("target", t.dest("w/a\nb")).unwrap();
        symlink("tar\nget", t.dest("w/plain")).unwrap();
        let mut change =
            script(&format!("cd {}; ln -sfn 'tar\nother' plain; rm a*; echo x >>target", t.dest("w")));
        change.watch = vec![t.dest("w")];
        let begun = t.begin(&Work::new().script(change));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        let target = |name: &str| fs::read_link(t.dest(name)).unwrap().display().to_string();
        assert_eq!([target("w/a\nb"), target("w/plain")], ["target", "tar\nget"]);
        assert_eq!(t.read("w/target").unwrap(), "x");
        t.settle();
    });
}
