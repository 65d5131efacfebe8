//! Commands, what they read and what they print.

use crate::bench::{LONG, command, command_reading, connector, once, run};
use sha2::{Digest, Sha256};
use snapback_core::way::Way;
use snapback_testkit::sshd::{Settings, Sshd};
use snapback_transport::{Connector, Exit, Line, Piece, RunError};
use std::fmt::Write as _;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};

#[tokio::test]
async fn a_command_brings_its_lines_and_its_status() {
    let sshd = Settings::named("target.test").set_env("GREETING", "hello").start();
    let connector = connector();
    let session = connector.open(&sshd.way()).await.unwrap();
    let script = "echo $GREETING; echo oops >&2; printf last; exit 3";
    for ran in [
        run(&*session, command(script)).await.unwrap(),
        once(&connector, &sshd.way(), command(script)).await.unwrap(),
    ] {
        assert_eq!(ran.exit, Exit { code: Some(3) });
        assert_eq!(ran.out, ["hello", "last"]);
        assert_eq!(ran.err, ["oops"]);
    }
    session.close().await;
}

/// 127 is what the openssh crate and 255 what ssh itself has another meaning for.
#[tokio::test]
async fn every_status_arrives_as_it_was_and_a_signal_is_none() {
    let sshd = Sshd::start();
    let connector = connector();
    let session = connector.open(&sshd.way()).await.unwrap();
    for (script, code) in [
        ("exit 0", Some(0)),
        ("exit 126", Some(126)),
        ("exit 127", Some(127)),
        ("exit 255", Some(255)),
        ("kill -9 $$", None),
    ] {
        assert_eq!(run(&*session, command(script)).await.unwrap().exit, Exit { code }, "{script}");
        assert_eq!(
            once(&connector, &sshd.way(), command(script)).await.unwrap().exit,
            Exit { code },
            "{script}"
        );
    }
    session.close().await;
}

#[tokio::test]
async fn a_flood_of_lines_comes_whole_and_in_order() {
    let sshd = Sshd::start();
    let connector = connector();
    let script = "i=0; while [ $i -lt 1000 ]; do echo line $i; echo error $i >&2; i=$((i+1)); done";
    let session = connector.open(&sshd.way()).await.unwrap();
    let numbered = |word: &str| (0..1000).map(|i| format!("{word} {i}")).collect::<Vec<_>>();
    for ran in [
        run(&*session, command(script)).await.unwrap(),
        once(&connector, &sshd.way(), command(script)).await.unwrap(),
    ] {
        assert_eq!(ran.out, numbered("line"));
        assert_eq!(ran.err, numbered("error"));
    }
    session.close().await;
}

