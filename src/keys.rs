//! Where keysets come from: files, environment variables, the output of commands; and how new ones are made and kept.
//!
//! Always holds: a keyset file is regular and closed to group and others; a variable is gone from the environment once read;
//! whatever held a keyset's text is wiped; an error is one line that says what, where and what to do, and shows no byte of it. On
//! reload a keyset that cannot be used is refused and the old one stays. Deliberately not here: when to reload, and what the
//! control topic says about keys (the caller's).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::privacy::jwt::JwksError;
use crate::privacy::keyset::{Entry, KEY_BYTES, Key, Keyring, Keyset, KeysetError};
use crate::privacy::seal::{check_holds, check_value};

mod file;
mod issuers;

use issuers::Issuers;

pub use file::{create, replace};

/// The most bytes that a keyset's text may have: more than the most keys need.
pub const KEYSET_BYTES_MAX: usize = 256 * 1024;

/// How long a command may take to print a keyset: enough for a slow KMS, short enough to notice.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Where one keyset is to be had. Ordered so that variables are read, and gone, before any command could inherit them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySource {
    /// An environment variable's value. It is removed after reading; the process's initial environment still shows it to root
    /// and to the same user, so a file or a command is better.
    Env(String),
    /// A file, closed to group and others.
    File(PathBuf),
    /// What a program with these arguments writes to standard output; run without a shell. The way to any KMS or vault.
    Command(Vec<String>),
}

/// Why a keyset cannot be had, and where it was looked for.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct KeysError {
    place: String,
    problem: Problem,
}

