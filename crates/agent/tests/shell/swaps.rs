//! A local user owns a directory on the way and swaps it for a symlink all the time: nothing outside is touched.

use crate::everywhere;
use crate::job::{Files, Work, script, secs};
use crate::target::Target;
use snapback_agent::bundle::agent;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whoever swaps. It is the directory's owner that counts, not who does it here.
const SOMEBODY: u32 = 1234;

/// Swaps DIR for a symlink to `canary` and back, until it is told to stop. Returns how often.
fn swap(dir: &Path, stop: &AtomicBool) -> usize {
    let aside = |name: &str| dir.with_extension(name);
    let (real, link) = (aside("real"), aside("link"));
    symlink(dir.parent().unwrap().with_file_name("canary"), &link).unwrap();
    let _ = lchown(&link, Some(SOMEBODY), Some(SOMEBODY));
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        // The guard removes and makes things, too: then a step fails, and the next goes on.
        let there = fs::rename(dir, &real).and_then(|()| fs::rename(&link, dir)).is_ok();
        std::thread::sleep(std::time::Duration::from_micros(200));
        let back = fs::rename(dir, &link).and_then(|()| fs::rename(&real, dir)).is_ok();
        std::thread::sleep(std::time::Duration::from_micros(200));
        rounds += usize::from(there && back);
        if !there && !back {
            break;
        }
    }
    let _ = fs::remove_file(&link);
    rounds
}

/// A home with a directory `conf`, and beside it, out of reach, a canary with the same names in it.
fn grow(t: &Target) -> (PathBuf, PathBuf) {
    for name in ["canary/a", "canary/b", "canary/sub/c", "home/conf/a", "home/conf/b", "home/conf/sub/c"] {
        t.write(name, format!("old {name}"));
    }
    for name in ["home", "home/conf", "home/conf/sub"] {
        let _ = chown(t.dest(name), Some(SOMEBODY), Some(SOMEBODY));
    }
    for name in ["canary", "canary/a", "canary/b", "canary/sub"] {
        fs::set_permissions(t.dest(name), fs::Permissions::from_mode(0o750)).unwrap();
    }
    (PathBuf::from(t.dest("canary")), PathBuf::from(t.dest("home/conf")))
}

/// All that shows whether anybody was here: change times, too.
fn marks(dir: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for path in fs::read_dir(&dir).unwrap().flatten().map(|e| e.path()).chain([dir.clone()]) {
            let m = fs::symlink_metadata(&path).unwrap();
            let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
            seen.push(format!("{} {:o} {} {} {times:?}", path.display(), m.mode(), m.uid(), m.nlink()));
            if m.is_dir() && path != dir {
                dirs.push(path);
            }
        }
    }
    seen.sort();
    seen
}

/// All that writes, one after another, and what was refused or done is counted.
const ROUNDS: &str = r#"
STATE_DIR=$1 CONF=$2 ID=swap TX=$1 UID_NOW=0 KEEP_LABELS=1 LIST_QUICKLY='' CP_KEEPS_ALL=1 STAT_MTIME=%.9Y STATE_DEVICE=0
umask 077; export LC_ALL=C; cd /
n=0 done=0
while [ "$n" -lt 50 ]; do
	n=$((n + 1))
	mkdir -p "$1/tree$CONF/sub"; echo new >"$1/tree$CONF/a"; echo new >"$1/tree$CONF/sub/c"
	printf '%s\n' "$CONF/a" "$CONF/sub/c" | place_files "$1/tree" && done=$((done + 1))
	set_directory "$CONF" differs 41ff 1234 1234 && done=$((done + 1))
	set_directory "$CONF/sub/made" missing 41ff 1234 1234 && done=$((done + 1))
	if enter "$CONF/sub"; then touch -d @1 .; cd /; done=$((done + 1)); fi
	if enter "$CONF"; then pi_dir=$CONF place_one "$1/tree$CONF/a" a; cd /; fi
	printf '%s\n' "d$CONF/sub/made" "f$CONF/sub/c" "f$CONF/b" "f$CONF/a" | remove_listed && done=$((done + 1))
done 2>/dev/null
echo "$done"
"#;

