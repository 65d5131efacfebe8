//! Commands: how they are started, what counts as an answer, and that nothing of them is left.

use crate::stage::*;
use snapback_core::check::Answer;
use snapback_engine::local_check::{LocalEnv, attempt};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Waits until a process is gone, or only a zombie that its parent hasn't collected yet.
async fn gone(pid: &str) -> bool {
    let end = Instant::now() + ms(3000);
    while Instant::now() < end {
        match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Err(_) => return true,
            Ok(stat) if stat.contains(") Z ") => return true,
            Ok(_) => tokio::time::sleep(ms(20)).await,
        }
    }
    false
}

/// Installs an executable with another process, because a file that this one has open for writing while another
/// test forks can't be executed.
fn install(folder: &Path, name: &str, mode: &str, text: &str) {
    let source = folder.join("source");
    fs::write(&source, text).unwrap();
    let done = std::process::Command::new("install")
        .args(["-m", mode])
        .args([&source, &folder.join(name)])
        .status()
        .unwrap();
    assert!(done.success());
}

#[tokio::test]
async fn zero_passes_and_the_output_is_kept_in_the_order_it_was_printed() {
    let (answer, lines) = ask(&inline("echo one; echo two >&2; printf three")).await;
    assert_eq!((answer, lines), (Answer::Passed, vec!["one".into(), "two".into(), "three".into()]));
}

#[tokio::test]
async fn another_status_fails_with_the_last_line_or_the_status() {
    assert_eq!(
        ask(&inline("echo starting; echo 'still warming up' >&2; exit 3")).await.0,
        failed("still warming up")
    );
    assert_eq!(ask(&inline("exit 3")).await.0, failed("exit status 3"));
    assert_eq!(ask(&inline("kill -KILL $$")).await.0, failed("killed by signal 9"));
    assert_eq!(ask(&inline("false\necho never")).await, (failed("exit status 1"), vec![]), "sh -e");
}

#[tokio::test]
async fn what_could_not_run_is_an_error_and_not_a_failure() {
    let (answer, _) = ask(&inline("no-such-program --now")).await;
    assert!(matches!(&answer, Answer::Error(why) if why.contains("no-such-program")), "{answer:?}");
    assert_eq!(ask(&inline("exit 126")).await.0, error("exit status 126"));
}

#[tokio::test]
async fn a_file_that_cant_be_started_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "plain.sh", "644", "#!/bin/sh\n");
    install(folder.path(), "lost.sh", "755", "#!/no/such/interpreter\n");
    install(folder.path(), "garbage", "755", "\x7fELF nonsense");
    let env = env(folder.path());
    for (name, wanted) in [
        ("absent.sh", "is it there"),
        ("plain.sh", "chmod +x"),
        ("lost.sh", "interpreter"),
        ("garbage", "first line must name an interpreter"),
    ] {
        let (answer, _) = attempt(&file(name), &env).await;
        let Answer::Error(why) = &answer else { panic!("{name}: {answer:?}") };
        assert!(why.contains(name) && why.contains(wanted), "{why}");
    }
    let nowhere = LocalEnv { cwd: folder.path().join("nowhere"), vars: Vec::new() };
    let (answer, _) = attempt(&inline("true"), &nowhere).await;
    assert!(matches!(&answer, Answer::Error(why) if why.contains("nowhere isn't there")), "{answer:?}");
}

#[tokio::test]
async fn a_file_runs_by_its_own_shebang_in_the_folder_of_the_fleet_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("checks")).unwrap();
    fs::write(folder.path().join("marker"), "").unwrap();
    install(&folder.path().join("checks"), "here", "755", "#!/bin/cat\nmarker-line\n");
    install(&folder.path().join("checks"), "look.sh", "755", "#!/bin/sh\ntest -f marker && echo \"$0\"\n");
    let env = env(folder.path());
    let (answer, lines) = attempt(&file("checks/here"), &env).await;
    assert_eq!((answer, lines.last().map(String::as_str)), (Answer::Passed, Some("marker-line")));
    let absolute = folder.path().join("checks/look.sh");
    for path in [Path::new("checks/look.sh"), &absolute] {
        let (answer, lines) = attempt(&file(path), &env).await;
        assert_eq!((answer, lines), (Answer::Passed, vec![absolute.display().to_string()]));
    }
}

#[tokio::test]
async fn values_arrive_in_the_environment_and_are_never_read_as_shell() {
    let folder = tempfile::tempdir().unwrap();
    let evil = "a b'\"$(touch hurt)`touch hurt`;touch hurt\\";
    let env = LocalEnv {
        cwd: folder.path().to_owned(),
        vars: vec![("DEPLOY_HOST".into(), "app01".into()), ("VAR_X".into(), evil.into())],
    };
    let (answer, lines) =
        attempt(&inline("printf '%s\\n' \"$DEPLOY_HOST\" \"$VAR_X\" \"$PATH\""), &env).await;
    assert_eq!(answer, Answer::Passed);
    assert_eq!(lines, ["app01", evil, &std::env::var("PATH").unwrap()]);
    assert!(!folder.path().join("hurt").exists());
}

