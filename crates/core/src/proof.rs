//! What must be shown, and to whom, before a ready host is confirmed.

use crate::way::{Vantage, Way};
use serde::{Deserialize, Serialize};

/// Who says that a ready host may be confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The checks alone.
    #[default]
    Auto,
    /// The checks first, then a person: also about those that are red.
    Manual,
}

/// What must be shown before the confirmation is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Who says yes.
    pub mode: Mode,
    /// How many fresh connections by the final way must get in, the confirming one included; at least 1.
    pub probes: u32,
    /// Further points that one must get in from.
    pub via: Vec<Vantage>,
}

impl Default for Proof {
    fn default() -> Self {
        Self { mode: Mode::Auto, probes: 1, via: Vec::new() }
    }
}

impl Proof {
    /// Returns whether a required check that is red leaves the host to a person until its deadline, instead of undoing
    /// it at once. A host that is confirmed with others, and so isn't `alone`, takes them all with it: nobody waits then.
    #[must_use]
    pub fn red_waits(&self, alone: bool) -> bool {
        self.mode == Mode::Manual && alone
    }

    /// Returns the connections that must get in before the confirming one, each with its name for people.
    #[must_use]
    pub fn ways(&self, last: &Way) -> Vec<(String, Way)> {
        let again = (1..self.probes).map(|n| (format!("probe {n}"), last.clone()));
        // The confirming connection itself is what `direct` without a family asks for.
        let others = self.via.iter().filter(|v| v.jump.is_some() || v.family.is_some());
        again.chain(others.map(|v| (format!("via {v}"), last.seen_from(v)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostName;
    use crate::way::{Family, KnownHosts, WayKind};

    #[test]
    fn red_waits_for_a_person_alone_and_only_where_one_is_asked() {
        for (mode, alone) in
            [(Mode::Auto, false), (Mode::Auto, true), (Mode::Manual, false), (Mode::Manual, true)]
        {
            let proof = Proof { mode, ..Proof::default() };
            assert_eq!(proof.red_waits(alone), (mode, alone) == (Mode::Manual, true), "{mode:?} {alone}");
        }
    }

    #[test]
    fn the_confirming_connection_is_one_of_the_probes_and_the_direct_one() {
        let last = Way {
            kind: WayKind::Final,
            host: HostName::parse("h").unwrap(),
            address: None,
            port: Some(2222),
            user: None,
            identity_file: None,
            proxy_jump: None,
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            connect_timeout: std::time::Duration::from_secs(1),
            host_key: None,
            family: None,
        };
        assert!(Proof::default().ways(&last).is_empty());
        let from = |jump: Option<&str>, family| Vantage { jump: jump.map(str::to_owned), family };
        let via = vec![from(None, None), from(None, Some(Family::V6)), from(Some("b"), Some(Family::V4))];
        let ways = Proof { probes: 3, via, ..Proof::default() }.ways(&last);
        let names: Vec<_> = ways.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["probe 1", "probe 2", "via direct (IPv6)", "via b (IPv4)"]);
        assert_eq!(ways[0].1, last);
        assert_eq!((ways[3].1.proxy_jump.as_deref(), ways[3].1.family), (Some("b"), Some(Family::V4)));
        assert_eq!(ways[3].1.port, Some(2222));
    }
}
