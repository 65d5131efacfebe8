//! Three thousand hosts: in a log, on a terminal of 80 columns and 24 lines, and at the end.

use crate::fleet::{Fate, Fleet};
use crate::page::{Page, assert_harmless};
use crate::progress::Theatre;
use crate::recorded::{HOSTILE, Recording, ended, play};
use insta::assert_snapshot;
use snapback_core::event::{Event, EventKind};
use snapback_core::outcome::HostResult;
use snapback_render::{Lines, Summary, Verbosity};

fn lines(events: &[Event], verbosity: Verbosity) -> String {
    let page = Page::default();
    play(events, Lines::new(page.writer(), verbosity));
    page.text()
}

fn summary(events: &[Event]) -> String {
    let page = Page::default();
    play(events, Summary::new(page.writer(), false));
    page.text()
}

/// Plays a run up to its moment that `is_it`, and so many seconds on.
fn seen(events: &[Event], size: (u16, u16), secs: u64, is_it: impl Fn(&EventKind) -> bool) -> String {
    let at_ms = events.iter().find(|event| is_it(&event.kind)).unwrap().at_ms + 1_000 * secs;
    let until = events.iter().position(|event| event.at_ms > at_ms).unwrap();
    Theatre::of(size, 1_000).play(&events[..until])
}

fn batch(number: usize) -> impl Fn(&EventKind) -> bool {
    move |kind| matches!(kind, EventKind::BatchStarted { batch, .. } if *batch == number)
}

fn numbers(text: &str) -> Vec<usize> {
    let without_commas = text.replace(',', "");
    let digits = without_commas.split(|c: char| !c.is_ascii_digit());
    digits.filter_map(|number| number.parse().ok()).collect()
}

