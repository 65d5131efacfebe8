//! Opens a session to a host, starts a long command over it and over a fresh connection, says `ready`, and waits
//! to be killed: the test beside it looks at what is left then.
//!
//! Usage: `hold SSH_CONFIG HOST`

use snapback_core::host::HostName;
use snapback_core::way::{KnownHosts, Way, WayKind};
use snapback_transport::{Connector, Invocation, SshConnector, SshOptions};
use std::time::Duration;
use tokio::sync::mpsc;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the test waits for this line")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(config), Some(host)) = (arguments.next(), arguments.next()) else {
        return Err("usage: hold SSH_CONFIG HOST".into());
    };
    let way = Way {
        kind: WayKind::Final,
        host: HostName::try_from(host)?,
        address: None,
        port: None,
        user: None,
        identity_file: None,
        proxy_jump: None,
        ssh_config: Some(config.into()),
        known_hosts: KnownHosts::Strict,
        connect_timeout: Duration::from_secs(20),
        host_key: None,
        family: None,
    };
    let connector = SshConnector::new(SshOptions::default())?;
    let session = connector.open(&way).await?;
    let (lines, mut heard) = mpsc::channel(16);
    let long = Invocation { command: "echo ready; sleep 600".to_owned(), stdin: Vec::new() };
    let over_session = session.run(long.clone(), lines.clone());
    let over_fresh = connector.once(&way, false, long, lines);
    let saying = async {
        heard.recv().await;
        heard.recv().await;
        println!("ready");
        std::future::pending::<()>().await;
    };
    let (over_session, over_fresh, ()) = tokio::join!(over_session, over_fresh, saying);
    over_session?;
    over_fresh?;
    Ok(())
}