#[tokio::test]
async fn a_text_that_begins_with_a_dash_is_no_option() {
    let (answer, _) = ask(&inline("-n true")).await;
    assert!(matches!(&answer, Answer::Error(why) if why.contains("not found")), "{answer:?}");
}

#[tokio::test]
async fn nothing_can_be_read_from_stdin() {
    assert_eq!(ask(&inline("if read -r line; then exit 1; fi; echo empty")).await.1, ["empty"]);
}

#[tokio::test]
async fn a_command_that_hangs_is_an_error_and_gone() {
    let mut check = inline("echo $$; exec sleep 1000");
    check.pace.timeout = ms(300);
    let before = Instant::now();
    let (answer, lines) = ask(&check).await;
    assert_eq!(answer, error(&format!("did not end within 300ms: {}", lines[0])));
    assert!(before.elapsed() < ms(1300), "SIGTERM is enough for sleep: {:?}", before.elapsed());
    assert!(gone(&lines[0]).await);
}

#[tokio::test]
async fn a_command_may_tidy_up_on_sigterm() {
    let mut check = inline("trap 'echo tidied; exit 0' TERM; while :; do sleep 0.05; done");
    check.pace.timeout = ms(300);
    let (answer, lines) = ask(&check).await;
    assert_eq!(answer, error("did not end within 300ms: tidied"), "ending well too late is still too late");
    assert_eq!(lines.last().map(String::as_str), Some("tidied"));
}

#[tokio::test]
async fn a_command_that_ignores_sigterm_is_killed_with_all_its_children() {
    let mut check = inline(
        "trap '' TERM; sh -c 'while :; do sleep 0.05; done' & echo $$; echo $!; while :; do sleep 0.05; done",
    );
    check.pace.timeout = ms(300);
    let before = Instant::now();
    let (answer, lines) = ask(&check).await;
    assert_eq!(answer, error(&format!("did not end within 300ms: {}", lines[1])));
    assert!(before.elapsed() > ms(1250) && before.elapsed() < ms(3000), "{:?}", before.elapsed());
    assert!(gone(&lines[0]).await && gone(&lines[1]).await);
}

#[tokio::test]
async fn a_child_in_the_background_neither_delays_the_answer_nor_lives_on() {
    let before = Instant::now();
    let (answer, lines) = ask(&inline("sleep 1000 & echo $!")).await;
    assert_eq!(answer, Answer::Passed);
    assert!(before.elapsed() < ms(2000), "{:?}", before.elapsed());
    assert!(gone(&lines[0]).await);
}

#[tokio::test]
async fn a_child_that_left_the_group_and_holds_the_output_doesnt_delay_the_answer() {
    let before = Instant::now();
    let (answer, lines) = ask(&inline("setsid sleep 6 & sleep 0.1; echo ready")).await;
    assert_eq!((answer, lines), (Answer::Passed, vec!["ready".into()]));
    assert!(before.elapsed() < ms(3000), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_gigabyte_without_a_newline_takes_neither_memory_nor_the_answer() {
    let mut check = inline("head -c 1000000000 /dev/zero; echo; echo 'out of order'; exit 1");
    check.pace.timeout = Duration::from_secs(60);
    let (answer, lines) = ask(&check).await;
    assert_eq!(answer, failed("out of order"));
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("\\x00") && lines[0].chars().count() == 500);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 200 * 1024, "peak memory {kib} KiB");
}

#[tokio::test]
async fn an_endless_flood_of_lines_is_cut_off_in_time() {
    let mut check = inline("yes flood");
    check.pace.timeout = ms(500);
    let before = Instant::now();
    let (answer, lines) = ask(&check).await;
    assert_eq!(answer, error("did not end within 500ms: flood"));
    assert!(before.elapsed() < ms(2500), "{:?}", before.elapsed());
    assert_eq!(lines.len(), 20);
    assert!(lines[..19].iter().all(|line| line == "flood"));
}

#[tokio::test]
async fn dropping_an_attempt_kills_the_command_and_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let check = inline("trap '' TERM; sleep 1000 & echo $$ $! > pids.new; mv pids.new pids; wait");
    let env = env(folder.path());
    let pids = folder.path().join("pids");
    let started = async {
        while !pids.exists() {
            tokio::time::sleep(ms(10)).await;
        }
    };
    tokio::select! {
        heard = attempt(&check, &env) => panic!("it ended: {heard:?}"),
        () = started => {}
    }
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        assert!(gone(pid).await, "{pid}");
    }
}

#[tokio::test]
async fn nothing_that_a_command_prints_can_drive_a_terminal() {
    let (answer, _) = ask(&inline("printf 'bad \\033[2J\\n'; exit 1")).await;
    assert_eq!(answer, failed("bad \\x1b[2J"));
}
