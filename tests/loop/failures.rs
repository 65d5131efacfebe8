//! Applying fails: the host is as before.

use crate::stage::{Stage, end_of};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A host with a bit of everything in it, and a change that touches all of it.
fn busy_stage() -> (Stage, String) {
    let stage = Stage::new();
    let host = stage.host();
    host.write("etc/keep", "as it is\n");
    fs::set_permissions(host.file("etc/keep"), PermissionsExt::from_mode(0o600)).unwrap();
    symlink("keep", host.file("etc/link")).unwrap();
    fs::create_dir(host.file("etc/app")).unwrap();
    host.write("etc/app/stale", "to be purged\n");
    stage.write("app/app.conf", "new\n");
    stage.write("app/deep/er/file", "new\n");
    let change = r#"
[[changes]]
name = "app"
kind = "files"
MORE
[[changes.files]]
source = "app/"
dest = "{{ root }}/etc/app"
purge = true
[[changes.files]]
content = "other\n"
dest = "{{ root }}/etc/keep"
mode = "0755"
[[changes.files]]
content = "no link any more\n"
dest = "{{ root }}/etc/link"
"#;
    (stage, change.to_owned())
}

/// Runs it and asserts that nothing of it is left.
fn is_undone(stage: &Stage, body: &str, why: &str) {
    stage.fleet(body);
    let before = stage.host().tree();
    let told = stage.change_told(1);
    let end = end_of(&told, "web.test");
    assert_eq!(end["result"], "rolled_back", "{end}");
    assert!(end["cause"].as_str().unwrap().contains(why), "{end}");
    assert_eq!(stage.host().tree(), before);
    stage.host().await_over();
}

const THEN_FAILS: &str = r#"
[[changes]]
name = "half"
kind = "script"
apply = 'echo half >"$VAR_ROOT/half"; echo out of luck; exit 7'
rollback = 'rm -f "$VAR_ROOT/half"'
"#;

#[test]
fn a_script_that_fails_half_way_and_all_that_came_before_it() {
    let (stage, change) = busy_stage();
    is_undone(
        &stage,
        &(change.replace("MORE", "") + THEN_FAILS),
        "change 'half': exit status 7: out of luck",
    );
}

#[test]
fn a_validation_that_fails() {
    let (stage, change) = busy_stage();
    let log = stage.dir().join("handled");
    let validate = format!(
        "validate = 'echo line 1 is wrong; exit 1'\nhandlers = ['cat \"$VAR_ROOT/etc/keep\" >>\"{}\"']",
        log.display()
    );
    is_undone(&stage, &change.replace("MORE", &validate), "validate: exit status 1: line 1 is wrong");
    let handled = fs::read_to_string(log).unwrap_or_default();
    assert!(!handled.contains("other"), "nothing was reloaded with what was found wrong");
}

#[test]
fn a_handler_that_fails_and_runs_again_after_the_undo() {
    let (stage, change) = busy_stage();
    let log = stage.dir().join("handled");
    let handler = format!(
        "handlers = ['cat \"$VAR_ROOT/etc/keep\" >>\"{0}\"; grep -q \"as it is\" \"$VAR_ROOT/etc/keep\" || {{ echo bad; exit 4; }}']",
        log.display()
    );
    is_undone(&stage, &change.replace("MORE", &handler), "exit status 4: bad");
    assert_eq!(
        fs::read_to_string(log).unwrap(),
        "other\nas it is\n",
        "with the new state, then with the old"
    );
}

#[test]
fn a_script_that_takes_too_long() {
    let (stage, change) = busy_stage();
    let slow = "[[changes]]\nname = \"slow\"\nkind = \"script\"\ntimeout = \"1s\"\napply = 'sleep 600'\nrollback = 'true'\n";
    is_undone(&stage, &(change.replace("MORE", "") + slow), "change 'slow': did not end within 1 s");
}
