//! The controller's own clock steps inside the window. It is the clock of one process and of what that starts that is
//! stepped, by libfaketime: the machine's stays as it is. `tests/vm/` steps the clocks of targets.

use crate::stage::{HOLD, MOTD, Stage, events, told};
use std::fs;
use std::process::Command;

/// A year in milliseconds, less a month: a step is told from what merely takes its time.
const MOST_OF_A_YEAR: i64 = 335 * 24 * 3600 * 1000;

/// The library that a program is started with, as its own command says it.
fn library() -> String {
    let said = Command::new("faketime")
        .args(["-m", "-f", "+0", "sh", "-c", "echo \"$LD_PRELOAD\""])
        .output()
        .expect("faketime is installed by `cargo xtask test`");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_controller_whose_clock_steps_by_a_year_confirms_all_the_same() {
    for step in ["+365d", "-365d"] {
        let stage = Stage::new();
        stage.fleet_within(20, &format!("{MOTD}{}", HOLD.replace("\"3s\"", "\"18s\"")));
        let clock = stage.write("clock", "+0");
        let deploy = stage
            .change_json()
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
        let mut running = deploy.start();
        running.await_that("the host is ready", || stage.host().journals().contains("\nready "));
        fs::write(&clock, step).unwrap();
        stage.let_go();
        let told = told(&running.end().must_exit(0));
        assert_eq!(stage.host().read("etc/motd"), "new\n", "{step}");
        let at = |kind: &str| events(&told, kind)[0]["at_ms"].as_i64().unwrap();
        let stepped = at("run_finished") - at("run_started");
        assert!(stepped.abs() > MOST_OF_A_YEAR, "{step}: its clock never stepped: {stepped} ms");
    }
}
