//! A program of somebody else that a test starts, talks to and ends.
//!
//! Two ways of use: let it run to its end, or converse with it in JSON lines, where a line with the key
//! `ok` answers a command and one with `event` tells what happened on its own. The program is killed
//! when it is dropped.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinSet,
};

use super::soon;

/// A running program.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    /// What it wrote that nobody has asked for yet.
    kept: VecDeque<String>,
    /// All that it wrote, for a failure.
    said: Arc<Mutex<String>>,
    /// The readers of its output; they end with it.
    _readers: JoinSet<()>,
}

impl Program {
    /// Starts a program; `name` is for failures.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{name}: {:?}: {error}; scripts/setup installs it", command.as_std().get_program())
        });
        let (sender, lines) = mpsc::unbounded_channel();
        let said = Arc::new(Mutex::new(String::new()));
        let mut readers = JoinSet::new();
        readers.spawn(read(child.stdout.take().unwrap(), "", Arc::clone(&said), sender.clone()));
        readers.spawn(read(child.stderr.take().unwrap(), "! ", Arc::clone(&said), sender));
        let input = child.stdin.take();
        Self { name: name.to_owned(), child, input, lines, kept: VecDeque::new(), said, _readers: readers }
    }

    /// A program from the virtual environment of `tests/interop/requirements.txt`.
    pub(crate) fn python(name: &str, script: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(super::repository(".venv/bin/python"));
        Self::start(name, command.arg("-u").arg(script).args(arguments))
    }

    /// A script for Node.
    pub(crate) fn node<I: AsRef<OsStr>>(name: &str, arguments: &[I]) -> Self {
        Self::start(name, Command::new("node").args(arguments))
    }

    /// What it holds of the memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        let process = self.child.id().unwrap();
        let pages = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
        pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    /// Sends a line.
    pub(crate) async fn say(&mut self, line: &str) {
        let Some(input) = &mut self.input else { panic!("{}: its input is closed", self.name) };
        let written = input.write_all(format!("{line}\n").as_bytes()).await;
        if let Err(error) = written {
            panic!("{}: {error}{}", self.name, self.said());
        }
    }

    /// Waits for a line that `wanted` makes something of. Lines before it are kept for others.
    #[track_caller]
    pub(crate) fn hear<T>(
        &mut self,
        what: impl Into<String>,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        let what = what.into();
        async move {
            if let Some((at, found)) =
                self.kept.iter().enumerate().find_map(|(at, line)| Some((at, wanted(line)?)))
            {
                self.kept.remove(at);
                return found;
            }
            let deadline = tokio::time::Instant::now() + super::PATIENCE;
            loop {
                let line = match tokio::time::timeout_at(deadline, self.lines.recv()).await {
                    Ok(Some(line)) => line,
                    Ok(None) => panic!("{caller}: {} ended before {what}{}", self.name, self.said()),
                    Err(_) => panic!("{caller}: {} in vain for {what}{}", self.name, self.said()),
                };
                match wanted(&line) {
                    Some(found) => return found,
                    None => self.kept.push_back(line),
                }
            }
        }
    }

    /// Whether a line that `wanted` knows is among those that came and were not asked for.
    pub(crate) fn has_heard(&mut self, wanted: impl Fn(&str) -> bool) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.kept.push_back(line);
        }
        self.kept.iter().any(|line| wanted(line))
    }

    /// Every event of a kind that it ever told, heard by somebody or not.
    pub(crate) fn all_events(&self, kind: &str) -> Vec<Value> {
        let said = self.said.lock().unwrap();
        said.lines().filter_map(json).filter(|event| event["event"] == kind).collect()
    }

    /// Ends it without warning (SIGKILL), and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        soon("its end", self.child.kill()).await.unwrap();
    }

    /// Sends a command and returns its answer, whatever it is.
    #[track_caller]
    pub(crate) fn try_ask(&mut self, command: &Value) -> impl Future<Output = Value> {
        let line = command.to_string();
        let caller = std::panic::Location::caller();
        async move {
            self.say(&line).await;
            let what = format!("the answer to {line}, asked at {caller}");
            self.hear(what, |line| json(line).filter(|answer| answer.get("ok").is_some())).await
        }
    }

    /// Sends a command that has to succeed and returns its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: Value) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let answer = self.try_ask(&command).await;
            assert_eq!(answer["ok"], true, "{caller}: {}: {command}: {answer:#}{}", self.name, self.said());
            answer
        }
    }

    /// Waits for an event of a kind for which `fits` holds.
    #[track_caller]
    pub(crate) fn event(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> impl Future<Output = Value> {
        let kind = kind.to_owned();
        let what = format!("the event `{kind}`");
        self.hear(what, move |line| json(line).filter(|event| event["event"] == kind.as_str() && fits(event)))
    }

    /// Waits for its end, which has to be a success, and returns all that it said.
    pub(crate) async fn finish(self) -> String {
        self.finish_within(super::PATIENCE * 4).await
    }

    /// The same, for one that takes longer.
    pub(crate) async fn finish_within(mut self, patience: Duration) -> String {
        drop(self.input.take());
        let status = match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("{} did not end{}", self.name, self.said()),
        };
        while soon("the end of its output", self.lines.recv()).await.is_some() {}
        assert!(status.success(), "{}: {status}{}", self.name, self.said());
        std::mem::take(&mut *self.said.lock().unwrap())
    }

    /// What a failure should show.
    pub(crate) fn said(&self) -> String {
        let said = self.said.lock().unwrap();
        let from = said.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
        format!("\n--- {} said ---\n{}---", self.name, &said[from..])
    }
}

/// The most of a program's output that a failure shows, in characters.
const SHOWN: usize = 8000;

fn json(line: &str) -> Option<Value> {
    line.starts_with('{').then(|| serde_json::from_str(line).ok())?
}

async fn read(
    output: impl AsyncRead + Unpin,
    mark: &'static str,
    said: Arc<Mutex<String>>,
    lines: mpsc::UnboundedSender<String>,
) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        // Some programs write to a terminal and return to the start of its line.
        let text = text.trim_end().trim_start_matches('\r');
        said.lock().unwrap().push_str(&format!("{mark}{text}\n"));
        let _ = lines.send(text.to_owned());
        line.clear();
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    fn shell(script: &str) -> Program {
        Program::start("a script", Command::new("sh").arg("-c").arg(script))
    }

    #[tokio::test]
    async fn answers_and_events_find_those_who_wait_for_them() {
        let mut program = shell(
            r#"echo '{"event":"a","n":1}'; read command; echo "$command" >&2
               echo '{"event":"b","n":2}'; echo '{"ok":true,"n":3}'"#,
        );
        assert_eq!(program.ask(json!({"do": "x"})).await["n"], 3);
        assert_eq!(program.event("b", |event| event["n"] == 2).await["n"], 2);
        assert!(program.has_heard(|line| line.contains("\"a\"")));
        assert_eq!(program.event("a", |_| true).await["n"], 1);
        assert!(!program.has_heard(|line| line.contains("\"a\"")));
        assert!(program.finish().await.contains("! {\"do\":\"x\"}"));
    }

    #[tokio::test]
    #[should_panic(expected = "out of order")]
    async fn failure_shows_what_the_program_said() {
        shell("echo out of order >&2; exit 3").finish().await;
    }
}