#[test]
fn a_log_of_three_thousand_hosts_is_short() {
    let events = Fleet::mixed(3_000).in_batches(&[1, 150, 1_500, 1_349]);
    assert_snapshot!(lines(&events, Verbosity::Normal), @"
    08:00:00Z -                    shop: run started on 3,000 hosts
    08:00:08Z web0057.example.org  UNREACHABLE: web0057.example.org: connection timed out
    08:00:09Z web0157.example.org  UNREACHABLE: web0157.example.org: connection timed out
    08:00:10Z -                    counts: 9 done, 2 failed, 2,989 waiting; looked at 909 of 3,000 hosts
    08:00:10Z web0257.example.org  UNREACHABLE: web0257.example.org: connection timed out
    08:00:30Z -                    17 more hosts: UNREACHABLE: HOST: connection timed out (web0357.example.org, web0457.example.org, web0557.example.org and 14 more)
    08:00:30Z -                    counts: 26 done, 20 failed, 2,954 waiting; looked at 2,649 of 3,000 hosts
    08:00:41Z -                    30 hosts: unchanged
    08:00:41Z -                    10 more hosts: UNREACHABLE: HOST: connection timed out (web2057.example.org, web2157.example.org, web2257.example.org and 7 more)
    08:00:41Z -                    batch 1 of 4 (canary), 1 host: web0000.example.org
    08:00:46Z -                    1 host: confirmed
    08:00:46Z -                    batch 2 of 4, 150 hosts: web0001.example.org, web0002.example.org, web0003.example.org, web0004.example.org, web0005.example.org and 145 more
    08:00:56Z web0013.example.org  ROLLED_BACK: check healthz failed: HTTP 500, wanted 200
    08:01:10Z web0113.example.org  ROLLED_BACK: check healthz failed: HTTP 500, wanted 200
    08:01:11Z -                    counts: 144 done, 32 failed, 33 armed, 2,791 waiting; batch 2 of 4: 117 of 150 hosts ended
    08:01:14Z -                    146 hosts: confirmed
    08:01:14Z -                    batch 3 of 4, 1,500 hosts: web0151.example.org, web0152.example.org, web0153.example.org, web0154.example.org, web0155.example.org and 1,495 more
    08:01:30Z web0213.example.org  ROLLED_BACK: check healthz failed: HTTP 500, wanted 200
    08:02:11Z -                    2 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web0313.example.org, web0413.example.org)
    08:02:11Z -                    counts: 473 done, 35 failed, 48 armed, 2 running, 2,442 waiting; batch 3 of 4: 329 of 1,500 hosts ended
    08:03:11Z -                    4 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web0513.example.org, web0613.example.org, web0713.example.org and 1 more)
    08:03:11Z -                    counts: 828 done, 39 failed, 46 armed, 3 running, 2,084 waiting; batch 3 of 4: 688 of 1,500 hosts ended
    08:04:11Z -                    3 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web0913.example.org, web1013.example.org, web1113.example.org)
    08:04:11Z -                    counts: 1,174 done, 42 failed, 48 armed, 2 running, 1,734 waiting; batch 3 of 4: 1,037 of 1,500 hosts ended
    08:05:11Z -                    4 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web1213.example.org, web1313.example.org, web1413.example.org and 1 more)
    08:05:11Z -                    counts: 1,518 done, 46 failed, 47 armed, 2 running, 1,387 waiting; batch 3 of 4: 1,385 of 1,500 hosts ended
    08:05:32Z web1500.example.org  slow: applying config for 32s; the guard undoes in 4m 28s
    08:07:29Z web1500.example.org  slow: applying config for 2m 30s; the guard undoes in 2m 30s
    08:07:29Z -                    1 more host: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web1613.example.org)
    08:07:29Z -                    counts: 1,631 done, 47 failed, 1 armed, 1,321 waiting; batch 3 of 4: 1,499 of 1,500 hosts ended
    08:07:32Z -                    1,455 hosts: confirmed
    08:07:32Z -                    batch 4 of 4, 1,349 hosts: web1651.example.org, web1652.example.org, web1653.example.org, web1654.example.org, web1655.example.org and 1,344 more
    08:08:29Z -                    3 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web1713.example.org, web1813.example.org, web1913.example.org)
    08:08:29Z -                    counts: 1,937 done, 50 failed, 46 armed, 3 running, 964 waiting; batch 4 of 4: 336 of 1,349 hosts ended
    08:09:30Z -                    3 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web2013.example.org, web2113.example.org, web2213.example.org)
    08:09:30Z -                    counts: 2,283 done, 53 failed, 47 armed, 2 running, 615 waiting; batch 4 of 4: 685 of 1,349 hosts ended
    08:10:30Z -                    4 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web2313.example.org, web2413.example.org, web2513.example.org and 1 more)
    08:10:30Z -                    counts: 2,624 done, 57 failed, 48 armed, 2 running, 269 waiting; batch 4 of 4: 1,030 of 1,349 hosts ended
    08:11:25Z -                    1,308 hosts: confirmed
    08:11:25Z -                    3 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web2713.example.org, web2813.example.org, web2913.example.org)
    08:11:25Z -                    all batches are done
    08:11:25Z -                    counts: 2,940 done, 60 failed
    08:11:25Z -                    run finished in 11m 25s, exit code 1
    ");
}

#[test]
fn with_v_each_host_has_its_lines_again() {
    let events = Fleet::mixed(300).at_once();
    let text = lines(&events, Verbosity::Output);
    let told = |of: &str| text.lines().filter(|line| line.contains("web0042.") && line.contains(of)).count();
    assert_eq!(
        ["guard armed", "config | reloading", "check healthz passed", "confirmed"].map(told),
        [1, 1, 1, 2]
    );
}

