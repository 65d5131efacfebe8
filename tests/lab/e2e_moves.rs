//! A planned change of how a host is reached: address, port, user, user key, host key. The old way arms, the new one
//! confirms; what doesn't move is undone; a half-moved fleet is finished, or moved back.

use crate::e2e_stage::{Said, Stage, assert_quiet};
use snapback_testkit::lab::LabHost;
use std::fs;
use std::process::Command;
use std::thread;

/// One way to move a host.
struct Move {
    /// Keys of the host in the fleet file: where it is to be found in the end, and where it was.
    ways: String,
    /// The script that moves it, and the one that moves it back; each quoted by ''' in the file.
    apply: String,
    rollback: String,
    /// Succeeds on a host that has been moved.
    moved: String,
}

/// With a window of so many seconds.
fn fleet(hosts: &[(&LabHost, &Move)], window: u32, apply: impl Fn(&Move) -> String) -> String {
    let mut text = String::new();
    for (host, way) in hosts {
        text += &format!("[hosts.{}]\n{}\n", host.name(), way.ways);
    }
    text += &format!("[confirm]\ntimeout = \"{window}s\"\napply_timeout = \"30s\"\nsettle = \"0s\"\n");
    for (host, way) in hosts {
        text += &format!(
            "[[changes]]\nname = \"move-{0}\"\non = \"{0}\"\nkind = \"script\"\nunless = '''{1}'''\napply = '''{2}'''\nrollback = '''{3}'''\n",
            host.name(),
            way.moved,
            apply(way),
            way.rollback
        );
    }
    text
}

fn is_moved(host: &LabHost, way: &Move) -> bool {
    host.exec(&["sh", "-c", &way.moved]).unwrap().success()
}

/// A move that claims to be done and isn't is undone; then it is done for real, and is there the next time.
fn tried_undone_done_and_kept(stage: &Stage, host: &LabHost, way: &Move) {
    let all = [(host, way)];
    let said: Said = stage.run(&fleet(&all, 6, |_| "true".to_owned()));
    said.expect(host.name(), "rolled_back", 1);
    assert!(!is_moved(host, way));
    let said = stage.run(&fleet(&all, 60, |way| way.apply.clone()));
    said.expect(host.name(), "confirmed", 0);
    assert_eq!(said.events(host.name(), "host_connected")[0]["way"], "was", "{said:#?}");
    assert!(is_moved(host, way));
    let at = |event: &str| said.events(host.name(), event)[0]["at_ms"].as_u64().unwrap();
    let took = at("host_finished") - at("guard_armed");
    assert!(took < 15_000, "it was not looked for where it is, but waited for where it was: {took} ms");
    let said = stage.run(&fleet(&all, 60, |way| way.apply.clone()));
    said.expect(host.name(), "unchanged", 0);
    assert_eq!(said.events(host.name(), "host_connected")[0]["way"], "final", "{said:#?}");
    assert_quiet(host);
}

/// To another address of the same network, which no `known_hosts` knows: so its key is stated.
fn address(host: &LabHost) -> Move {
    let old = host.address();
    let [a, b, c, d] = old.octets();
    let new = format!("{a}.{b}.{}.{d}", c + 100);
    // Not added and then deleted: with its first address the kernel drops those that came after it.
    let set = |to: &str| format!("ip addr flush dev eth0 scope global; ip addr add {to}/16 dev eth0");
    let key = fs::read_to_string(host.root().join("etc/ssh/ssh_host_ed25519_key.pub")).unwrap();
    let key = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Move {
        ways: format!(
            "address = \"{new}\"\nhost_key = \"{}\"\nwas = {{ address = \"{old}\" }}\n",
            key.trim()
        ),
        apply: set(&new),
        rollback: set(&old.to_string()),
        moved: format!("ip -o -4 addr show eth0 | grep -q ' {new}/'"),
    }
}

/// sshd listens on another port, and no longer on 22.
fn port() -> Move {
    Move {
        ways: "port = 2222\nwas = { port = 22 }\n".to_owned(),
        apply: "echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf; systemctl restart ssh".to_owned(),
        rollback: "rm -f /etc/ssh/sshd_config.d/port.conf; systemctl restart ssh".to_owned(),
        moved: "test -e /etc/ssh/sshd_config.d/port.conf".to_owned(),
    }
}

/// root may no longer log in; another user with sudo does.
fn user() -> Move {
    Move {
        ways: "user = \"deploy\"\nwas = { user = \"root\" }\n".to_owned(),
        apply: "cp -p /etc/shadow /etc/shadow.was; mv /home/deploy/keys /home/deploy/.ssh/authorized_keys; \
                echo 'PermitRootLogin no' >/etc/ssh/sshd_config.d/00-root.conf; systemctl restart ssh"
            .to_owned(),
        rollback: "mv /home/deploy/.ssh/authorized_keys /home/deploy/keys || true; \
                   rm -f /etc/ssh/sshd_config.d/00-root.conf; systemctl restart ssh"
            .to_owned(),
        moved: "test -e /etc/ssh/sshd_config.d/00-root.conf".to_owned(),
    }
}