#[tokio::test]
async fn five_megabytes_of_memory_and_file_arrive_unchanged() {
    let sshd = Sshd::start();
    let connector = connector();
    let half: Vec<u8> = (0..2_500_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let path = sshd.path("half");
    std::fs::write(&path, &half).unwrap();
    let mut invocation = command_reading("sha256sum", &half);
    invocation.stdin.push(Piece::File { path, len: half.len() as u64 });
    let wanted =
        Sha256::digest([&half[..], &half[..]].concat()).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    let session = connector.open(&sshd.way()).await.unwrap();
    for ran in [
        run(&*session, invocation.clone()).await.unwrap(),
        once(&connector, &sshd.way(), invocation).await.unwrap(),
    ] {
        assert_eq!(ran.good().split(' ').next(), Some(wanted.as_str()));
    }
    session.close().await;
}

#[tokio::test]
async fn a_file_that_is_not_as_long_as_it_was_is_named() {
    let sshd = Sshd::start();
    let connector = connector();
    let path = sshd.path("short");
    std::fs::write(&path, "four").unwrap();
    let mut invocation = command("cat");
    invocation.stdin.push(Piece::File { path: path.clone(), len: 5 });
    let session = connector.open(&sshd.way()).await.unwrap();
    let error = run(&*session, invocation.clone()).await.unwrap_err();
    assert!(matches!(&error, RunError::Source { path: named, .. } if *named == path), "{error:?}");
    let error = once(&connector, &sshd.way(), invocation).await.unwrap_err();
    assert!(error.message.contains("short: the file has 4 bytes now and had 5"), "{error:?}");
    session.close().await;
}

#[tokio::test]
async fn a_command_that_reads_nothing_may_leave_its_input_lying() {
    let sshd = Sshd::start();
    let connector = connector();
    let unread = vec![0; 5_000_000];
    let session = connector.open(&sshd.way()).await.unwrap();
    for script in ["echo done", "exec <&-; sleep 0.3; echo done"] {
        let invocation = command_reading(script, &unread);
        assert_eq!(run(&*session, invocation.clone()).await.unwrap().good(), "done");
        assert_eq!(once(&connector, &sshd.way(), invocation).await.unwrap().good(), "done");
    }
    session.close().await;
}

/// sshd may tell the status before the last of the output, and does when something in the background still prints.
#[tokio::test]
async fn output_that_comes_after_the_status_is_not_lost() {
    let sshd = Sshd::start();
    let connector = connector();
    let session = connector.open(&sshd.way()).await.unwrap();
    let script = "(sleep 0.3; echo late; echo late too >&2) & echo early; exit 3";
    for ran in [
        run(&*session, command(script)).await.unwrap(),
        once(&connector, &sshd.way(), command(script)).await.unwrap(),
    ] {
        assert_eq!(ran.exit, Exit { code: Some(3) });
        assert_eq!(ran.out, ["early", "late"]);
        assert_eq!(ran.err, ["late too"]);
    }
    session.close().await;
}

#[tokio::test]
async fn commands_run_side_by_side_over_one_connection() {
    let sshd = Sshd::start();
    let session = connector().open(&sshd.way()).await.unwrap();
    let fifo = sshd.path("fifo");
    let make = format!("mkfifo {}; echo ${{SSH_CONNECTION}}", fifo.display());
    let connection = run(&*session, command(&make)).await.unwrap().good();
    // Either waits for the other to open its end.
    let writer = command(&format!("echo met > {}; echo $SSH_CONNECTION", fifo.display()));
    let reader = command(&format!("cat {}", fifo.display()));
    let (wrote, read) = tokio::join!(run(&*session, writer), run(&*session, reader));
    assert_eq!(wrote.unwrap().good(), connection);
    assert_eq!(read.unwrap().good(), "met");
    session.close().await;
}

/// sshd's default is 10 sessions over one connection; the 11th would be refused.
#[tokio::test]
async fn more_commands_than_sshd_allows_at_once_wait_their_turn() {
    let sshd = Sshd::start();
    let session = connector().open(&sshd.way()).await.unwrap();
    let many = (0..24).map(|i| run(&*session, command(&format!("sleep 0.1; echo {i}"))));
    for (i, ran) in futures::future::join_all(many).await.into_iter().enumerate() {
        assert_eq!(ran.unwrap().good(), i.to_string());
    }
    session.close().await;
}

#[tokio::test]
async fn a_slow_listener_holds_the_command_up_and_loses_nothing() {
    let sshd = Sshd::start();
    let connector = connector();
    let (sender, mut receiver) = mpsc::channel(1);
    let way = sshd.way();
    // Far more than all pipes and ssh's window hold.
    let script = "i=0; while [ $i -lt 400 ]; do head -c 20000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo over >&2";
    let running = connector.once(&way, false, command(script), sender);
    let listening = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut over_at = None;
        let mut count = 0;
        while let Some(line) = receiver.recv().await {
            if line == Line::Err(b"over".to_vec()) {
                over_at = Some(count);
            } else {
                count += 1;
            }
        }
        (count, over_at)
    };
    let (exit, (count, over_at)) = timeout(LONG, async { tokio::join!(running, listening) }).await.unwrap();
    assert_eq!(exit.unwrap(), Exit { code: Some(0) });
    assert_eq!(count, 400);
    assert!(over_at.unwrap() > 50, "the command ran ahead of a listener that did not listen");
}

