//! Talking to the agent: one verb over one line, its marked lines as answers, and how the talk ended.

use crate::becoming::{Becoming, Door};
use snapback_agent::answer::{self, Answer};
use snapback_agent::call::{Sent, asking_command_line, command_line, is_prompt};
use snapback_core::content::Content;
use snapback_core::event::visible;
use snapback_core::way::Way;
use snapback_transport::{ConnectError, Connector, Invocation, Line, LineSender, Piece, Session, later};
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;

/// How many lines may wait to be read before the channel pushes back.
const LINES_AHEAD: usize = 256;

/// How much may be said in one talk: what a hostile host says is kept in memory, and as many lines of the longest kind
/// would fill any, or go on for an hour.
const MOST: Said = Said { lines: 500_000, bytes: 64 * 1024 * 1024 };

/// How much of what is said in one talk may be none of the agent's: a banner, or a login script that talks.
const MOST_NOISE: Said = Said { lines: 10_000, bytes: 1024 * 1024 };

/// One verb for the agent.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    verb: Vec<String>,
    sent: Sent,
    stdin: Vec<Piece>,
    becoming: Becoming,
    /// The longest it may take, from the connection's opening on: a login can hang where sshd itself still answers.
    limit: Duration,
}

/// How a talk ended. Only `Whole` means that everything was said.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The agent's end mark was read.
    Whole,
    /// The target has no agent of this version.
    NeedAgent,
    /// Nothing makes us root there.
    NoBecome {
        /// Who we are there, if that was said.
        uid: Option<u32>,
        /// What was said by the programs that should make us root.
        why: String,
    },
    /// The password was refused, there or before by another host; one sentence.
    PasswordRefused(String),
    /// What was sent could not be unpacked.
    UnpackFailed(String),
    /// The line broke, or something that isn't our agent answered; what stderr said last.
    Cut(String),
    /// More was said than is listened to; one sentence.
    Flooded(String),
    /// No line could be opened.
    NoLine(ConnectError),
    /// A file of ours could not be sent.
    Source(String),
}

impl Talk {
    /// A verb with nothing but text on its standard input.
    pub(crate) fn plain(becoming: Becoming, verb: &[&str], stdin: &str, limit: Duration) -> Self {
        let stdin = if stdin.is_empty() { Vec::new() } else { vec![Piece::Bytes(stdin.as_bytes().into())] };
        Self { verb: verb.iter().map(|&w| w.to_owned()).collect(), sent: Sent::Plain, stdin, becoming, limit }
    }

    /// A verb with a payload.
    pub(crate) fn payload(
        becoming: Becoming,
        verb: &[&str],
        (parts, install): (Vec<Content>, bool),
        limit: Duration,
    ) -> Self {
        let sent = if install { Sent::Install } else { Sent::Payload };
        let stdin = parts.into_iter().map(piece).collect();
        Self { verb: verb.iter().map(|&w| w.to_owned()).collect(), sent, stdin, becoming, limit }
    }

    /// Talks over an open session.
    pub(crate) async fn over(self, session: &dyn Session, hear: impl FnMut(Answer)) -> Ending {
        let nonce = nonce();
        let limit = self.limit;
        let (invocation, door) = self.invocation(&nonce);
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        let run = async move {
            session.run(invocation, sender).await.err().map(|e| match e {
                snapback_transport::RunError::Lost => Ending::Cut("the connection was lost".to_owned()),
                source => Ending::Source(source.to_string()),
            })
        };
        within(limit, listen(run, (&nonce, door), lines, hear)).await
    }

    /// Talks over a fresh connection of its own.
    pub(crate) async fn fresh(
        self,
        connector: &dyn Connector,
        way: &Way,
        cheap_kex: bool,
        hear: impl FnMut(Answer),
    ) -> Ending {
        let nonce = nonce();
        let limit = self.limit;
        let (invocation, door) = self.invocation(&nonce);
        let (sender, lines): (LineSender, _) = mpsc::channel(LINES_AHEAD);
        let run =
            async move { connector.once(way, cheap_kex, invocation, sender).await.err().map(Ending::NoLine) };
        within(limit, listen(run, (&nonce, door), lines, hear)).await
    }

