//! What can be done to the network of a host, outside and inside of it.

use snapback_testkit::lab::{Condition, Lab};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(400);

#[test]
fn a_blackhole_swallows_everything_until_it_is_lifted() {
    let lab = Lab::new("hole").unwrap();
    let (host, neighbour) = (lab.plain_host("a").unwrap(), lab.plain_host("b").unwrap());
    host.blackhole().unwrap();
    host.blackhole().unwrap();
    assert!(!host.answers_within(SHORT));
    assert!(neighbour.answers_within(SHORT));
    host.network(Condition::Clear).unwrap();
    assert!(host.answers_within(SHORT));
}

#[test]
fn a_lossy_line_loses_packets() {
    let lab = Lab::new("lossy").unwrap();
    let host = lab.plain_host("a").unwrap();
    host.network(Condition::Lossy(100)).unwrap();
    assert!(!host.answers_within(SHORT));
    host.network(Condition::Lossy(0)).unwrap();
    assert!(host.answers_within(SHORT));
}

#[test]
fn rules_inside_the_host_lock_new_connections_out() {
    let lab = Lab::new("rules").unwrap();
    let host = lab.plain_host("a").unwrap();
    host.nft(LOCK_OUT).unwrap();
    assert!(!host.answers_within(SHORT));
    host.nft("flush ruleset").unwrap();
    assert!(host.answers_within(SHORT));
}

const LOCK_OUT: &str = "table inet t {
    chain c {
        type filter hook input priority 0
        tcp dport 22 ct state new drop
    }
}
";

/// Asks for the bits only: a test that tried would break the machine on the day it fails.
#[test]
fn the_network_is_the_hosts_own_and_the_kernel_is_out_of_reach() {
    let lab = Lab::new("reach").unwrap();
    for host in [lab.plain_host("plain").unwrap(), lab.systemd_host("systemd").unwrap()] {
        host.exec_sh("echo 1 >/proc/sys/net/ipv4/ip_forward").unwrap();
        assert!(!host.exec(&["test", "-w", "/proc/sys/kernel/panic"]).unwrap().success());
        assert!(!host.exec(&["test", "-w", "/proc/sysrq-trigger"]).unwrap().success());
        let bits = "sed -n 's/^CapBnd:\\t//p' /proc/self/status";
        let over_ssh = lab.controller_command("ssh").args([host.name(), bits]).output().unwrap();
        for bits in [host.exec_sh(bits).unwrap(), String::from_utf8_lossy(&over_ssh.stdout).into_owned()] {
            let bits = u64::from_str_radix(bits.trim(), 16).unwrap();
            let (modules, clock) = (1 << 16, 1 << 25);
            assert_eq!(bits & (modules | clock), 0, "{}: {bits:x}", host.name());
        }
    }
}