#[tokio::test]
async fn a_listener_that_has_gone_does_not_stop_the_command() {
    let sshd = Sshd::start();
    let connector = connector();
    let session = connector.open(&sshd.way()).await.unwrap();
    for name in ["session", "once"] {
        let mark = sshd.path(name);
        let script =
            format!("i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done; touch {}", mark.display());
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let exit = match name {
            "session" => session.run(command(&script), sender).await.unwrap(),
            _ => connector.once(&sshd.way(), false, command(&script), sender).await.unwrap(),
        };
        assert_eq!(exit, Exit { code: Some(0) });
        assert!(mark.exists());
    }
    session.close().await;
}

/// The command is one line for any login shell; here each of those that are there runs it.
#[tokio::test]
async fn the_command_line_reaches_any_login_shell_unchanged() {
    let mut tried = 0;
    for shell in ["/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/fish", "/bin/csh", "/bin/tcsh", "/bin/mksh"]
    {
        if !std::path::Path::new(shell).exists() {
            continue;
        }
        tried += 1;
        // sshd hands the line to the login shell as `-c LINE`; so does this, whoever runs the test.
        let force = format!("ForceCommand {shell} -c \"$SSH_ORIGINAL_COMMAND\"");
        let sshd = Settings::named("target.test").line(&force).start();
        let line = r#"exec sh -c 'printf "%s\n" "$1" "a  b" "\$x" "*"' sh 'it is'"#;
        let ran = once(&connector(), &sshd.way(), command(line)).await.unwrap();
        assert_eq!(ran.good(), "it is\na  b\n$x\n*", "{shell}");
    }
    assert!(tried > 0);
}

#[tokio::test]
async fn dropping_a_command_leaves_the_session_usable() {
    let sshd = Sshd::start();
    let session = connector().open(&sshd.way()).await.unwrap();
    let (sender, _receiver) = mpsc::channel(1);
    let start = Instant::now();
    let dropped = timeout(Duration::from_millis(300), session.run(command("sleep 30"), sender)).await;
    assert!(dropped.is_err());
    assert_eq!(run(&*session, command("echo still")).await.unwrap().good(), "still");
    session.close().await;
    assert!(start.elapsed() < Duration::from_secs(10), "closing waited for the dropped command");
}

#[tokio::test]
async fn the_cheaper_key_exchange_yields_to_the_users() {
    let sshd = Sshd::start();
    let connector = connector();
    let plain = sshd.way();
    let users = sshd.way_with("KexAlgorithms ecdh-sha2-nistp256");
    let kex = |way: Way, cheap: bool| {
        let connector = &connector;
        async move {
            let (sender, _receiver) = mpsc::channel(1);
            connector.once(&way, cheap, command("true"), sender).await.unwrap();
        }
    };
    let used = || {
        let log = sshd.log();
        log.lines().rev().find_map(|l| {
            l.split_once("kex: algorithm: ").map(|(_, k)| k.split(' ').next().unwrap_or("").to_owned())
        })
    };
    kex(plain.clone(), true).await;
    let cheap = used();
    kex(plain, false).await;
    let default = used();
    kex(users, true).await;
    let own = used();
    assert_eq!(own.as_deref(), Some("ecdh-sha2-nistp256"));
    assert_ne!(default.as_deref(), Some("ecdh-sha2-nistp256"));
    let default_is_dear = default.as_deref().is_some_and(|kex| kex.starts_with("sntrup"));
    if default_is_dear {
        assert!(cheap.as_deref().is_some_and(|kex| kex.starts_with("curve25519-sha256")), "{cheap:?}");
    }
}