#[test]
fn nothing_is_written_owned_or_removed_through_a_symlink_that_a_user_swaps_in() {
    let rounds = AtomicUsize::new(0);
    everywhere(|t| {
        let (canary, conf) = grow(t);
        let before = marks(&canary);
        let text = String::from_utf8(agent().text.to_vec()).unwrap();
        let functions = t.path().join("rounds.sh");
        fs::write(&functions, text.replace("\nmain \"$@\"\n", ROUNDS)).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let swapping = scope.spawn(|| swap(&conf, &stop));
            let mut words = t.shell.split(' ');
            let out = Command::new(words.next().unwrap())
                .args(words)
                .arg(&functions)
                .args([t.state(), conf.clone()])
                .output()
                .unwrap();
            stop.store(true, Ordering::Relaxed);
            let swaps = swapping.join().unwrap();
            let done: usize = String::from_utf8(out.stdout).unwrap().trim().parse().unwrap();
            // Both must have happened, or nothing was shown.
            assert!((10..240).contains(&done), "{done} of 250, {}", String::from_utf8_lossy(&out.stderr));
            assert!(swaps >= 100, "{swaps}");
            rounds.fetch_add(swaps, Ordering::Relaxed);
        });
        assert_eq!(before, marks(&canary), "{}", t.shell);
    });
    eprintln!("{} swaps", rounds.into_inner());
}

#[test]
fn a_transaction_among_swaps_touches_nothing_outside() {
    everywhere(|t| {
        let (canary, conf) = grow(t);
        let before = marks(&canary);
        for kind in ["files", "script"] {
            let work = match kind {
                "files" => Work::new().files(
                    ["a", "sub/c", "sub/new/d"]
                        .iter()
                        .fold(Files::new(), |f, n| f.file(t.dest(&format!("home/conf/{n}")), "new", 0o666))
                        .dir(t.dest("home/conf/sub"), 0o777),
                ),
                _ => {
                    let mut change = script("sleep 0.3; false");
                    change.watch = vec![t.dest("home/conf")];
                    change.timeout = secs(10);
                    Work::new().script(change)
                }
            };
            let stop = AtomicBool::new(false);
            let begun = std::thread::scope(|scope| {
                let connection = t.connect();
                let (inspected, _) = connection.inspect(&work);
                let swapping = scope.spawn(|| swap(&conf, &stop));
                let begun = connection.begin(&work, &inspected);
                let _ = t.verb(&["rollback", "current"]);
                stop.store(true, Ordering::Relaxed);
                assert!(swapping.join().unwrap() >= 10);
                begun
            });
            assert_eq!(before, marks(&canary), "{} {kind}: {:#?}", t.shell, begun.answers);
            // What a snapshot of the wrong moment says can't be put back, and a person is told so.
            if t.state().join("current").exists() {
                let end = t.verb(&["rollback", "current"]);
                assert!(
                    end.whole().rolled_back().is_some() || end.rollback_failed(),
                    "{} {kind}: {end:#?}",
                    t.shell
                );
                assert!(end.rolled_back().is_some() || !t.verb(&["accept"]).whole().all.is_empty());
            }
            assert_eq!(before, marks(&canary), "{} {kind}, after the swaps: {:#?}", t.shell, begun.answers);
            t.settle();
        }
    });
}

#[test]
fn a_symlink_of_roots_is_followed_and_one_that_a_user_could_make_is_refused_before_arming() {
    everywhere(|t| {
        let work =
            |way: &str| Work::new().files(Files::new().file(t.dest(&format!("{way}/a")), "new", 0o644));
        t.write("real/a", "old");
        fs::create_dir(t.dest("ours")).unwrap();
        symlink("../real", t.dest("ours/link")).unwrap();
        let begun = t.begin(&work("ours/link"));
        assert!(t.connect().confirm(&begun).whole().is_confirmed(), "{:#?}", begun.answers);
        assert_eq!(t.read("real/a").unwrap(), "new");
        t.settle();

        t.write("real/a", "old");
        fs::create_dir(t.dest("theirs")).unwrap();
        symlink("../real", t.dest("theirs/link")).unwrap();
        if chown(t.dest("theirs"), Some(SOMEBODY), None).is_err() {
            return;
        }
        let begun = t.begin(&work("theirs/link"));
        assert_eq!(begun.answers.whole().refused(), Some("stage"), "{:#?}", begun.answers);
        let said = format!("{:?}", begun.answers.all);
        assert!(
            said.contains("leads through a symlink that somebody other than root could replace"),
            "{said}"
        );
        assert_eq!(t.read("real/a").unwrap(), "old");
        t.settle();
    });
}