#[test]
fn a_terminal_while_three_thousand_are_looked_at() {
    let events = Fleet::mixed(3_000).in_batches(&[1, 150, 1_500, 1_349]);
    let started = |kind: &EventKind| matches!(kind, EventKind::RunStarted { .. });
    assert_snapshot!(seen(&events, (24, 80), 9, started), @"
    web0057.example.org  UNREACHABLE: web0057.example.org: connection timed out
    looked at 823 of 3,000 hosts
    ░░░░░░░░░░░░░░░░░░░░ 9/3,000  8 done, 1 failed, 2,991 waiting, 9s
    ");
}

#[test]
fn a_terminal_names_the_canary() {
    let events = Fleet::mixed(3_000).in_batches(&[1, 150, 1_500, 1_349]);
    assert_snapshot!(seen(&events, (12, 80), 2, batch(1)), @"
    web0057.example.org  UNREACHABLE: web0057.example.org: connection timed out
    web0157.example.org  UNREACHABLE: web0157.example.org: connection timed out
    web0257.example.org  UNREACHABLE: web0257.example.org: connection timed out
    17 more hosts: UNREACHABLE: HOST: connection timed out (web0357.example.org, we…
    30 hosts: unchanged
    10 more hosts: UNREACHABLE: HOST: connection timed out (web2057.example.org, we…
    batch 1 of 4 (canary), 1 host: web0000.example.org
    web0000.example.org  applying config  guard 5m  for 0s
    batch 1 of 4 (canary web0000.example.org): 0 of 1 host ended; first guard undoe…
    ░░░░░░░░░░░░░░░░░░░░ 60/3,000  30 done, 30 failed, 1 armed, 2,939 waiting, 41s
    ");
}

#[test]
fn a_terminal_in_the_middle_of_a_batch_of_many() {
    let events = Fleet::mixed(3_000).in_batches(&[1, 150, 1_500, 1_349]);
    assert_snapshot!(seen(&events, (24, 80), 100, batch(3)), @"
    web0057.example.org  UNREACHABLE: web0057.example.org: connection timed out
    web0157.example.org  UNREACHABLE: web0157.example.org: connection timed out
    web0257.example.org  UNREACHABLE: web0257.example.org: connection timed out
    17 more hosts: UNREACHABLE: HOST: connection timed out (web0357.example.org, we…
    30 hosts: unchanged
    10 more hosts: UNREACHABLE: HOST: connection timed out (web2057.example.org, we…
    batch 1 of 4 (canary), 1 host: web0000.example.org
    1 host: confirmed
    batch 2 of 4, 150 hosts: web0001.example.org, web0002.example.org, web0003.exam…
    web0013.example.org  ROLLED_BACK: check healthz failed: HTTP 500, wanted 200
    web0113.example.org  ROLLED_BACK: check healthz failed: HTTP 500, wanted 200
    146 hosts: confirmed
    batch 3 of 4, 1,500 hosts: web0151.example.org, web0152.example.org, web0153.ex…
    web0213.example.org  ROLLED_BACK: check healthz failed: HTTP 500, wanted 200
    2 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web0313.…
    web0741.example.org  applying config  guard 4m 55s  for 5s
    web0742.example.org  applying config  guard 4m 55s  for 5s
    web0743.example.org  applying config  guard 4m 55s  for 5s
    web0744.example.org  applying config  guard 4m 56s  for 4s
    45 more at work: 28 applying, 16 checking, 1 sending
    batch 3 of 4: 592 of 1,500 hosts ended; first guard undoes in 1m 21s: web0725.e…
    771/3,000  733 done, 38 failed, 48 armed, 1 running, 2,180 waiting, 2m 54s
    ");
    assert_snapshot!(seen(&events, (5, 40), 100, batch(3)), @"
    2 more hosts: ROLLED_BACK: check health…
    web0741.example.org  …  guard 4m 55s  f…
    48 more at work: 31 applying, 16 checki…
    batch 3 of 4: 592 of 1,500 hosts ended;…
    771/3,000  733 done, 38 failed, 48 arme…
    ");
    assert_snapshot!(seen(&events, (2, 20), 100, batch(3)), @"
    2 more hosts: ROLLE…
    771/3,000  733 done…
    ");
}

#[test]
fn a_terminal_shows_what_all_wait_for() {
    let events = Fleet::mixed(3_000).in_batches(&[1, 150, 1_500, 1_349]);
    assert_snapshot!(seen(&events, (8, 80), 263, batch(3)), @"
    4 more hosts: ROLLED_BACK: check healthz failed: HTTP 500, wanted 200 (web1213.…
    web1500.example.org  applying config  guard 4m 28s  slow: at this for 32s
    batch 3 of 4: 1,499 of 1,500 hosts ended; first guard undoes in 4m 28s: web1500…
    1,678/3,000  1,631 done, 47 failed, 1 armed, 1,321 waiting, 5m 32s
    ");
}

#[test]
fn three_thousand_that_fail_alike_fit_on_a_screen() {
    let events = Fleet::new(vec![Fate::Fails(8_000); 3_000]).at_once();
    let text = summary(&events);
    assert_snapshot!(text, @"
    3,000 rolled_back in 9m 54s

    web0000.example.org, web0001.example.org, web0002.example.org, web0003.example.org, web0004.example.org and 2,995 more (3,000 hosts): rolled_back
      what happened  check healthz failed: HTTP 500, wanted 200
      state now      the old state is back, verified on the host
      what to do     deploy retry
    ");
    let log = lines(&events, Verbosity::Normal);
    assert!(log.lines().count() < 40, "{log}");
}

#[test]
fn the_counts_are_those_of_all_hosts() {
    let events = Fleet::mixed(300).in_batches(&[3, 30, 267]);
    let mut theatre = Theatre::of((24, 80), 0);
    let mut heard = 0;
    for events in events.chunks(7) {
        let screen = theatre.play(events);
        heard += events.len();
        if events.iter().any(|event| matches!(event.kind, EventKind::RunStarted { .. })) && heard < 7 {
            continue;
        }
        let last = screen.lines().last().unwrap();
        let (ended, counts) = last.split_once("  ").unwrap();
        let ended = numbers(ended.trim_start_matches(['█', '░', ' ']));
        let counts: Vec<_> = counts.split(", ").filter(|part| part.contains(' ')).collect();
        let of =
            |word: &str| counts.iter().find(|part| part.ends_with(word)).map_or(0, |part| numbers(part)[0]);
        let all: usize = ["done", "failed", "left out", "armed", "running", "waiting"].map(of).iter().sum();
        assert_eq!((all, ended[1]), (300, 300), "{last}");
        assert_eq!(ended[0], of("done") + of("failed") + of("left out"), "{last}");
    }
}

#[test]
fn every_host_that_failed_is_named_or_counted_in_a_log() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let hosts = random.usize(21..600);
        let fates: Vec<_> = (0..hosts)
            .map(|_| match random.u8(..6) {
                0 => Fate::Fails(random.u64(..90_000)),
                1 => Fate::Refused,
                2 => Fate::Unreachable,
                3 => Fate::Unchanged,
                _ => Fate::Works(random.u64(..5_000)),
            })
            .collect();
        let log = lines(&Fleet::new(fates.clone()).in_batches(&[1, hosts / 2, hosts]), Verbosity::Normal);
        for (fate, word) in [
            (Fate::Refused, "REFUSED"),
            (Fate::Unreachable, "UNREACHABLE"),
            (Fate::Fails(0), "ROLLED_BACK"),
            (Fate::Unchanged, "unchanged"),
            (Fate::Works(0), "confirmed"),
        ] {
            let alike = |other: &&Fate| std::mem::discriminant(*other) == std::mem::discriminant(&fate);
            let told = log.lines().filter(|line| line.contains(word)).map(|line| {
                let (who, what) = line[10..].split_once("  ").unwrap();
                if who.trim() == "-" { numbers(what)[0] } else { 1 }
            });
            assert_eq!(told.sum::<usize>(), fates.iter().filter(alike).count(), "{word}\n{log}");
        }
    }
}

#[test]
fn nothing_that_many_targets_say_drives_the_terminal_or_forges_a_line() {
    let names: Vec<_> = (0..30).map(|at| format!("web{at:02}")).collect();
    let mut run = Recording::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (at, name) in names.iter().enumerate() {
        let said = format!("{HOSTILE}\nweb99  confirmed {}", at % 4);
        run.on(name, EventKind::Warning { text: said.clone() });
        run.on(name, EventKind::ChangeStarted { index: 0, name: said.clone() });
        if at % 2 == 0 {
            run.later(40_000).on(name, ended(HostResult::RolledBack, &said, &said, &said));
        }
    }
    let events = run.finished(1);
    let log = lines(&events, Verbosity::Normal);
    let screen = Theatre::of((60, 80), 0).play(&events);
    for page in [&log, &screen, &summary(&events)] {
        assert_harmless(page);
        assert!(page.contains("\\x1b[2J") && !page.contains("\nweb99"), "{page}");
    }
    assert!(log.lines().all(|line| line.starts_with("08:")), "{log}");
}
