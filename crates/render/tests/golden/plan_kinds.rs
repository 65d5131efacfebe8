//! Plans of going back, and of what is done on the controller.

use crate::planned::{Planned, script};
use insta::assert_snapshot;
use snapback_core::change::{Change, ChangeKind, Command, RevertChange};
use snapback_core::inspection::{ChangeInspection, RevertFound, RevertPath};
use snapback_core::local_change::LocalChange;
use snapback_render::plan::{prompt_text, render_plan};
use std::time::Duration;

/// Back to before a run: a path that is put back, one that goes, one that somebody else has changed.
fn going_back() -> Planned {
    let revert = RevertChange { to: "01RUN".to_owned(), alone: false, timeout: Duration::from_secs(60) };
    let change = Change { name: "going back".to_owned(), kind: ChangeKind::Revert(revert) };
    let path = |path: &str, remove, conflict| RevertPath { path: path.to_owned(), remove, conflict };
    let found = RevertFound {
        paths: vec![
            path("/etc/shop/conf", false, false),
            path("/etc/shop/added", true, false),
            path("/etc/shop/by-hand", false, true),
        ],
        scripts: vec!["qos".to_owned()],
        stuck: vec!["migrate".to_owned()],
        handlers: vec!["systemctl reload shop".to_owned()],
    };
    Planned::default().host("app01", vec![change], vec![ChangeInspection::Revert(found)])
}

#[test]
fn going_back_names_what_comes_back_what_goes_and_what_stays() {
    assert_snapshot!(going_back().view(false, render_plan), @"
    app01
      going back (revert)
        back to before run 01RUN
        ~ put back /etc/shop/conf
        - remove /etc/shop/added
        ~ put back /etc/shop/by-hand  (CONFLICT: somebody else changed it since)
        run the rollback of qos
        run handler systemctl reload shop
        migrate can't be undone: what it did STAYS
      guard
        systemd; after a reboot the boot hook undoes (systemd)
        the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)
        the undo may take up to 5m 30s, and longer the more it watches (1s for 50 files or 4 MB)
        checks: healthz (local), ntp (remote, only reported), then a fresh ssh connection

    shop: 1 host changes; over all hosts 2 paths to change, 1 path to DELETE, 1 script, 1 handler to RUN
    ");
}

#[test]
fn the_question_before_going_back_names_what_is_lost() {
    assert_snapshot!(going_back().view(false, prompt_text), @"
    1 host of shop would change: app01
      DELETES: /etc/shop/added  [app01]
      REPLACES: /etc/shop/by-hand (changed since by somebody else)  [app01]
      CAN'T BE UNDONE: migrate: what it did stays  [app01]
      RUNS: rollback of qos  [app01]
      RUNS: handler systemctl reload shop  [app01]
      deadline: the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)  [app01]
    Change 1 host?
    ");
}

/// A balancer, and a ticket that nothing closes again.
fn with_local_changes() -> Planned {
    let note = |text: &str| Command::Inline(text.to_owned());
    let local = |name: &str, rollback: Option<&str>, after: Option<&str>| LocalChange {
        name: name.to_owned(),
        facts: None,
        unless: None,
        apply: note(&format!("{name} add \"$DEPLOY_HOST\"")),
        rollback: rollback.map(note),
        after: after.map(note),
        irreversible: rollback.is_none(),
        timeout: Duration::from_secs(60),
    };
    let found = ChangeInspection::Script { as_wanted: false };
    Planned::default().host("app01", vec![script("qos", |_| {})], vec![found]).but(|job, _| {
        job.local = vec![local("lb", Some("lb enable"), Some("lb enable")), local("ticket", None, None)];
    })
}

#[test]
fn what_is_done_on_the_controller_stands_before_what_is_done_on_the_host() {
    assert_snapshot!(with_local_changes().view(false, render_plan), @r#"
    app01
      lb (script, where deploy runs)
        apply  lb add "$DEPLOY_HOST"  (before the host is changed)
        undo   rollback: lb enable
        after  lb enable
      ticket (script, where deploy runs)
        apply  ticket add "$DEPLOY_HOST"  (before the host is changed)
        undo   IRREVERSIBLE: nothing undoes this
      qos (script)
        apply  apply-it  (no `unless`: always runs)
        undo   IRREVERSIBLE: nothing undoes this
      guard
        systemd; after a reboot the boot hook undoes (systemd)
        the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)
        the undo may take up to 15s
        checks: healthz (local), ntp (remote, only reported), then a fresh ssh connection

    shop: 1 host changes; over all hosts 3 scripts, 2 IRREVERSIBLE
    "#);
}

#[test]
fn the_question_names_what_is_done_on_the_controller_and_what_of_it_stays() {
    assert_snapshot!(with_local_changes().view(false, prompt_text), @r#"
    1 host of shop would change: app01
      CAN'T BE UNDONE: ticket (where deploy runs): ticket add "$DEPLOY_HOST"  [app01]
      CAN'T BE UNDONE: qos: apply-it  [app01]
      RUNS: lb (where deploy runs): lb add "$DEPLOY_HOST"  [app01]
      deadline: the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)  [app01]
    Change 1 host?
    "#);
}
