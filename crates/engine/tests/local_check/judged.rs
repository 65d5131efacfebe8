//! Whole checks: asked again until they are judged, side by side, and measured against the baseline.

use crate::stage::*;
use snapback_core::check::{Check, Pace, Where};
use snapback_core::event::CheckStatus;
use snapback_engine::local_check::{CheckReport, baseline, run_all};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Passes from the fourth attempt on.
const FROM_THE_FOURTH: &str =
    "n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; echo \"attempt $n\"; test \"$n\" -ge 3";

fn named(name: &str, text: &str) -> Check {
    Check { name: name.to_owned(), ..inline(text) }
}

async fn run(checks: &[Check], folder: &Path) -> Vec<CheckReport> {
    run_all(checks, &env(folder), &BTreeMap::new(), |_| {}).await
}

fn statuses(reports: &[CheckReport]) -> Vec<(&str, CheckStatus)> {
    reports.iter().map(|report| (report.name.as_str(), report.status)).collect()
}

#[tokio::test]
async fn a_service_that_needs_a_while_is_waited_for_and_must_then_stay_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let pace = Pace {
        interval: ms(100),
        timeout: ms(5000),
        min_healthy_time: ms(400),
        healthy_deadline: ms(20_000),
        failure_limit: 0,
    };
    let before = Instant::now();
    let reports = run(&[Check { pace, ..inline(FROM_THE_FOURTH) }], folder.path()).await;
    assert_eq!(reports[0].status, CheckStatus::Passed);
    assert!(before.elapsed() >= ms(700), "three intervals and min_healthy_time: {:?}", before.elapsed());
    let asked: u32 = std::fs::read_to_string(folder.path().join("n")).unwrap().trim().parse().unwrap();
    assert!((5..=8).contains(&asked), "{asked}");
    assert_eq!(reports[0].detail, format!("attempt {}", asked - 1));
}

#[tokio::test]
async fn a_service_that_falls_over_after_it_was_up_fails_with_the_line_that_decided() {
    let folder = tempfile::tempdir().unwrap();
    let text = "test ! -e up || { echo 'up, and down again'; exit 1; }; touch up; echo fine";
    let pace = Pace { min_healthy_time: ms(10_000), healthy_deadline: ms(30_000), ..inline("").pace };
    let reports = run(&[Check { pace, ..inline(text) }], folder.path()).await;
    assert_eq!(
        reports,
        [CheckReport {
            name: "inline".into(),
            status: CheckStatus::Failed,
            detail: "up, and down again".into(),
            output_tail: vec!["up, and down again".into()],
            required: true,
        }]
    );
    assert!(reports[0].vetoes());
}

#[tokio::test]
async fn ten_checks_run_side_by_side_and_are_returned_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let checks: Vec<_> = (0..10).map(|n| named(&format!("check-{n}"), "sleep 0.3")).collect();
    let before = Instant::now();
    let reports = run(&checks, folder.path()).await;
    assert!(before.elapsed() < ms(1000), "{:?}", before.elapsed());
    let names: Vec<_> = reports.iter().map(|report| report.name.clone()).collect();
    assert_eq!(names, checks.iter().map(|check| check.name.clone()).collect::<Vec<_>>());
    assert!(reports.iter().all(|report| report.status == CheckStatus::Passed));
}

