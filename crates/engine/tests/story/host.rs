//! One host, from the plan to its end.

use crate::stage::{Stage, begin, follow, inspect};
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_testkit::scripted::Reply;
use snapback_transport::ConnectErrorKind;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_change_is_confirmed_over_a_fresh_connection_with_the_token() {
    let stage = Stage::new();
    stage.host(inspect(true));
    stage.host(begin().out("@snapback:{nonce} j 4 ready left=60").out("@snapback:{nonce} end"));
    stage.host(
        Reply::to(" confirm ").out("@snapback:{nonce} confirmed already=0").out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Good, HostResult::Confirmed));
    let confirm = stage.asked(" confirm ");
    assert!(confirm.fresh && confirm.cheap_kex, "the confirmation goes over a line of its own");
    assert_ne!(confirm.connection, stage.asked(" begin ").connection);
    let token = String::from_utf8(confirm.stdin).unwrap();
    assert_eq!(token.trim().len(), 64);
    assert!(!confirm.command.unwrap().contains(token.trim()), "the token is never on a command line");
    assert!(stage.recorded().contains(token.trim()), "the token was on disk before it was needed");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_everything_is_asked_once_and_left_alone() {
    let stage = Stage::new();
    stage.host(inspect(false));
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Good, HostResult::Unchanged));
    assert_eq!(stage.commands().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_lost_while_applying_is_followed_again_from_where_it_was() {
    let stage = Stage::new();
    stage.host(inspect(true));
    stage.host(begin().lost());
    stage.host(Reply::to(" follow ").not_connected(ConnectErrorKind::Timeout));
    stage.host(follow().out("@snapback:{nonce} j 4 ready left=60").out("@snapback:{nonce} end"));
    stage.host(
        Reply::to(" confirm ").out("@snapback:{nonce} confirmed already=0").out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::Confirmed);
    assert!(stage.asked(" follow ").command.unwrap().contains(" 3 ready"), "three lines had been heard");
    assert!(run.told(|k| matches!(k, EventKind::LineLost { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_confirmation_is_read_again_and_never_guessed() {
    let stage = Stage::new();
    stage.ready();
    stage.host(Reply::to(" confirm ").lost());
    stage.host(
        Reply::to(" confirm ").out("@snapback:{nonce} confirmed already=1").out("@snapback:{nonce} end"),
    );
    assert_eq!(stage.run().await.result(), HostResult::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_came_too_late_is_reported_as_what_the_host_then_says() {
    let stage = Stage::new();
    stage.ready();
    stage.host(
        Reply::to(" confirm ")
            .out("@snapback:{nonce} denied reason=too_late -- the host is being rolled back")
            .out("@snapback:{nonce} end"),
    );
    stage.host(Reply::to(" status").out(&stage.pending("rolling_back")).out("@snapback:{nonce} end"));
    stage.host(
        Reply::to(" follow ")
            .out("@snapback:{nonce} j 5 rolling_back -- not confirmed")
            .out("@snapback:{nonce} j 6 rolled_back late_ms=40 -- not confirmed")
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Failed, HostResult::RolledBack));
    assert!(run.ending().1.contains("40 ms after its deadline"), "{:?}", run.ending());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_took_a_tool_of_the_guard_away_is_named_with_what_mends_it() {
    let stage = Stage::new();
    stage.ready();
    stage.host(
        Reply::to(" confirm ")
            .out("@snapback:{nonce} denied reason=tool_gone -- mv is gone from this host: without it the next change could not be guarded")
            .out("@snapback:{nonce} end"),
    );
    stage.host(Reply::to(" rollback ").out("@snapback:{nonce} end").always());
    stage.host(Reply::to(" status").out(&stage.pending("rolling_back")).out("@snapback:{nonce} end"));
    stage.host(
        Reply::to(" follow ")
            .out("@snapback:{nonce} j 5 rolling_back -- not confirmed")
            .out("@snapback:{nonce} j 6 rolled_back late_ms=0 -- not confirmed")
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Failed, HostResult::RolledBack));
    let (cause, _, next) = run.ending();
    assert!(cause.starts_with("the host denied the confirmation: mv is gone"), "{cause}");
    assert!(next.contains("bring another one in the same change, then: deploy retry"), "{next}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_never_heard_again_is_unknown_and_only_after_its_undo_must_be_over() {
    let stage = Stage::new();
    stage.ready();
    stage.host(Reply::to(" confirm ").not_connected(ConnectErrorKind::Timeout).always());
    stage.host(Reply::to(" status").not_connected(ConnectErrorKind::Timeout).always());
    let began = tokio::time::Instant::now();
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::PersonNeeded, HostResult::Unknown));
    assert!(began.elapsed() > Duration::from_secs(60 + 15), "given up after {:?}", began.elapsed());
    assert!(run.ending().1.starts_with("not read back"), "{:?}", run.ending());
}

#[tokio::test(start_paused = true)]
async fn a_line_lost_before_anything_was_heard_is_asked_about() {
    let stage = Stage::new();
    stage.host(inspect(true));
    stage.host(Reply::to(" begin ").lost());
    stage.host(Reply::to(" status").out("@snapback:{nonce} end"));
    stage.host(
        follow()
            .out("@snapback:{nonce} untouched -- this host knows of no transaction")
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Failed, HostResult::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_failed_rollback_names_what_is_broken_and_needs_a_person() {
    let stage = Stage::new();
    stage.host(inspect(true));
    stage.host(
        begin()
            .out("@snapback:{nonce} j 4 rolling_back -- check 'x' failed: no")
            .out("@snapback:{nonce} j 5 undo_item ok=0 -- /etc/x: differs")
            .out("@snapback:{nonce} j 6 rollback_failed -- check 'x' failed: no")
            .out("@snapback:{nonce} end"),
    );
    stage.host(
        Reply::to(" follow ")
            .out("@snapback:{nonce} j 5 undo_item ok=0 -- /etc/x: differs")
            .out("@snapback:{nonce} j 6 rollback_failed -- check 'x' failed: no")
            .out("@snapback:{nonce} end")
            .always(),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::PersonNeeded, HostResult::RollbackFailed));
    let (cause, state, next) = run.ending();
    assert_eq!(cause, "check 'x' failed: no");
    assert!(state.contains("/etc/x: differs") && next.contains("deploy rollback"), "{state} {next}");
}

#[tokio::test(start_paused = true)]
async fn a_host_held_by_somebody_else_says_who_and_until_when() {
    let stage = Stage::new();
    stage.host(inspect(true));
    stage.host(
        Reply::to(" begin ")
            .out("@snapback:{nonce} pending tx=01OTHER state=applied age=12 left=48 owner=ann@desk -- night shift")
            .out("@snapback:{nonce} refused reason=locked -- another transaction is open")
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Locked, HostResult::Refused));
    let cause = run.ending().0;
    for part in ["ann@desk", "01OTHER", "12 s ago", "48 s", "night shift"] {
        assert!(cause.contains(part), "{part} is missing in {cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_can_not_be_reached_was_not_touched() {
    let stage = Stage::new();
    stage.host(Reply::to_opening().not_connected(ConnectErrorKind::Refused));
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Unreachable, HostResult::Unreachable));
    assert!(stage.commands().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_missing_is_sent_once() {
    let stage = Stage::new();
    stage.host(Reply::to(" payload inspect").out("@snapback:{nonce} need_agent"));
    stage.host(
        Reply::to(" install inspect")
            .out("@snapback:{nonce} script n=0 wanted=1")
            .out("@snapback:{nonce} state_digest sum=abc")
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::Unchanged);
    assert_eq!(stage.commands().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_looks_like_an_answer_without_the_nonce_is_noise() {
    let stage = Stage::new();
    stage.host(inspect(true));
    stage.host(begin().out("@snapback:0000000000000000 j 4 confirmed").lost());
    stage.host(follow().out("@snapback:{nonce} j 4 ready left=60").out("@snapback:{nonce} end"));
    stage.host(
        Reply::to(" confirm ").out("@snapback:{nonce} confirmed already=0").out("@snapback:{nonce} end"),
    );
    assert_eq!(stage.run().await.result(), HostResult::Confirmed);
    assert!(stage.commands().iter().any(|c| c.contains(" confirm ")), "the forged line confirmed nothing");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_said_armed_and_then_knows_of_nothing_is_not_called_untouched() {
    let stage = Stage::new();
    stage.ready();
    stage.host(
        Reply::to(" confirm ")
            .out("@snapback:{nonce} denied reason=unknown_transaction -- this host knows of no transaction")
            .out("@snapback:{nonce} end"),
    );
    stage.host(Reply::to(" status").out("@snapback:{nonce} end"));
    stage.host(
        follow()
            .out("@snapback:{nonce} untouched -- this host knows of no transaction")
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::PersonNeeded, HostResult::Unknown));
    assert!(run.ending().0.contains("lost its record"), "{:?}", run.ending());
}

#[tokio::test(start_paused = true)]
async fn a_login_that_hangs_after_the_change_does_not_hang_the_run() {
    let stage = Stage::new();
    stage.ready();
    stage.host(Reply::to(" confirm ").hangs().always());
    stage.host(Reply::to(" status").hangs().always());
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::PersonNeeded, HostResult::Unknown));
    assert!(stage.commands().iter().filter(|c| c.contains(" confirm ")).count() > 1, "it was tried again");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_hangs_at_the_plan_does_not_hang_the_run() {
    let stage = Stage::new();
    stage.host(Reply::to(" inspect").hangs());
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Unreachable, HostResult::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_by_hand_goes_over_the_final_way_alone() {
    let stage = Stage::new();
    stage.ready();
    stage.host(Reply::to(" confirm ").lost().always());
    stage.host(Reply::to(" status").out(&stage.pending("ready")).out("@snapback:{nonce} end").always());
    stage.host(
        Reply::to(" rollback ")
            .out("@snapback:{nonce} j 5 rolled_back late_ms=0 -- x")
            .out("@snapback:{nonce} end"),
    );
    stage.run().await;
    assert!(
        stage.confirm_by_hand_with_was().await.is_err(),
        "the final way was refused, and no other confirms"
    );
}
