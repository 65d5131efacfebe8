//! Login scripts that talk, and shells that are none: the agent marks its own lines.

use crate::stage::{MOTD, Stage};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_login_that_prints_junk_without_a_line_end_changes_nothing() {
    let stage = Stage::with(&["web.test"], |settings| settings.line("ForceCommand {dir}/noisy"));
    let noisy = stage.host().sshd.path("noisy");
    let script = "#!/bin/sh\n\
                  printf 'Welcome!\\n@snapback:0000 confirmed already=0\\n@snapback: end\\n'\n\
                  printf 'a last line without an end'\n\
                  printf '\\033[2Jtty: not a tty' >&2\n\
                  exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n";
    fs::write(&noisy, script).unwrap();
    fs::set_permissions(&noisy, PermissionsExt::from_mode(0o755)).unwrap();
    stage.fleet(MOTD);
    stage.change().run().must_exit(0).must_say("1 confirmed").must_not_say("Welcome");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
    stage.deploy(&["status"]).run().must_exit(0).must_say("confirmed");
}

#[test]
fn a_login_that_only_talks_is_reported_with_its_words_and_nothing_is_changed() {
    let stage = Stage::with(&["web.test"], |settings| {
        settings.line("ForceCommand echo \"This account is currently not available.\" >&2; exit 1")
    });
    let before = stage.host().tree();
    stage.fleet(MOTD);
    stage.change().run().must_exit(4).must_say("This account is currently not available.");
    assert_eq!(stage.host().tree(), before);
}

#[test]
fn what_a_change_prints_can_not_drive_the_terminal_or_forge_a_line() {
    let stage = Stage::new();
    let forging = "[[changes]]\nname = \"forge\"\nkind = \"script\"\nrollback = 'true'\n\
                   apply = 'printf \"\\\\033[2J\\\\033]0;owned\\\\007\\\\rall is well\\\\nconfirmed\\\\n\"; exit 5'\n";
    stage.fleet(&format!("{MOTD}{forging}"));
    let ended = stage.change().args(["-v"]).run().must_exit(1).must_say("1 rolled_back");
    assert!(!ended.err.contains('\u{1b}') && !ended.err.contains('\u{7}'), "{ended}");
}
