//! Keyset files: read only if nobody else can read them, written so that a crash leaves the old or the new one, never a part.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeySource, KeysError, Problem, read_all};
use crate::privacy::keyset::Keyset;

/// Writes `keyset` to a new file `path` with mode 0600; a file that exists is left alone and is an error.
pub fn create(path: &Path, keyset: &Keyset) -> Result<(), KeysError> {
    // a hard link, unlike a rename, never replaces
    write(path, keyset, |temporary| fs::hard_link(temporary, path))
}

/// Writes `keyset` in place of the file `path`, links followed, with mode 0600.
pub fn replace(path: &Path, keyset: &Keyset) -> Result<(), KeysError> {
    let path = fs::canonicalize(path).map_err(|error| failed(path, unreadable(&error)))?;
    write(&path, keyset, |temporary| fs::rename(temporary, &path))
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    // before opening, since opening a pipe would wait for its writer; and after, since that is what is read
    check(&fs::metadata(path).map_err(|error| unreadable(&error))?)?;
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    check(&file.metadata().map_err(|error| unreadable(&error))?)?;
    read_all(file).map_err(|error| unreadable(&error))?.ok_or(Problem::TooLarge)
}

fn check(metadata: &Metadata) -> Result<(), Problem> {
    if !metadata.is_file() {
        return Err(Problem::NotRegular);
    }
    let mode = metadata.permissions().mode() & 0o7777;
    // its group may read it: that is how a mounted secret reaches a process that is not its owner
    if mode & 0o037 != 0 { Err(Problem::TooOpen(mode)) } else { Ok(()) }
}

fn write(path: &Path, keyset: &Keyset, settle: impl Fn(&Path) -> io::Result<()>) -> Result<(), KeysError> {
    let written = temporary(path).and_then(|temporary| {
        let settled = fill(&temporary, keyset).and_then(|()| settle(&temporary));
        // after a rename it is gone already
        let removed = fs::remove_file(&temporary).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        settled.and(removed).and_then(|()| File::open(folder(path))?.sync_all())
    });
    written.map_err(|error| {
        let problem = match error.kind() {
            ErrorKind::AlreadyExists => Problem::FileExists,
            ErrorKind::NotFound => Problem::NoFolder,
            kind => Problem::Unwritable(kind),
        };
        failed(path, problem)
    })
}

fn fill(temporary: &Path, keyset: &Keyset) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    file.write_all(keyset.to_json().expose().as_bytes())?;
    file.sync_all()
}

/// A name beside `path` that nobody can have guessed.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    name.push(format!(".{:016x}", u64::from_be_bytes(random)));
    Ok(path.with_file_name(name))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unreadable(error: &io::Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => Problem::NoFile,
        kind => Problem::Unreadable(kind),
    }
}

fn failed(path: &Path, problem: Problem) -> KeysError {
    KeysError::new(KeySource::File(path.to_owned()), problem)
}
