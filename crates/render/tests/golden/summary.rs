use crate::page::{Page, assert_harmless};
use crate::recorded::{Recording, check, ended, hostile_events, play, three_endings, undo_item};
use insta::assert_snapshot;
use snapback_core::event::{CheckStatus, Event, EventKind};
use snapback_core::outcome::HostResult;
use snapback_render::Summary;

fn summary(events: &[Event]) -> String {
    let page = Page::default();
    play(events, Summary::new(page.writer(), false));
    page.text()
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("web{n:02}")).collect()
}

fn run_of(names: &[String]) -> Recording {
    Recording::of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn when_all_is_good_it_is_one_line() {
    let mut run = Recording::of(&["web1", "web2"]);
    run.confirmed("web1").unchanged("web2");
    assert_snapshot!(summary(&run.finished(0)), @"1 confirmed, 1 unchanged in 3.9 s");
}

#[test]
fn the_three_endings() {
    assert_snapshot!(summary(&three_endings()), @"
    1 confirmed, 1 rolled_back, 1 unknown in 2m 21s

    web2: rolled_back
      what happened  check healthz failed
                       | waiting
                       | HTTP 500, wanted 200
      state now      the old state is back and was verified by the host
      what to do     deploy retry shop.toml

    web10: unknown
      what happened  no fresh connection within the window
      state now      not read: web10 could not be reached again
                     either rolled_back by its guard, or still down
      what to do     deploy status --limit web10 shop.toml
    ");
}

#[test]
fn a_check_that_says_no_more_than_the_cause_is_not_quoted_again() {
    let mut run = Recording::of(&["web1"]);
    run.on("web1", check("healthz", CheckStatus::Failed, "HTTP 500"));
    run.on(
        "web1",
        ended(HostResult::RolledBack, "check healthz failed: HTTP 500", "the old state is back", ""),
    );
    assert_snapshot!(summary(&run.finished(1)), @"
    1 rolled_back in 0 ms

    web1: rolled_back
      what happened  check healthz failed: HTTP 500
      state now      the old state is back
    ");
}

#[test]
fn a_long_output_is_quoted_from_its_end() {
    let mut run = Recording::of(&["web1"]);
    let detail = (1..=9).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    run.rolled_back("web1", &detail);
    let text = summary(&run.finished(1));
    assert!(text.contains("| ... (4 more before)\n"), "{text}");
    assert!(!text.contains("line 4") && text.contains("| line 5\n") && text.contains("| line 9\n"), "{text}");
}

#[test]
fn twenty_that_failed_alike_are_one_failure() {
    let names = names(20);
    let mut run = run_of(&names);
    for name in &names {
        let next = format!("deploy retry --limit {name}");
        let cause = format!("{name}: check healthz failed");
        run.on(name, ended(HostResult::RolledBack, &cause, "the old state is back and verified", &next));
    }
    assert_snapshot!(summary(&run.finished(1)), @"
    20 rolled_back in 0 ms

    web01, web02, web03, web04, web05, web06, web07, web08, web09, web10, web11, web12, web13, web14, web15, web16, web17, web18, web19, web20 (20 hosts): rolled_back
      what happened  HOST: check healthz failed
      state now      the old state is back and verified
      what to do     deploy retry --limit web01
                     and likewise for the others
    ");
}

#[test]
fn a_failed_rollback_names_its_broken_items() {
    let mut run = Recording::of(&["db1", "web1"]);
    run.on("db1", undo_item("config: /etc/shop/shop.conf", true, ""));
    run.on(
        "db1",
        undo_item("config: handler systemctl reload shop", false, "Job for shop.service failed.\nexit 1"),
    );
    run.on("db1", undo_item("qos: rollback", false, ""));
    run.on(
        "db1",
        ended(
            HostResult::RollbackFailed,
            "check healthz failed",
            "still open: 2 items are not as before",
            "ssh db1\ndeploy rollback --limit db1 shop.toml",
        ),
    );
    run.on("web1", ended(HostResult::NotReached, "stopped: more than 0 hosts failed", "not touched", ""));
    assert_snapshot!(summary(&run.finished(3)), @"
    1 not_reached, 1 rollback_failed in 0 ms

    web1: not_reached
      what happened  stopped: more than 0 hosts failed
      state now      not touched

    db1: rollback_failed
      what happened  check healthz failed
                     not undone: config: handler systemctl reload shop
                       | Job for shop.service failed.
                       | exit 1
                     not undone: qos: rollback
      state now      still open: 2 items are not as before
      what to do     ssh db1
                     deploy rollback --limit db1 shop.toml
    ");
}

#[test]
fn many_broken_items_are_counted_after_the_tenth() {
    let mut run = Recording::of(&["db1"]);
    for n in 1..=25 {
        run.on("db1", undo_item(&format!("file {n}"), false, ""));
    }
    run.on("db1", ended(HostResult::RollbackFailed, "undo failed", "still open", ""));
    let text = summary(&run.finished(3));
    assert!(text.contains("not undone: file 10\n") && !text.contains("file 11"), "{text}");
    assert_eq!(text.matches("and 15 more").count(), 1, "{text}");
    assert!(!text.contains("and 14 more"), "{text}");
}

#[test]
fn warnings_stand_between_the_counts_and_the_failures_and_are_folded() {
    let mut run = Recording::of(&["web1", "web2"]);
    for name in ["web1", "web2"] {
        run.on(name, EventKind::Warning { text: format!("{name} has no boot hook") });
        run.on(name, check("ntp", CheckStatus::RedBefore, "not synced"));
        run.confirmed(name);
    }
    run.warned("the clock of the controller was stepped");
    assert_snapshot!(summary(&run.finished(0)), @"
    2 confirmed in 7.6 s
      web1, web2: warning: HOST has no boot hook
      web1, web2: check ntp was red before the change (only reported): not synced
      warning: the clock of the controller was stepped
    ");
}

#[test]
fn a_host_whose_end_was_never_heard_is_told_so() {
    let mut run = Recording::of(&["web1", "web2"]);
    run.confirmed("web1").applied("web2");
    assert_snapshot!(summary(&run.so_far()), @"
    1 confirmed, 1 without a result in 4.5 s

    web2: without a result
      what happened  the run ended before this host did
      state now      not read: where a guard is armed, it decides by itself
      what to do     deploy status
    ");
}

#[test]
fn three_thousand_hosts_stay_short() {
    let names: Vec<_> = (1..=3_000).map(|n| format!("web{n:04}.example.org")).collect();
    let mut run = run_of(&names);
    for (n, name) in names.iter().enumerate() {
        match n % 3 {
            0 => run.on(name, ended(HostResult::Confirmed, "", "", "")),
            1 => {
                run.on(name, ended(HostResult::Unreachable, &format!("{name}: timed out"), "not touched", ""))
            }
            // Each of these failed in a way of its own, so that nothing folds.
            _ => run
                .on(name, ended(HostResult::RolledBack, &format!("error {n}"), "the old state is back", "")),
        };
    }
    let text = summary(&run.finished(1));
    assert!(text.starts_with("1,000 confirmed, 1,000 unreachable, 1,000 rolled_back in "), "{text}");
    assert!(text.contains("\n981 other failures of 1,980 hosts are not shown here"), "{text}");
    assert!(text.lines().count() < 100, "{}", text.lines().count());
    assert!(text.len() < 10_000, "{}", text.len());

    let mut alike = run_of(&names);
    for name in &names {
        alike.on(name, ended(HostResult::Unreachable, &format!("{name}: timed out"), "not touched", ""));
    }
    let text = summary(&alike.finished(4));
    assert!(text.contains("web0005.example.org and 2,995 more (3,000 hosts): unreachable\n"), "{text}");
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[test]
fn nothing_a_target_says_drives_the_terminal() {
    let text = summary(&hostile_events());
    assert_harmless(&text);
    assert!(text.contains("\\x1b[2J"), "{text}");
}

#[test]
fn colour_changes_no_word() {
    let page = Page::default();
    play(&three_endings(), Summary::new(page.writer(), true));
    let coloured = page.text();
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(console::strip_ansi_codes(&coloured), summary(&three_endings()));
}

#[test]
fn a_split_batch_comes_last_names_every_host_and_says_both_ways_on() {
    let mut run = Recording::of(&["web1", "web2"]);
    run.confirmed("web1").rolled_back("web2", "it was lost");
    run.split(&[("web1", HostResult::Confirmed), ("web2", HostResult::RolledBack)]);
    let text = summary(&run.finished(3));
    let (_, last) = text.split_once("\n\nbatch 2").unwrap();
    assert_snapshot!(last, @"
     is SPLIT: its hosts were to be confirmed as one
      state now      confirmed web1; rolled_back web2
      what to do     deploy resume 01RUN: changes the others as well, guarded
      or             deploy resume --undo 01RUN: undoes those that are confirmed, guarded
    ");
}