impl KeysError {
    fn new(place: impl fmt::Display, problem: Problem) -> Self {
        Self { place: format!("keyset in {place}"), problem }
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// What is wrong with a keyset's source, with what to do about it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each message is the documentation
pub enum Problem {
    #[error("it does not exist; make one with `sivcar keys generate`, or correct the path")]
    NoFile,
    #[error("it exists already; choose another path, since overwriting a keyset loses its keys for good")]
    FileExists,
    #[error("it is not a regular file; name a file, or use a command")]
    NotRegular,
    #[error("others than its owner and group may touch it (mode {0:04o}); run `chmod 600` on it")]
    TooOpen(u32),
    #[error("it cannot be read ({0}); check the permissions of the file and its folders")]
    Unreadable(io::ErrorKind),
    #[error("its folder does not exist; make it, or correct the path")]
    NoFolder,
    #[error("it cannot be written ({0}); check the permissions of the folder and its free space")]
    Unwritable(io::ErrorKind),
    #[error("the variable is not set; set it, or use a file")]
    NoVariable,
    #[error("no command is given; name a program and its arguments")]
    EmptyCommand,
    #[error("there is no such program; correct its path, or install it")]
    NoProgram,
    #[error("the command cannot be run ({0}); check its path and that it is executable")]
    CommandNotRun(io::ErrorKind),
    #[error("the command failed ({0}); run it by hand to see why")]
    CommandFailed(ExitStatus),
    #[error("the command gave nothing within {} s; run it by hand to see why", COMMAND_TIMEOUT.as_secs())]
    CommandSlow,
    #[error("it has more than {KEYSET_BYTES_MAX} bytes; a keyset is far smaller")]
    TooLarge,
    #[error("{0}")]
    Refused(#[from] KeysetError),
    #[error("key {0} has other key material than before; give new material a new id")]
    OtherMaterial(u32),
    #[error("it does not exist; correct the path")]
    NoIssuers,
    #[error("it is not a regular file; name a file")]
    IssuersNotRegular,
    #[error("others than its owner may write it (mode {0:04o}); run `chmod go-w` on it")]
    IssuersTooOpen(u32),
    #[error("{0}")]
    IssuersRefused(#[from] JwksError),
    #[error("the system gives no random bytes; try again")]
    NoRandomness,
}

/// The keysets of this process and where they came from.
pub struct Keys {
    default: Option<KeySource>,
    own: BTreeMap<String, KeySource>,
    /// One keyset per source, however many use it; a workspace's file that does not exist is absent.
    loaded: BTreeMap<KeySource, Arc<Keyset>>,
    issuers: Issuers,
    ring: Arc<Keyring>,
}

/// What a reload came to.
#[derive(Debug)]
pub struct Reload {
    /// Whether [`Keys::ring`] is a new one.
    pub changed: bool,
    /// The sources that cannot be used; what they gave before stays in use. Each is an alert.
    pub refused: Vec<KeysError>,
}

impl Keys {
    /// Loads the keysets of `[keys]` and of the workspaces with their own. A workspace's own *file* that does not exist is
    /// [`Entry::Missing`]; everything else that cannot be used is an error.
    ///
    /// To be called before other threads start: reading a variable changes the environment.
    pub fn load(default: Option<KeySource>, own: BTreeMap<String, KeySource>) -> Result<Self, KeysError> {
        let (loaded, issuers) = (BTreeMap::new(), Issuers::default());
        let mut keys = Self { default, own, loaded, issuers, ring: Arc::default() };
        for source in keys.sources() {
            match read(&source) {
                Ok(keyset) => _ = keys.loaded.insert(source, Arc::new(keyset)),
                Err(error) if keys.may_lack(&source, &error) => {}
                Err(error) => return Err(error),
            }
        }
        keys.ring = Arc::new(keys.assemble());
        Ok(keys)
    }

    /// The same with the public keys of issuers: JWK set files by the source whose gate looks at their signatures.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn with_issuers(self, files: BTreeMap<String, PathBuf>) -> Result<Self, KeysError> {
        let mut keys = Self { issuers: Issuers::load(files)?, ..self };
        keys.ring = Arc::new(keys.assemble());
        Ok(keys)
    }

    /// The keysets now in force; each worker pins one for a transaction.
    pub fn ring(&self) -> Arc<Keyring> {
        self.ring.clone()
    }

    /// Reads files and commands anew. A source that cannot be used, or has vanished, or gives an id other key material, is
    /// refused and what it gave before stays; a workspace's file that now exists ends its `keyset_missing`. Variables are not
    /// read again: nothing outside can change them.
    pub fn reload(&mut self) -> Reload {
        let mut reload = Reload { changed: false, refused: Vec::new() };
        for source in self.sources() {
            if matches!(source, KeySource::Env(_)) {
                continue;
            }
            let old = self.loaded.get(&source);
            match read(&source).and_then(|new| same_material(&source, old, new)) {
                Ok(new) if old.is_some_and(|old| old.to_json().expose() == new.to_json().expose()) => {}
                Ok(new) => {
                    self.loaded.insert(source, Arc::new(new));
                    reload.changed = true;
                }
                Err(error) if old.is_none() && self.may_lack(&source, &error) => {}
                Err(error) => reload.refused.push(error),
            }
        }
        self.issuers.reload(&mut reload);
        if reload.changed {
            self.ring = Arc::new(self.assemble());
        }
        reload
    }

    /// Each source once, in order.
    pub fn sources(&self) -> BTreeSet<KeySource> {
        self.default.iter().chain(self.own.values()).cloned().collect()
    }

    /// Every file that is read, each once.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let keysets = self.sources().into_iter().filter_map(|source| match source {
            KeySource::File(path) => Some(path),
            _ => None,
        });
        keysets.chain(self.issuers.files().cloned()).collect()
    }

    /// Whether `error` only says that a workspace's own file is not there.
    fn may_lack(&self, source: &KeySource, error: &KeysError) -> bool {
        error.problem == Problem::NoFile && self.default.as_ref() != Some(source)
    }

    fn assemble(&self) -> Keyring {
        let loaded = |source: &KeySource| self.loaded.get(source).cloned();
        let own = self.own.iter().map(|(workspace, source)| {
            let entry = loaded(source).map_or(Entry::Missing, Entry::Present);
            (workspace.clone(), entry)
        });
        Keyring::new(self.default.as_ref().and_then(loaded), own.collect()).with_issuers(self.issuers.by_source())
    }
}

/// `new`, unless it gives an id of `old` other key material: values sealed under both could not be told apart.
fn same_material(source: &KeySource, old: Option<&Arc<Keyset>>, new: Keyset) -> Result<Keyset, KeysError> {
    let differs =
        |key: &&Arc<Key>| old.and_then(|old| old.key(key.id())).is_some_and(|old| !check_holds(old, &check_value(key)));
    match new.keys().iter().find(differs) {
        Some(key) => Err(KeysError::new(source, Problem::OtherMaterial(key.id()))),
        None => Ok(new),
    }
}

