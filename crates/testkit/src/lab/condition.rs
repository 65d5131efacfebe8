//! What the network does to a host, outside of it.

use super::error::LabError;
use super::network::port;
use super::paths::LabPaths;
use super::program::run_with_input;

/// What happens to packets between the bridge and a host, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// They arrive.
    Clear,
    /// All are dropped without a word. Address resolution still works, as it would across a router.
    Blackhole,
    /// This percentage of them is dropped, by chance.
    Lossy(u8),
}

/// Makes it so.
pub(crate) fn set(lab: &LabPaths, index: u16, condition: Condition) -> Result<(), LabError> {
    let netns = format!("--net=/run/netns/{}", lab.controller_netns());
    run_with_input(&["nsenter", &netns, "nft", "-f", "-"], &rules(&port(index), condition))?;
    Ok(())
}

fn rules(port: &str, condition: Condition) -> String {
    // Creating the table first makes its deletion legal whether or not it was there.
    let fresh = format!("table bridge {port} {{}}\ndelete table bridge {port}\n");
    let verdict = match condition {
        Condition::Clear => return fresh,
        // The rule below takes 0 to 99 only.
        Condition::Blackhole | Condition::Lossy(100..) => "drop".to_owned(),
        Condition::Lossy(percent) => format!("numgen random mod 100 < {percent} drop"),
    };
    let dropped = |end: &str| format!("{end} \"{port}\" ether type {{ ip, ip6 }} {verdict}");
    let (from, to) = (dropped("iifname"), dropped("oifname"));
    format!(
        "{fresh}table bridge {port} {{\n\
         chain input {{ type filter hook input priority 0; {from}; }}\n\
         chain output {{ type filter hook output priority 0; {to}; }}\n\
         chain forward {{ type filter hook forward priority 0; {from}; {to}; }}\n}}\n"
    )
}
