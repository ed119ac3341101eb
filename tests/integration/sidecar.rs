//! The real program, as an operator runs it: a child process whose log is a file in its site's folder.
//!
//! Always holds: it ends with its value, also when the test panics.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;

use crate::patience::eventually;

/// One process.
pub struct Sidecar {
    pub child: Child,
    pub log: PathBuf,
}

impl Sidecar {
    /// Waits for a log line with this message, and gives the first.
    pub fn logs(&self, message: &str) -> Value {
        self.logged(message, |_| true)
    }

    /// Waits for a log line with this message that `is` what is meant, and gives the first.
    pub fn logged(&self, message: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(message, || self.lines().into_iter().find(|line| line["message"] == message && is(line)))
    }

    /// The lines so far; what is no JSON is a text.
    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).expect("it has a log");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
    }

    /// Waits until all its tasks are open.
    pub fn ready(mut self) -> Sidecar {
        eventually("readiness", || {
            let ended = self.child.try_wait().expect("it is ours");
            assert_eq!(ended, None, "it ended:\n{}", self.text());
            self.get("/ready").starts_with("HTTP/1.1 200").then_some(())
        });
        self
    }

    /// The answer to a request, empty where nobody answers.
    pub fn get(&self, path: &str) -> String {
        let lines = self.lines();
        let Some(address) = lines.iter().find_map(|line| line["http"].as_str()) else { return String::new() };
        let mut answer = String::new();
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        }
        answer
    }

    /// The metrics as served, kept for the checker too.
    pub fn metrics(&self) -> String {
        let metrics = self.get("/metrics");
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        fs::write(self.log.with_extension("metrics"), &metrics).expect("the folder can be written");
        metrics
    }

    /// The sum of a metric over all its labels; those whose line holds `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let metrics = self.metrics();
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id")
    }

    /// `SIGSTOP`: it stands still wherever it is.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Waits until it stands still.
    pub fn stopped(&self) {
        eventually("it stands still", || {
            let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
            let (_, status) = waitpid(Some(self.pid()), options).expect("it is ours")?;
            assert!(status.stopped(), "it ended instead: {}", self.text());
            Some(())
        });
    }

    /// Lets one that stands still go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.killed();
    }

    /// Waits until `kill -9` has ended it, whoever sent that.
    pub fn killed(self) {
        let (status, log) = self.end();
        assert_eq!(status.signal(), Some(9), "{log}");
    }

    /// Waits until it has noticed that others have its partitions.
    pub fn lost(&self) {
        self.logged("task closed", |line| line["lost"] == true);
    }

    /// SIGTERM, and a clean end.
    pub fn drain(self) {
        self.metrics();
        self.signal(Signal::TERM);
        let (status, log) = self.end();
        assert_eq!(status.code(), Some(0), "{log}");
    }

    /// Waits until it ends by itself; gives its status and its log.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = eventually("it ends", || self.child.try_wait().expect("it is ours"));
        (status, self.text())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // gone already, but for a test that failed
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), last_lines(&self.log));
        }
    }
}

fn last_lines(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
