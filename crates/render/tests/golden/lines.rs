use crate::page::{Page, assert_harmless};
use crate::recorded::{Recording, hostile_events, output, play, three_endings};
use insta::assert_snapshot;
use snapback_core::event::{Event, EventKind};
use snapback_core::outcome::HostResult;
use snapback_render::{Lines, Subscriber, Verbosity};
use std::time::{Duration, Instant};

fn lines(events: &[Event], verbosity: Verbosity) -> String {
    let page = Page::default();
    play(events, Lines::new(page.writer(), verbosity));
    page.text()
}

#[test]
fn a_whole_run_with_its_three_endings() {
    assert_snapshot!(lines(&three_endings(), Verbosity::Normal), @"
    08:00:00Z -      shop: run started on 3 hosts
    08:00:00Z web1   guard armed (systemd): it undoes unless apply ends within 5m and it is confirmed within 1m 23s after
    08:00:00Z web1   config: applied in 340 ms
    08:00:00Z web1   applied; the guard undoes in 1m 23s
    08:00:03Z web1   check healthz passed
    08:00:03Z web1   confirmed
    08:00:04Z web2   guard armed (systemd): it undoes unless apply ends within 5m and it is confirmed within 1m 23s after
    08:00:04Z web2   config: applied in 340 ms
    08:00:04Z web2   applied; the guard undoes in 1m 23s
    08:00:49Z web2   slow: checking for 45s; the guard undoes in 38s
    08:00:49Z web2   check healthz failed: HTTP 500, wanted 200
    08:00:49Z web2   undoing: check healthz failed
    08:00:49Z web2   ROLLED_BACK: check healthz failed; now: the old state is back and was verified by the host
    08:00:50Z web10  guard armed (systemd): it undoes unless apply ends within 5m and it is confirmed within 1m 23s after
    08:00:50Z web10  config: applied in 340 ms
    08:00:50Z web10  applied; the guard undoes in 1m 23s
    08:00:51Z web10  line lost during checks; the target goes on and its guard stays armed
    08:02:21Z web10  slow: line lost for 1m 30s; the guard undoes now
    08:02:21Z web10  not confirmed: connection timed out
    08:02:21Z web10  UNKNOWN: no fresh connection within the window; now: not read: web10 could not be reached again / either rolled_back by its guard, or still down
    08:02:21Z -      run finished in 2m 21s, exit code 3
    ");
}

#[test]
fn of_a_few_hosts_a_log_hears_after_a_minute_of_silence_that_the_run_goes_on() {
    let mut run = Recording::of(&["web1", "web2"]);
    run.confirmed("web1").of_run(EventKind::GateReached { next: 2, secs: 600 });
    let page = Page::default();
    let mut log = Lines::new(page.writer(), Verbosity::Normal);
    // What nobody reads has the clock go on.
    for _ in 0..140 {
        run.later(1_000).on("web1", output("hook", "."));
    }
    run.so_far().iter().for_each(|event| log.on_event(event).unwrap());
    let gate = page.text().lines().position(|line| line.contains("deploy promote")).unwrap();
    let text = page.text().lines().skip(gate).collect::<Vec<_>>().join("\n");
    assert_snapshot!(text, @"
    08:00:03Z -     waiting for `deploy promote` before batch 2, 10m at the longest; `deploy abort` ends the run
    08:01:03Z -     counts: 1 done, 1 waiting; waits for `deploy promote` before batch 2, 9m left
    08:02:03Z -     counts: 1 done, 1 waiting; waits for `deploy promote` before batch 2, 8m left
    ");
}

#[test]
fn a_log_goes_on_while_no_event_comes() {
    let mut run = Recording::of(&["web1", "web2"]);
    run.applied("web1");
    let page = Page::default();
    let mut log = Lines::new(page.writer(), Verbosity::Normal).live();
    // It is at its checks for half a minute, but for a moment.
    run.later(29_500).on("web2", EventKind::HostInspected { changes: 1 });
    run.so_far().iter().for_each(|event| log.on_event(event).unwrap());
    assert!(!page.text().contains("slow"), "{}", page.text());
    let patience = Instant::now() + Duration::from_secs(60);
    while !page.text().contains(" web1  slow: checking for 3") {
        assert!(Instant::now() < patience, "{}", page.text());
        std::thread::sleep(Duration::from_millis(20));
    }
    log.make_way().unwrap();
    log.finish().unwrap();
}

#[test]
fn everything_tells_every_event() {
    let all = lines(&three_endings(), Verbosity::Everything);
    let of_events = all.lines().filter(|line| !line.contains("  slow: "));
    assert_eq!(of_events.count(), three_endings().len());
    let web1: Vec<_> = all.lines().filter(|line| line.contains(" web1 ")).collect();
    assert_snapshot!(web1.join("\n"), @"
    08:00:00Z web1   connected in 98 ms
    08:00:00Z web1   inspected: 1 change to make
    08:00:00Z web1   sending 12 kB
    08:00:00Z web1   guard armed (systemd): it undoes unless apply ends within 5m and it is confirmed within 1m 23s after
    08:00:00Z web1   config: started
    08:00:00Z web1   config | reloading
    08:00:00Z web1   config: applied in 340 ms
    08:00:00Z web1   applied; the guard undoes in 1m 23s
    08:00:03Z web1   check healthz passed
    08:00:03Z web1   ready to be confirmed; the guard undoes in 1m 20s
    08:00:03Z web1   confirming over a fresh connection
    08:00:03Z web1   confirmed
    ");
}

#[test]
fn output_of_commands_is_told_from_the_first_v_on() {
    let said = |verbosity| lines(&three_endings(), verbosity).contains("config | reloading");
    assert_eq!([said(Verbosity::Normal), said(Verbosity::Output)], [false, true]);
    let levels = [0, 1, 2, 9].map(Verbosity::from_count);
    use Verbosity::{Everything, Normal, Output};
    assert_eq!(levels, [Normal, Output, Everything, Everything]);
}

#[test]
fn nothing_a_target_says_drives_the_terminal_or_forges_a_line() {
    let events = hostile_events();
    let text = lines(&events, Verbosity::Everything);
    assert_harmless(&text);
    assert_eq!(text.lines().count(), events.len(), "{text}");
    assert!(text.contains("no\\x1b[2J\\x9b31m\\x0dweb9"), "{text}");
}

#[test]
fn hosts_that_are_confirmed_as_one_are_told_as_they_wait_and_as_they_are_split() {
    let mut run = Recording::of(&["web1", "web2"]);
    run.on("web1", EventKind::AwaitingBatch { left: 55 });
    run.split(&[("web1", HostResult::Confirmed), ("web2", HostResult::RolledBack)]);
    assert_snapshot!(lines(&run.so_far(), Verbosity::Normal), @"
    08:00:00Z -     shop: run started on 2 hosts
    08:00:00Z web1  passed; waits for the others of its batch, and the guard undoes in 55s
    08:00:00Z -     batch 2 is SPLIT: confirmed web1; rolled_back web2
    ");
}