/// The keyset that `source` gives now. For a variable see [`Keys::load`] on threads.
pub fn read(source: &KeySource) -> Result<Keyset, KeysError> {
    let text = match source {
        KeySource::Env(name) => variable(name),
        KeySource::File(path) => file::read(path),
        KeySource::Command(line) => output(line, COMMAND_TIMEOUT),
    };
    text.and_then(|text| Ok(Keyset::parse(&text)?)).map_err(|problem| KeysError::new(source, problem))
}

/// A keyset of one new key from the system's random source.
pub fn generate() -> Result<Keyset, KeysError> {
    let (material, id) = fresh(|_| false)?;
    Ok(Keyset::generate(&material, id))
}

/// Adds a new key to `keyset` and gives its id; it is not yet the primary.
pub fn add(keyset: &mut Keyset) -> Result<u32, KeysError> {
    let (material, id) = fresh(|id| keyset.key(id).is_some())?;
    keyset.add(&material, id).map_err(|error| KeysError::new("memory", error.into()))?;
    Ok(id)
}

/// Forbids core dumps and, on Linux, reading the process's memory by its own user: both would hold keys.
pub fn harden() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// New key material and an id that is neither 0 nor `taken`, as Tink chooses them.
fn fresh(taken: impl Fn(u32) -> bool) -> Result<(Zeroizing<[u8; KEY_BYTES]>, u32), KeysError> {
    let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|_| KeysError::new("memory", Problem::NoRandomness));
    let mut material = Zeroizing::new([0; KEY_BYTES]);
    random(material.as_mut_slice())?;
    loop {
        let mut id = [0; 4];
        random(&mut id)?;
        let id = u32::from_be_bytes(id);
        if id != 0 && !taken(id) {
            return Ok((material, id));
        }
    }
}

fn variable(name: &str) -> Result<Zeroizing<Vec<u8>>, Problem> {
    use std::os::unix::ffi::OsStringExt;
    let value = std::env::var_os(name).ok_or(Problem::NoVariable)?;
    #[allow(unsafe_code)] // the one way to take a key out of the environment
    // SAFETY: keysets are loaded before other threads start, as `Keys::load` asks, so nothing reads the environment meanwhile
    unsafe {
        std::env::remove_var(name)
    };
    Ok(Zeroizing::new(value.into_vec()))
}

/// What the command `line` writes to standard output; its standard error goes to ours.
fn output(line: &[String], timeout: Duration) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let (program, arguments) = line.split_first().ok_or(Problem::EmptyCommand)?;
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = run.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::NoProgram,
        kind => Problem::CommandNotRun(kind),
    })?;
    let text = drain(&mut child, timeout);
    if text.is_err() {
        let _gone_already = child.kill(); // or it would wait for ever to write, or to end
    }
    let status = child.wait().map_err(|error| Problem::CommandNotRun(error.kind()))?;
    match text {
        Ok(text) if status.success() => Ok(text),
        Ok(_) => Err(Problem::CommandFailed(status)),
        Err(problem) => Err(problem),
    }
}

/// Reads the child's output on a thread, since a pipe knows no timeout. A command that closes its output and lives on is waited for.
fn drain(child: &mut Child, timeout: Duration) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let stdout = child.stdout.take().ok_or(Problem::CommandNotRun(io::ErrorKind::BrokenPipe))?;
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::spawn(move || send.send(read_all(stdout)));
    match receive.recv_timeout(timeout) {
        Ok(Ok(Some(text))) => Ok(text),
        Ok(Ok(None)) => Err(Problem::TooLarge),
        Ok(Err(error)) => Err(Problem::CommandNotRun(error.kind())),
        Err(_) => Err(Problem::CommandSlow),
    }
}

/// All of `input`, or `None` if it is too large; in a buffer that never grows, so that no copy is left behind unwiped.
fn read_all(input: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(KEYSET_BYTES_MAX + 1));
    input.take(KEYSET_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok((text.len() <= KEYSET_BYTES_MAX).then_some(text))
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Env(name) => write!(f, "environment variable {name}"),
            KeySource::File(path) => write!(f, "file {}", path.display()),
            // arguments may hold a password
            KeySource::Command(line) => {
                write!(f, "the output of command {}", line.first().map_or("(none)", String::as_str))
            }
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
