//! Many hosts at once: one that is silent holds up nobody.

use crate::stage::{MOTD, Stage, end_of};
use std::time::{Duration, Instant};

#[test]
fn nineteen_are_confirmed_beside_one_that_is_silent() {
    let names: Vec<_> = (1..=20).map(|n| format!("web{n:02}.test")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let stage = Stage::of(&names);
    let head = stage.head().replace("\"8s\"", "\"15s\"");
    stage.write("fleet.toml", format!("{head}[confirm]\ntimeout = \"40s\"\nsettle = \"0s\"\n{MOTD}"));
    stage.hosts[7].relay.blackhole();
    let began = Instant::now();
    let told = stage.change_told(4);
    let took = began.elapsed();
    for host in &stage.hosts {
        let silent = host.name == "web08.test";
        let (result, motd) = if silent { ("unreachable", "old\n") } else { ("confirmed", "new\n") };
        assert_eq!(end_of(&told, &host.name)["result"], result);
        assert_eq!(host.read("etc/motd"), motd, "{}", host.name);
    }
    // Its connect timeout, and what the others take on a busy machine.
    assert!(took < Duration::from_secs(15 + 25), "it took {took:?}");
}
