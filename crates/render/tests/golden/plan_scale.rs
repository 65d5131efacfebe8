//! Plans and questions of three thousand hosts.

use crate::planned::{Planned, differ, file, files, present};
use insta::assert_snapshot;
use snapback_render::plan::{prompt_text, render_plan};
use std::time::{Duration, Instant};

/// How long a page may take on a busy machine, built for debugging.
const LONGEST: Duration = Duration::from_secs(20);

/// Three thousand hosts, each with what is written there now and what is wanted.
fn fleet(now: impl Fn(&str, usize) -> String, wanted: impl Fn(&str, usize) -> String) -> Planned {
    (0..3_000).fold(Planned::default(), |planned, at| {
        let name = format!("web{at:04}.example.org");
        let (new, old) = (format!("new{at}"), format!("old{at}"));
        let change = files(vec![file("/etc/shop/shop.conf", &new, 30)], &["systemctl reload shop"]);
        let found = differ(vec![(0, present(&old, 28), Some(&now(&name, at)))], &[]);
        planned.text(&new, &wanted(&name, at)).host(&name, vec![change], vec![found])
    })
}

fn page(planned: &Planned) -> String {
    let began = Instant::now();
    let page = planned.view(false, render_plan);
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
    page
}

#[test]
fn one_plan_for_all_is_one_page() {
    let planned = fleet(|_, _| "port = 80\n".to_owned(), |_, _| "port = 8080\n".to_owned());
    assert_snapshot!(page(&planned), @"
    web0000.example.org, web0001.example.org, web0002.example.org, web0003.example.org, web0004.example.org, web0005.example.org, web0006.example.org, web0007.example.org, web0008.example.org, web0009.example.org and 2,990 more (3,000 hosts)
      config (files)
        ~ change /etc/shop/shop.conf
            @@ -1 +1 @@
            -port = 80
            +port = 8080
        then RUN  systemctl reload shop
      guard
        systemd; after a reboot the boot hook undoes (systemd)
        the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)
        the undo may take up to 4m 27s
        checks: healthz (local), ntp (remote, only reported), then a fresh ssh connection

    shop: 3,000 hosts change; over all hosts 3,000 paths to change, 3,000 handlers to RUN
    ");
    assert_snapshot!(planned.view(false, prompt_text), @"
    3,000 hosts of shop would change: web0000.example.org, web0001.example.org, web0002.example.org, web0003.example.org, web0004.example.org, web0005.example.org, web0006.example.org, web0007.example.org, web0008.example.org, web0009.example.org and 2,990 more
      RUNS: handler systemctl reload shop  [web0000.example.org, web0001.example.org, web0002.example.org and 2,997 more]
      deadline: the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)  [web0000.example.org, web0001.example.org, web0002.example.org and 2,997 more]
    Change 3,000 hosts?
    ");
}

#[test]
fn plans_that_differ_in_the_name_alone_are_one() {
    let planned = fleet(
        |name, _| format!("name = {name}\nport = 80\n"),
        |name, _| format!("name = {name}\nport = 8080\n"),
    );
    assert_snapshot!(page(&planned), @"
    web0000.example.org, web0001.example.org, web0002.example.org, web0003.example.org, web0004.example.org, web0005.example.org, web0006.example.org, web0007.example.org, web0008.example.org, web0009.example.org and 2,990 more (3,000 hosts)
      HOST stands for the host's name
      config (files)
        ~ change /etc/shop/shop.conf
            @@ -1,2 +1,2 @@
             name = HOST
            -port = 80
            +port = 8080
        then RUN  systemctl reload shop
      guard
        systemd; after a reboot the boot hook undoes (systemd)
        the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)
        the undo may take up to 4m 27s
        checks: healthz (local), ntp (remote, only reported), then a fresh ssh connection

    shop: 3,000 hosts change; over all hosts 3,000 paths to change, 3,000 handlers to RUN
    ");
}

#[test]
fn a_name_in_the_text_of_another_host_is_no_reason_to_fold() {
    let planned = fleet(
        |_, _| "peer = none\n".to_owned(),
        |name, at| format!("peer = {}\n", if at == 7 { "HOST" } else { name }),
    );
    let page = page(&planned);
    assert!(page.contains("(2,999 hosts)\n  HOST stands for the host's name\n"), "{page}");
    assert!(page.contains("\nweb0007.example.org\n"), "{page}");
    assert_eq!(page.matches("+peer = HOST\n").count(), 2, "{page}");
}

#[test]
fn of_three_thousand_different_plans_fifty_are_shown_and_every_loss() {
    let mut planned = fleet(|_, at| format!("id = {at}\n"), |_, at| format!("id = 9{at}\n"));
    let (name, gone) = ("zz.example.org", "/etc/shop/only-here.conf");
    let change = files(vec![file("/etc/shop/shop.conf", "zz", 30)], &[]);
    let found = differ(vec![(0, present("yy", 28), Some("id = zz\n"))], &[gone]);
    planned = planned.text("zz", "id = yy\n").host(name, vec![change], vec![found]);
    let page = page(&planned);
    assert!(
        page.contains("\n2,951 more hosts with plans of their own, which -v shows: web0050.example.org, "),
        "{page}"
    );
    assert!(page.contains(&format!("\n  DELETES: {gone}  [{name}]\n")), "{page}");
    assert!(page.lines().count() < 1_000, "{}", page.lines().count());
    let all = planned.all().view(false, render_plan);
    assert!(all.contains("+id = 92999\n") && !all.contains("which -v shows"), "{}", all.len());
}

#[test]
fn three_thousand_that_can_t_be_looked_at_are_told_in_short() {
    let planned = (0..3_000).fold(Planned::default(), |planned, at| {
        let name = format!("web{at:04}.example.org");
        planned.unread(&name, &format!("{name}: connection timed out"))
    });
    assert_snapshot!(page(&planned), @"
    web0000.example.org, web0001.example.org, web0002.example.org, web0003.example.org, web0004.example.org, web0005.example.org, web0006.example.org, web0007.example.org, web0008.example.org, web0009.example.org and 2,990 more (3,000 hosts): could not be looked at: HOST: connection timed out

    shop: no changes, 3,000 could not be looked at
    ");
}