    /// With a password at hand what is sent waits until the agent is reached: sudo, asking again, must not read it.
    fn invocation(self, nonce: &str) -> (Invocation, Door) {
        let verb: Vec<&str> = self.verb.iter().map(String::as_str).collect();
        let r#become = self.becoming.r#become;
        if !self.becoming.asks() {
            let command = command_line(r#become, nonce, self.sent, &verb);
            return (Invocation { command, stdin: self.stdin }, Door::new(self.becoming, None));
        }
        let (sender, password) = later();
        let stdin = std::iter::once(password).chain(self.stdin).collect();
        let command = asking_command_line(r#become, nonce, self.sent, &verb);
        (Invocation { command, stdin }, Door::new(self.becoming, Some(sender)))
    }
}

/// How long a command may take to end once it has said its last word. Measured: a command that is dropped just before
/// its exit makes dropbear close the next one on the same connection at once; but one may never end, because
/// something else on the target holds the channel.
const LAST_WORD: Duration = Duration::from_millis(250);

/// A talk that takes longer than it may has been cut.
async fn within(limit: Duration, talk: impl Future<Output = Ending>) -> Ending {
    match tokio::time::timeout(limit, talk).await {
        Ok(ending) => ending,
        Err(_) => {
            Ending::Cut(format!("it connected and then said nothing to the end within {} s", limit.as_secs()))
        }
    }
}

/// Runs the command and hears its lines until the end mark, the end of the lines, or a failure.
async fn listen(
    run: impl Future<Output = Option<Ending>>,
    (nonce, mut door): (&str, Door),
    lines: mpsc::Receiver<Line>,
    hear: impl FnMut(Answer),
) -> Ending {
    let (failed, heard) = {
        let hearing = hear_lines(nonce, &mut door, lines, hear);
        tokio::pin!(run, hearing);
        // The end mark ends the talk even when something on the target still holds the channel open.
        tokio::select! {
            biased;
            heard = &mut hearing => match heard {
                Ok(ending) => {
                    // The time of an exit, and no round trip.
                    let _ = tokio::time::timeout(LAST_WORD, run).await;
                    return ending;
                }
                Err(complaint) => (run.await, complaint),
            },
            failed = &mut run => match hearing.await {
                Ok(ending) => return ending,
                Err(complaint) => (failed, complaint),
            },
        }
    };
    failed.or_else(|| door.closed(&heard)).unwrap_or(Ending::Cut(heard))
}

/// Hears lines until the agent has said its last word, or, as an error, until there are no more: then what
/// standard error said last.
async fn hear_lines(
    nonce: &str,
    door: &mut Door,
    mut lines: mpsc::Receiver<Line>,
    mut hear: impl FnMut(Answer),
) -> Result<Ending, String> {
    let mut complaint = String::new();
    let (mut all, mut noise) = (Said::default(), Said::default());
    while let Some(line) = lines.recv().await {
        let (Line::Out(text) | Line::Err(text)) = &line;
        let length = text.len();
        if let Some(flooded) = all.and_more(length, &MOST, "in one answer") {
            return Ok(flooded);
        }
        match line {
            Line::Err(text) if is_prompt(nonce, &text) => {
                if let Err(ending) = door.asked(&complaint).await {
                    return Ok(ending);
                }
                continue;
            }
            Line::Err(text) => keep_complaint(&mut complaint, &text),
            Line::Out(text) => match answer::parse(nonce, &text) {
                Some(Answer::End) => return Ok(Ending::Whole),
                Some(Answer::NeedAgent) => return Ok(Ending::NeedAgent),
                Some(Answer::NoBecome { uid, why }) => return Ok(Ending::NoBecome { uid: Some(uid), why }),
                Some(Answer::UnpackFailed(df)) => return Ok(Ending::UnpackFailed(df)),
                Some(answer) => {
                    if let Answer::Inside { how } = &answer {
                        door.opened(how);
                    }
                    hear(answer);
                    continue;
                }
                None => {}
            },
        }
        if let Some(flooded) = noise.and_more(length, &MOST_NOISE, "that are none of the agent's") {
            return Ok(flooded);
        }
    }
    Err(complaint)
}

/// How much was said.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    lines: usize,
    bytes: usize,
}

impl Said {
    /// Counts one more line; returns how the talk ends if that is more than the most, `what` being what is counted.
    fn and_more(&mut self, length: usize, most: &Said, what: &str) -> Option<Ending> {
        self.lines += 1;
        self.bytes += length;
        (self.lines > most.lines || self.bytes > most.bytes).then(|| {
            let (lines, kilobytes) = (self.lines, self.bytes / 1000);
            Ending::Flooded(format!(
                "it printed {lines} lines, {kilobytes} kB, {what}, and was listened to no longer"
            ))
        })
    }
}

/// Keeps the last words of standard error, bounded.
fn keep_complaint(complaint: &mut String, line: &[u8]) {
    let text = visible(&String::from_utf8_lossy(line));
    if !text.trim().is_empty() {
        *complaint = text.chars().take(300).collect();
    }
}

fn piece(content: Content) -> Piece {
    match content {
        Content::Bytes(bytes) => Piece::Bytes(bytes),
        Content::File { path, len } => Piece::File { path, len },
    }
}

/// A mark that nothing a login script prints can guess.
fn nonce() -> String {
    random_hex(8)
}

/// Returns random bytes in hexadecimal.
///
/// # Panics
/// When the operating system gives no random numbers: nothing may go on then.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    #[expect(clippy::expect_used, reason = "a guessable token would be worse than stopping")]
    getrandom::fill(&mut buffer).expect("the operating system gives no random numbers");
    buffer.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a host says without end, in lines of the longest kind.
    fn flood(line: Vec<u8>) -> mpsc::Receiver<Line> {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        tokio::spawn(async move { while sender.send(Line::Out(line.clone())).await.is_ok() {} });
        lines
    }

