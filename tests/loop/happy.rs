//! All goes well.

use crate::stage::{MOTD, Stage, events};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

/// A server that answers every request with this text.
fn http_server(text: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        }
    });
    port
}

/// All kinds of change and check that there are, with variables, facts, handlers and a template.
fn everything(stage: &Stage) {
    let port = http_server("all is well");
    stage.write("app/app.conf.j2", "port = {{ port }}\n");
    stage.write("app/sub/plain", "plain\n");
    stage.write("apply.sh", "#!/bin/sh\necho \"$FACT_COLOUR $VAR_PORT\" >\"$VAR_ROOT/etc/painted\"\n");
    // Random, so that no compression makes it small.
    let mut bulk = vec![0; 3 << 20];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bulk).unwrap();
    stage.write("bulk", bulk);
    let body = r#"
[groups.all]
on = "*"
vars = { port = @PORT@ }

[[changes]]
name = "app"
kind = "files"
validate = 'grep -q "port = $VAR_PORT" "$VAR_ROOT/etc/app/app.conf"'
handlers = ['echo reloaded >>"$VAR_ROOT/handled"']
[[changes.files]]
source = "app/"
dest = "{{ root }}/etc/app"
template = "*.j2"
mode = "0640"
[[changes.files]]
source = "bulk"
dest = "{{ root }}/etc/bulk"
[[changes.files]]
symlink_to = "app/app.conf"
dest = "{{ root }}/etc/app.conf"

[[changes]]
name = "paint"
kind = "script"
facts = "echo colour=blue"
unless = 'test -f "$VAR_ROOT/etc/painted"'
apply = { file = "apply.sh" }
rollback = 'rm -f "$VAR_ROOT/etc/painted"'

[[checks]]
name = "there"
run = 'test "$(cat "$VAR_ROOT/etc/painted")" = "blue $VAR_PORT"'
healthy_deadline = "3s"
[[checks]]
name = "here"
where = "local"
run = 'test "$VAR_PORT" = @PORT@'
healthy_deadline = "3s"
[[checks]]
name = "page"
use = "http"
with = { url = "http://shop.test/", connect_to = "127.0.0.1:{{ port }}", contains = "all is well" }
healthy_deadline = "3s"
[[checks]]
name = "door"
use = "tcp"
with = { host = "127.0.0.1", port = "{{ port }}" }
healthy_deadline = "3s"
"#;
    stage.fleet(&body.replace("@PORT@", &port.to_string()));
}

#[test]
fn everything_there_is_is_confirmed_and_the_second_run_does_nothing_over_one_connection() {
    let stage = Stage::new();
    let host = stage.host();
    everything(&stage);
    let told = stage.change_told(0);
    let passed: Vec<_> = events(&told, "check_finished").iter().map(|c| c["check"].clone()).collect();
    for check in ["there", "here", "page", "door"] {
        assert!(passed.contains(&check.into()), "{check} has not passed: {passed:?}");
    }
    assert_eq!(events(&told, "confirming").len(), 1);
    assert_eq!(stage.accepted(), 2, "one connection to arm, one to confirm");
    assert_eq!(host.read("etc/app/sub/plain"), "plain\n");
    assert!(host.read("etc/app.conf").starts_with("port = "), "the link leads to the rendered template");
    assert_eq!(host.read("handled"), "reloaded\n", "the handler runs once");
    assert!(host.read("etc/painted").starts_with("blue "));
    host.await_over();

    let (after, bytes) = (host.tree(), host.relay.passed());
    let told = stage.change_told(0);
    assert_eq!(told.last().unwrap()["hosts"]["web.test"], "unchanged");
    assert_eq!(stage.accepted(), 3, "one connection tells that nothing is to be done");
    assert!(events(&told, "guard_armed").is_empty() && events(&told, "uploading").is_empty());
    assert_eq!(host.tree(), after);
    let again = host.relay.passed() - bytes;
    assert!(again * 100 < bytes, "{again} bytes passed for nothing, after {bytes}");
}

#[test]
fn the_summary_counts_and_what_was_put_there_stays() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    stage.change().run().must_exit(0).must_say("1 confirmed");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
    stage.change().run().must_exit(0).must_say("1 unchanged");
}

#[test]
fn nothing_of_the_controller_is_left_after_a_run() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    stage.change().run().must_exit(0);
    let left: Vec<_> = std::fs::read_dir(stage.dir().join("run")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
