//! Clocks that step, and a machine that sleeps inside the window.

use crate::stage::{Stage, TX, WAITS};

fn over() -> String {
    format!("{TX} && test -e done")
}

#[test]
fn a_clock_that_steps_by_a_year_neither_undoes_early_nor_late_and_a_sleep_past_the_deadline_undoes() {
    let stage = Stage::new();

    // A year ahead: nothing is undone, and it can be confirmed.
    let run = stage.start(90, "true", WAITS);
    stage.wait_until_ready(&run);
    stage.sh("date -s '+1 year' && sleep 7");
    assert_eq!(stage.files(), "after\nafter\nadded\n");
    stage.go();
    stage.expect(run, "confirmed", 0);

    // A year back, and nobody who confirms: undone when the window ends by the time since boot.
    stage.sh("cd /etc/shop && echo before >conf && echo before >other && rm added && sync");
    stage.abandon(10);
    stage.sh("date -s '-1 year'");
    stage.wait_for(60, &over());
    let late = stage.sh(&format!("{TX}; grep ^rolled_back journal"));
    let ms: u64 = late.split("late_ms=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    println!("undone {ms} ms after the deadline, with the clock a year back");
    assert!(ms <= 5000, "{late}");
    assert_eq!(stage.files(), "before\nbefore\n");

    // Asleep past the deadline: time since boot counts sleep, so it is undone as soon as it wakes.
    stage.abandon(20);
    stage.sh("systemd-run -q sh -c 'sleep 1; rtcwake -m mem -s 25 || : >/run/no-sleep'");
    stage.wait_for(120, &over());
    stage.sh("test ! -e /run/no-sleep");
    assert_eq!(stage.sh("dmesg | grep -c 'PM: suspend exit'").trim(), "1");
    let late = stage.sh(&format!("{TX}; grep ^rolled_back journal"));
    println!("after the sleep: {late}");
    assert_eq!(stage.files(), "before\nbefore\n");
}
