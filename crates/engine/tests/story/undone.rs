//! A host that fails while it bakes is taken back to before the run.

use crate::stage::{Stage, begin};
use snapback_core::change::Command;
use snapback_core::event::EventKind;
use snapback_core::local_change::LocalChange;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_testkit::scripted::Reply;
use std::time::Duration;

/// Confirmed, and red as soon as it is asked again.
fn baking() -> Stage {
    let stage = Stage::new().bakes(Duration::from_secs(600));
    stage.ready();
    stage.host(confirmed("01RUN"));
    stage.host(
        Reply::to(" payload probe")
            .out("@snapback:{nonce} probed n=0 status=failed -- it is red")
            .out("@snapback:{nonce} end"),
    );
    stage
}

fn confirmed(run: &str) -> Reply {
    Reply::to(&format!(" confirm {run} "))
        .out("@snapback:{nonce} confirmed already=0")
        .out("@snapback:{nonce} end")
}

fn way_back(lines: &[&str]) -> Reply {
    let hello = "@snapback:{nonce} hello version=1 uid=0 backend=systemd hook=systemd volatile=0 free_kib=9999 shell=dash -- /var/lib/snapback";
    let mut reply = Reply::to(" payload inspect").out(hello);
    for line in lines {
        reply = reply.out(&format!("@snapback:{{nonce}} {line}"));
    }
    reply.out("@snapback:{nonce} state_digest sum=def").out("@snapback:{nonce} end")
}

#[tokio::test]
async fn it_is_undone_by_a_transaction_of_its_own_and_its_checks_are_asked_with_the_old_state() {
    let stage = baking();
    stage.host(way_back(&["revert_path n=0 what=put conflict=1 was=1 now=2 -- /etc/x"]));
    stage.host(
        begin()
            .out("@snapback:{nonce} j 4 check n=0 status=failed -- it is red still")
            .out("@snapback:{nonce} j 5 ready left=60")
            .out("@snapback:{nonce} end"),
    );
    stage.host(confirmed("01RUNU"));
    let ran = stage.run().await;
    assert_eq!((ran.code, ran.result()), (ExitCode::Stopped, HostResult::RolledBack));
    let (cause, state, next) = ran.ending();
    assert_eq!(cause, "check 'shop' failed while baking: it is red");
    assert_eq!(
        state,
        "the old state is back, verified on the host\nSTILL FAILING with the old state: check 'shop' failed: it is red still"
    );
    assert_eq!(next, "deploy logs web1\nmend the cause, then: deploy retry");
    assert!(ran.told(|e| matches!(e, EventKind::GoingBack { to, .. } if to == "01RUN")));
    assert!(ran.told(|e| matches!(e, EventKind::Warning { text } if text == "/etc/x was changed by somebody else since; theirs is kept in /var/lib/snapback/tx/01RUNU/job/c/0/snap")));
    // Nobody is told of a check that vetoes: the old state comes back in any case.
    assert!(
        ran.told(|e| matches!(e, EventKind::CheckedAgain { check, required: true, .. } if check == "shop"))
    );
    let record = stage.recorded();
    let undo = record.find(r#""entry":"undo","to":"01RUN""#).expect("the undo is in the record");
    let back = record
        .find(r#""event":"uploading""#)
        .and_then(|first| record[first + 1..].find(r#""event":"uploading""#).map(|at| first + at));
    assert!(back.is_some_and(|back| undo < back), "its token is on disk before it is begun");
    assert!(stage.asked(" confirm ").stdin.len() > 60, "with a token of its own");
    assert_ne!(stage.asked(" confirm 01RUN ").stdin, stage.asked(" confirm 01RUNU ").stdin);
}

#[tokio::test]
async fn a_later_run_on_the_host_is_not_undone_with_it() {
    let stage = baking();
    stage.host(
        Reply::to(" payload inspect")
            .out("@snapback:{nonce} refused reason=inspect -- run 02RUN has changed this host since: going back to before run 01RUN would undo that as well")
            .out("@snapback:{nonce} end"),
    );
    let ran = stage.run().await;
    assert_eq!((ran.code, ran.result()), (ExitCode::PersonNeeded, HostResult::RollbackFailed));
    let (cause, state, next) = ran.ending();
    assert!(cause.contains("undoing it failed: run 02RUN has changed this host since"), "{cause}");
    assert_eq!(state, "the change is in place: as it was confirmed, and nothing was armed to undo it");
    assert_eq!(next, "deploy rollback --to 01RUN --limit web1");
}

#[tokio::test]
async fn an_undo_that_leaves_something_broken_is_named() {
    let stage = baking();
    stage.host(way_back(&["revert_path n=0 what=put conflict=0 was=1 now=2 -- /etc/x"]));
    stage.host(
        begin()
            .out("@snapback:{nonce} j 4 rolling_back -- going back: /etc/x could not be put back")
            .out("@snapback:{nonce} end"),
    );
    stage.host(
        Reply::to(" follow 01RUNU 4 ")
            .out("@snapback:{nonce} j 5 undo_item ok=0 -- /etc/x: differs")
            .out("@snapback:{nonce} j 6 rollback_failed -- going back: /etc/x could not be put back")
            .out("@snapback:{nonce} end")
            .always(),
    );
    let ran = stage.run().await;
    assert_eq!((ran.code, ran.result()), (ExitCode::PersonNeeded, HostResult::RollbackFailed));
    let (cause, state, _) = ran.ending();
    assert!(cause.ends_with("undoing it failed: going back: /etc/x could not be put back"), "{cause}");
    assert_eq!(state, "NOT as before: /etc/x: differs");
}

#[tokio::test]
async fn what_was_made_for_it_on_the_controller_stays_and_is_named() {
    let mut stage = baking();
    let note = |word: &str| Command::Inline(format!("echo {word} >>steps"));
    stage.local.push(LocalChange {
        name: "dns".to_owned(),
        facts: None,
        unless: None,
        apply: note("add"),
        rollback: Some(note("remove")),
        after: None,
        irreversible: false,
        timeout: Duration::from_secs(5),
    });
    stage.host(way_back(&["revert_path n=0 what=put conflict=0 was=1 now=2 -- /etc/x"]));
    stage.host(begin().out("@snapback:{nonce} j 4 ready left=60").out("@snapback:{nonce} end"));
    stage.host(confirmed("01RUNU"));
    let ran = stage.run().await;
    assert_eq!((ran.result(), stage.steps()), (HostResult::RolledBack, "add\n".to_owned()));
    let (_, state, _) = ran.ending();
    assert!(state.ends_with("; made on the controller, and not undone: dns"), "{state}");
}