#[tokio::test]
async fn each_report_is_told_as_its_check_ends() {
    let folder = tempfile::tempdir().unwrap();
    let told = RefCell::new(Vec::new());
    let checks = [named("slow", "sleep 0.5"), named("quick", "echo no; exit 1")];
    let reports = run_all(&checks, &env(folder.path()), &BTreeMap::new(), |report| {
        told.borrow_mut().push(report);
    })
    .await;
    assert_eq!(statuses(&reports), [("slow", CheckStatus::Passed), ("quick", CheckStatus::Failed)]);
    let told = told.into_inner();
    assert_eq!(statuses(&told), [("quick", CheckStatus::Failed), ("slow", CheckStatus::Passed)]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_flood_doesnt_starve_the_checks_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut flood = named("flood", "yes");
    flood.pace.timeout = ms(2000);
    let quick = (0..3).map(|n| named(&format!("quick-{n}"), "sleep 0.1"));
    let checks: Vec<_> = std::iter::once(flood).chain(quick).collect();
    let before = Instant::now();
    let told = RefCell::new(Vec::new());
    run_all(&checks, &env(folder.path()), &BTreeMap::new(), |report| {
        told.borrow_mut().push((report.status, before.elapsed()));
    })
    .await;
    let told = told.into_inner();
    for (status, at) in &told[..3] {
        assert!(*status == CheckStatus::Passed && *at < ms(1500), "{told:?}");
    }
    assert_eq!(told[3].0, CheckStatus::Error);
}

#[tokio::test]
async fn checks_of_the_target_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let remote = Check { runs: Where::Remote, baseline: true, ..named("remote", "touch ran; exit 1") };
    assert_eq!(run(std::slice::from_ref(&remote), folder.path()).await, []);
    assert_eq!(baseline(&[remote], &env(folder.path())).await, BTreeMap::new());
    assert!(!folder.path().join("ran").exists());
}

#[tokio::test]
async fn baseline_asks_once_and_names_what_is_red_before_the_change() {
    let folder = tempfile::tempdir().unwrap();
    let as_baseline = |name, text| Check { baseline: true, ..named(name, text) };
    let checks = [
        as_baseline("red", "echo x >> asked; echo 'no time source'; exit 1"),
        as_baseline("broken", "no-such-program"),
        as_baseline("green", "true"),
        named("unasked", "touch ran; exit 1"),
    ];
    let red = baseline(&checks, &env(folder.path())).await;
    assert_eq!(red.keys().collect::<Vec<_>>(), ["broken", "red"]);
    assert_eq!(red["red"], "no time source");
    assert_eq!(std::fs::read_to_string(folder.path().join("asked")).unwrap(), "x\n");
    assert!(!folder.path().join("ran").exists());
}

#[tokio::test]
async fn what_was_red_before_is_reported_and_never_vetoes() {
    let folder = tempfile::tempdir().unwrap();
    let patient = Pace { healthy_deadline: ms(20_000), ..inline("").pace };
    let checks = [
        named("still red", "echo 'no time source'; exit 1"),
        Check { pace: patient, ..named("mended", FROM_THE_FOURTH) },
        named("new", "exit 1"),
    ];
    let red: BTreeMap<_, _> =
        ["still red", "mended"].map(|name| (name.to_owned(), "was red".to_owned())).into();
    let reports = run_all(&checks, &env(folder.path()), &red, |_| {}).await;
    assert_eq!(
        statuses(&reports),
        [
            ("still red", CheckStatus::RedBefore),
            ("mended", CheckStatus::Passed),
            ("new", CheckStatus::Failed)
        ]
    );
    assert_eq!(reports[0].detail, "no time source");
    assert_eq!(reports.iter().map(CheckReport::vetoes).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn a_check_that_isnt_required_reports_and_doesnt_veto() {
    let folder = tempfile::tempdir().unwrap();
    let reports = run(&[Check { required: false, ..inline("exit 1") }], folder.path()).await;
    assert_eq!((reports[0].status, reports[0].required), (CheckStatus::Failed, false));
    assert!(!reports[0].vetoes());
}

#[tokio::test]
async fn checks_can_be_run_in_a_task() {
    let folder = tempfile::tempdir().unwrap();
    let env = env(folder.path());
    let task = tokio::spawn(async move { run_all(&[inline("true")], &env, &BTreeMap::new(), |_| {}).await });
    let reports = tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
    assert_eq!(reports[0].status, CheckStatus::Passed);
}
