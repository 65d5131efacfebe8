//! The connector over ssh: who is asked, how often, and in which time.

use crate::attempt::{Attempt, Failure};
use crate::explain::local;
use crate::feed::inspect;
use crate::nofile;
use crate::options::{SetupError, SshOptions};
use crate::pins::Pins;
use crate::seam::{ConnectError, Connector, Exit, Invocation, LineSender, Session};
use crate::ssh::Launcher;
use crate::wrapper::Wrappers;
use backon::{ExponentialBuilder, Retryable};
use futures::FutureExt;
use futures::future::BoxFuture;
use snapback_core::way::Way;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The first pause before a connection is tried again; later ones are longer, all are blurred, so that fifty
/// hosts behind one `MaxStartups` don't come back at the same moment.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Opens lines with the `ssh` program: the user's configuration, agent, certificates and jump hosts hold.
///
/// It owns a private directory that goes with it and its last session. No ssh that it starts outlives it, nor
/// the process, however that ends.
#[derive(Debug)]
pub struct SshConnector {
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) wrappers: Wrappers,
    pub(crate) pins: Pins,
    pub(crate) user_config: PathBuf,
    pub(crate) options: SshOptions,
}

impl SshConnector {
    /// Makes a connector: looks at the ssh program, sweeps what dead controllers left, makes the run's directory
    /// and raises this process's limit of open files.
    ///
    /// # Errors
    /// [`SetupError`] when there is no OpenSSH, or no place for its sockets.
    pub fn new(options: SshOptions) -> Result<Self, SetupError> {
        nofile::raise();
        let launcher = Launcher::new(options.program.clone(), options.run_base.as_deref())?;
        let wrappers = Wrappers::new(&launcher.dir, options.keepalive, launcher.version)
            .map_err(|source| SetupError::RunDir { base: launcher.dir.path().to_owned(), source })?;
        let user_config = options.user_config.clone().unwrap_or_else(account_config);
        Ok(Self { launcher: Arc::new(launcher), wrappers, pins: Pins::default(), user_config, options })
    }

    /// Tries again where that helps, all within the way's connect timeout.
    async fn try_again<'a, T, F, A>(&self, way: &'a Way, mut attempt: F) -> Result<T, ConnectError>
    where
        F: FnMut(Attempt<'a>) -> A,
        A: Future<Output = Result<T, Failure>>,
    {
        let started = Instant::now();
        let deadline = started + way.connect_timeout;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(self.options.retries)
            .with_jitter();
        (|| attempt(Attempt { way, started, deadline }))
            .retry(pauses)
            .when(|failure| failure.passing && Instant::now() + LONGEST_PAUSE < deadline)
            .await
            .map_err(|failure| failure.error)
    }
}

impl Connector for SshConnector {
    fn open<'a>(&'a self, way: &'a Way) -> BoxFuture<'a, Result<Box<dyn Session>, ConnectError>> {
        async move {
            let session = self.try_again(way, |attempt| self.open_session(attempt)).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        }
        .boxed()
    }

    fn once<'a>(
        &'a self,
        way: &'a Way,
        cheap_kex: bool,
        invocation: Invocation,
        lines: LineSender,
    ) -> BoxFuture<'a, Result<Exit, ConnectError>> {
        async move {
            if let Err(bad) = inspect(&invocation.stdin).await {
                return Err(local(way, &bad.to_string(), "nothing was sent", Duration::ZERO));
            }
            self.try_again(way, |attempt| self.run_once(attempt, cheap_kex, &invocation, &lines)).await
        }
        .boxed()
    }
}

/// Where ssh itself looks: by the account, whatever `$HOME` says.
fn account_config() -> PathBuf {
    let home = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.dir);
    home.unwrap_or_else(|| PathBuf::from("/")).join(".ssh/config")
}
