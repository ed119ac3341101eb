//! A real Apache Kafka for one test: started by `./dev kafka start` in its own folder under `target/kafka/`, on free ports
//! of the loopback interface.
//!
//! Always holds: the broker ends with its [`Broker`], also when the test panics, and also when the whole test process is
//! killed (a watchdog outside it notices). A broker that cannot be had is a panic, never a skip. The folder is removed
//! unless the test failed; then its path is printed, with the log in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::process::{Pid, Signal, kill_process};

/// One broker with its own data and ports.
pub struct Broker {
    /// What clients take as `bootstrap.servers`, all brokers of its cluster; stays the same over [`Broker::restart`].
    pub bootstrap: String,
    /// Its configuration, log and data.
    pub folder: PathBuf,
    /// Stops the broker when its standard input ends, so at the latest with this process.
    watchdog: Child,
}

impl Broker {
    /// A broker that tests share, each with topics of its own: it runs while any of them holds it.
    pub fn shared() -> Arc<Broker> {
        static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let broker = Arc::new(Broker::start());
            *shared = Arc::downgrade(&broker);
            broker
        })
    }

    /// Starts a new, empty broker and waits until it serves: about four seconds.
    pub fn start() -> Broker {
        Broker::start_with("")
    }

    /// The same with these settings beside its own.
    pub fn start_with(settings: &str) -> Broker {
        let [broker] = Broker::cluster(settings);
        broker
    }

    /// A cluster of so many, whose ids count from 1, with these settings beside their own. Each may be the controller: most of them have
    /// to be there.
    pub fn cluster<const BROKERS: usize>(settings: &str) -> [Broker; BROKERS] {
        let kafka = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka");
        fs::create_dir_all(&kafka).expect("target/ can be written");
        let mut brokers = [(); BROKERS].map(|()| {
            let folder = tempfile::Builder::new().prefix("test-").tempdir_in(&kafka);
            let folder = folder.expect("target/ can be written").keep();
            fs::write(folder.join("more.properties"), settings).expect("the folder can be written");
            Broker { bootstrap: String::new(), watchdog: watch(&folder), folder }
        });
        let bootstrap = said(command("start", &brokers.each_ref().map(|broker| &*broker.folder)));
        brokers.iter_mut().for_each(|broker| broker.bootstrap.clone_from(&bootstrap));
        brokers
    }

    /// Stops it as an operator would; its data stays. Nothing if it does not run.
    pub fn stop(&self) {
        self.dev("stop");
    }

    /// `kill -9`.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        // its number is anybody's from now on
        fs::remove_file(self.folder.join("pid")).expect("the folder can be written");
    }

    /// Freezes it where it stands (`SIGSTOP`): connections stay open and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Until it is restarted none of its files grows beyond so many bytes: as on a full disk, writing fails with an error of the file
    /// system.
    #[cfg(target_os = "linux")]
    pub fn fill_disk(&self, bytes: u64) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        prlimit(Some(self.pid().expect("the broker runs")), Resource::Fsize, limit).expect("the broker is ours");
    }

    /// Lets a paused broker go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again after [`Broker::stop`] or [`Broker::kill`], on the same data and ports.
    pub fn restart(&self) {
        let bootstrap = self.dev("start");
        assert_eq!(bootstrap, self.bootstrap, "a restarted broker keeps its address");
    }

    /// Its log since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).expect("a started broker has a log")
    }

    /// The id of the active controller, as far as this broker knows.
    pub fn controller(&self) -> Option<i32> {
        let state = fs::read_to_string(self.folder.join("data/__cluster_metadata-0/quorum-state")).ok()?;
        let state: serde_json::Value = serde_json::from_str(&state).ok()?;
        state["leaderId"].as_i64().and_then(|id| i32::try_from(id).ok()).filter(|id| *id >= 0)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid().expect("the broker runs"), signal).expect("the broker runs");
    }

    fn pid(&self) -> Option<Pid> {
        fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok().and_then(Pid::from_raw)
    }

    fn dev(&self, verb: &str) -> String {
        said(command(verb, &[&self.folder]))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // one of a cluster would take long to end well, waiting for those that have gone
        let one_of_many = self.bootstrap.contains(',');
        let _ = self.pid().filter(|_| one_of_many).map(|pid| kill_process(pid, Signal::KILL));
        drop(self.watchdog.stdin.take());
        let stopped = self.watchdog.wait();
        if std::thread::panicking() {
            eprintln!("the broker's log and data: {}", self.folder.display());
        } else {
            assert!(stopped.is_ok_and(|status| status.success()), "the broker was not stopped");
            fs::remove_dir_all(&self.folder).expect("a stopped broker's folder can be removed");
        }
    }
}

/// What a command prints that succeeds.
fn said(mut command: Command) -> String {
    let output = command.output().expect("./dev can be run");
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    printed
}

fn command(verb: &str, folders: &[&Path]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("dev"));
    command.args(["kafka", verb]);
    for folder in folders {
        command.arg("--dir").arg(folder);
    }
    command
}

/// A shell in a process group of its own, so that Ctrl-C does not end it before the broker.
fn watch(folder: &Path) -> Child {
    use std::os::unix::process::CommandExt;
    let stop = command("stop", &[folder]);
    Command::new("sh")
        .args(["-c", "cat; exec \"$@\"", "watchdog"])
        .arg(stop.get_program())
        .args(stop.get_args())
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("a shell can be run")
}