    async fn kept_of(line: String) -> (usize, String) {
        let (mut kept, longest) = (0, line.len());
        let host = snapback_core::host::HostName::parse("a").unwrap();
        let becoming = Becoming { r#become: snapback_core::way::Become::None, host, password: None };
        let mut door = Door::new(becoming, None);
        let ending = hear_lines("n", &mut door, flood(line.into_bytes()), |_| kept += longest).await;
        let Ok(Ending::Flooded(why)) = ending else { panic!("{ending:?}") };
        (kept, why)
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_before_it_fills_the_memory() {
        let line = format!("@snapback:n | {}", "x".repeat(64 * 1024));
        let longest = line.len();
        let (kept, why) = kept_of(line).await;
        assert!(kept > MOST.bytes / 2 && kept <= MOST.bytes + longest, "{kept} bytes were kept");
        assert!(why.contains("1024 lines, 67123 kB, in one answer"), "{why}");
    }

    #[tokio::test]
    async fn noise_without_end_is_cut_soon_and_not_kept() {
        let (kept, why) = kept_of("welcome".to_owned()).await;
        assert_eq!(kept, 0);
        assert!(why.contains(" 10001 lines, 70 kB, that are none of the agent's"), "{why}");
        let (kept, why) = kept_of("x".repeat(64 * 1024)).await;
        assert_eq!(kept, 0);
        assert!(why.contains(" 17 lines, 1114 kB, "), "{why}");
    }

    #[tokio::test]
    async fn a_talkative_login_is_listened_to() {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        tokio::spawn(async move {
            for _ in 0..MOST_NOISE.lines {
                sender.send(Line::Out(b"welcome".to_vec())).await.unwrap();
            }
            sender.send(Line::Out(b"@snapback:n end".to_vec())).await.unwrap();
        });
        let host = snapback_core::host::HostName::parse("a").unwrap();
        let becoming = Becoming { r#become: snapback_core::way::Become::None, host, password: None };
        let ending = hear_lines("n", &mut Door::new(becoming, None), lines, |_| {}).await;
        assert!(matches!(ending, Ok(Ending::Whole)), "{ending:?}");
    }
}
