use crate::page::assert_harmless;
use crate::recorded::HOSTILE;
use insta::assert_snapshot;
use snapback_render::doctor::{DoctorRow, Health, Marks, doctor_json, render_doctor, worst};

pub(crate) fn row(host: &str, item: &str, ok: Health, found: &str, mend: &str) -> DoctorRow {
    let [host, item, found, mend] = [host, item, found, mend].map(str::to_owned);
    DoctorRow { host, item, ok, found, mend }
}

fn fleet() -> Vec<DoctorRow> {
    vec![
        row("controller", "ssh", Health::Good, "OpenSSH 9.2", ""),
        row("web1", "boot hook", Health::Warn, "none: no systemd", ""),
        row(
            "web1",
            "host key",
            Health::Bad,
            "not known",
            "ssh-keyscan web1 >> known_hosts\nssh-keygen -lf known_hosts",
        ),
    ]
}

#[test]
fn ticks_and_crosses_with_mends_to_paste() {
    assert_snapshot!(render_doctor(&fleet(), Marks::Unicode, false, false), @"
    controller
      ✓  ssh        OpenSSH 9.2
    web1
      !  boot hook  none: no systemd
      ✗  host key   not known
          ssh-keyscan web1 >> known_hosts
          ssh-keygen -lf known_hosts
    1 good, 1 to look at, 1 bad
    ");
}

#[test]
fn words_where_ticks_cannot_be_shown() {
    let page = render_doctor(&fleet(), Marks::Ascii, false, false);
    assert!(page.is_ascii(), "{page}");
    assert_snapshot!(page, @"
    controller
      ok    ssh        OpenSSH 9.2
    web1
      warn  boot hook  none: no systemd
      BAD   host key   not known
          ssh-keyscan web1 >> known_hosts
          ssh-keygen -lf known_hosts
    1 good, 1 to look at, 1 bad
    ");
}

#[test]
fn the_worst_decides() {
    assert_eq!(worst(&[]), Health::Good);
    assert_eq!(worst(&fleet()[..2]), Health::Warn);
    assert_eq!(worst(&fleet()), Health::Bad);
}

#[test]
fn the_same_as_json() {
    let value: serde_json::Value = serde_json::from_str(&doctor_json(&fleet()).unwrap()).unwrap();
    assert_eq!(value["worst"], "bad");
    assert_eq!(value["items"][1]["ok"], "warn");
    assert_eq!(value["items"][2]["mend"], "ssh-keyscan web1 >> known_hosts\nssh-keygen -lf known_hosts");
}

#[test]
fn nothing_a_target_says_drives_the_terminal() {
    let rows = [row(HOSTILE, HOSTILE, Health::Bad, HOSTILE, HOSTILE)];
    assert_harmless(&render_doctor(&rows, Marks::Ascii, false, false));
    assert_harmless(&doctor_json(&rows).unwrap());
}

#[test]
fn of_three_thousand_hosts_what_is_wrong_is_told_once() {
    let rows: Vec<_> = (0..3_000)
        .flat_map(|at| {
            let name = format!("web{at:04}");
            let latency = format!("connects in {at} ms");
            let keyscan = format!("ssh-keyscan {name} >> known_hosts");
            let mut rows = vec![row(&name, "ssh", Health::Good, &latency, "")];
            rows.extend(
                (at % 1_000 == 5).then(|| row(&name, "host key", Health::Bad, "not known", &keyscan)),
            );
            rows.extend((at == 7).then(|| row(&name, "boot hook", Health::Warn, "none: no systemd", "")));
            rows
        })
        .collect();
    assert_snapshot!(render_doctor(&rows, Marks::Ascii, false, false), @"
    web0005, web1005, web2005 (3 hosts; told of the first)
      BAD   host key   not known
          ssh-keyscan web0005 >> known_hosts
    web0007
      warn  boot hook  none: no systemd
    2,996 hosts: nothing is wrong
    3,000 good, 1 to look at, 3 bad
    ");
    assert_eq!(render_doctor(&rows, Marks::Ascii, true, false).lines().count(), 6_008);
}