/// Another user key, and the old one goes.
fn identity(stage: &Stage) -> Move {
    let home = stage.lab.home();
    let (old, new) = (home.join(".ssh/id_ed25519"), home.join("next"));
    keygen(&new.to_string_lossy());
    let public = fs::read_to_string(home.join("next.pub")).unwrap();
    Move {
        ways: format!(
            "identity_file = \"{}\"\nwas = {{ identity_file = \"{}\" }}\n",
            new.display(),
            old.display()
        ),
        apply: format!(
            "cp -p /root/.ssh/authorized_keys /root/.ssh/was; echo '{}' >/root/.ssh/authorized_keys",
            public.trim()
        ),
        rollback: "test ! -e /root/.ssh/was || mv -f /root/.ssh/was /root/.ssh/authorized_keys".to_owned(),
        moved: "test -e /root/.ssh/was".to_owned(),
    }
}

/// Another host key, announced in the fleet file.
fn host_key(host: &LabHost) -> Move {
    let next = host.root().join("etc/ssh/next");
    keygen(&next.to_string_lossy());
    let public = fs::read_to_string(host.root().join("etc/ssh/next.pub")).unwrap();
    let announced = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let swap = "cd /etc/ssh; for e in '' .pub; do mv next$e swap$e; mv ssh_host_ed25519_key$e next$e; mv swap$e ssh_host_ed25519_key$e; done; \
                systemctl restart ssh";
    Move {
        ways: format!("host_key = \"{announced}\"\nwas = {{}}\n"),
        apply: swap.to_owned(),
        rollback: format!("if grep -q '{announced}' /etc/ssh/ssh_host_ed25519_key.pub; then {swap}; fi"),
        moved: format!("grep -q '{announced}' /etc/ssh/ssh_host_ed25519_key.pub"),
    }
}

fn keygen(path: &str) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path]).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_move_is_armed_by_the_old_way_and_confirmed_by_the_new_one_alone() {
    let stage = Stage::new("moves");
    let [one, two, three, four] = stage.systemd(["address", "port", "user", "key"]);
    three.exec_sh("mv /home/deploy/.ssh/authorized_keys /home/deploy/keys").unwrap();
    let identity = identity(&stage);
    thread::scope(|scope| {
        scope.spawn(|| tried_undone_done_and_kept(&stage, &one, &address(&one)));
        scope.spawn(|| tried_undone_done_and_kept(&stage, &two, &port()));
        scope.spawn(|| tried_undone_done_and_kept(&stage, &three, &user()));
        scope.spawn(|| tried_undone_done_and_kept(&stage, &four, &identity));
    });
}

#[test]
fn an_announced_host_key_confirms_and_an_unannounced_one_does_not() {
    let stage = Stage::new("hostkeys");
    let [host] = stage.systemd(["app1"]);
    let way = host_key(&host);
    // Nobody announced it.
    let unannounced = Move { ways: String::new(), ..host_key_of(&way) };
    let said = stage.run(&fleet(&[(&host, &unannounced)], 6, |way| way.apply.clone()));
    said.expect("app1", "rolled_back", 1);
    assert!(!is_moved(&host, &way));
    tried_undone_done_and_kept(&stage, &host, &way);
}

fn host_key_of(way: &Move) -> Move {
    Move {
        ways: String::new(),
        apply: way.apply.clone(),
        rollback: way.rollback.clone(),
        moved: way.moved.clone(),
    }
}

#[test]
fn a_half_moved_fleet_is_finished_or_found_where_it_is() {
    let stage = Stage::new("halfmoved");
    let [one, two] = stage.systemd(["app1", "app2"]);
    let (first, second) = (address(&one), address(&two));
    let both = [(&one, &first), (&two, &second)];
    // Only the first one moves: the second one's script does nothing, and is undone.
    let only_one = |way: &Move| if way.ways == first.ways { way.apply.clone() } else { "true".to_owned() };
    let said = stage.run(&fleet(&both, 60, only_one));
    said.expect("app1", "confirmed", 1);
    said.expect("app2", "rolled_back", 1);
    // Again: one by its new way and unchanged, the other one moves.
    let said = stage.run(&fleet(&both, 60, |way| way.apply.clone()));
    said.expect("app1", "unchanged", 0);
    said.expect("app2", "confirmed", 0);
    assert!(is_moved(&one, &first) && is_moved(&two, &second));
}
