//! The public keys by which gates check signatures: JWK set files.
//!
//! Always holds: a file is regular, and none but its owner writes it, for whoever does can sign for everyone; a file that cannot be used, or
//! has vanished, is refused on reload, and what it gave before stays. Reading it is no secret.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{KeysError, Problem, Reload, read_all};
use crate::privacy::jwt::Jwks;

/// JWK sets, and where they come from.
#[derive(Default)]
pub(super) struct Issuers {
    /// By source.
    files: BTreeMap<String, PathBuf>,
    /// One per file, however many use it.
    loaded: BTreeMap<PathBuf, Loaded>,
}

struct Loaded {
    text: Vec<u8>,
    keys: Arc<Jwks>,
}

impl Issuers {
    pub(super) fn load(files: BTreeMap<String, PathBuf>) -> Result<Self, KeysError> {
        let loaded = files.values().map(|path| Ok((path.clone(), read(path)?))).collect::<Result<_, KeysError>>()?;
        Ok(Self { files, loaded })
    }

    /// Reads every file anew.
    pub(super) fn reload(&mut self, reload: &mut Reload) {
        for (path, loaded) in &mut self.loaded {
            match read(path) {
                Ok(new) if new.text == loaded.text => {}
                Ok(new) => {
                    *loaded = new;
                    reload.changed = true;
                }
                Err(error) => reload.refused.push(error),
            }
        }
    }

    /// The keys of each source.
    pub(super) fn by_source(&self) -> BTreeMap<String, Arc<Jwks>> {
        let keys = |path: &PathBuf| self.loaded.get(path).map(|loaded| loaded.keys.clone());
        self.files.iter().filter_map(|(source, path)| Some((source.clone(), keys(path)?))).collect()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.loaded.keys()
    }
}

fn read(path: &Path) -> Result<Loaded, KeysError> {
    text(path).map_err(|problem| KeysError { place: format!("JWK set in file {}", path.display()), problem })
}

fn text(path: &Path) -> Result<Loaded, Problem> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Problem::NoIssuers,
        kind => Problem::Unreadable(kind),
    };
    // before opening, since opening a pipe would wait for its writer; and after, since that is what is read
    check(&fs::metadata(path).map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    check(&file.metadata().map_err(failed)?)?;
    let text = read_all(file).map_err(failed)?.ok_or(Problem::TooLarge)?.to_vec();
    Ok(Loaded { keys: Arc::new(Jwks::parse(&text)?), text })
}

fn check(metadata: &Metadata) -> Result<(), Problem> {
    let mode = metadata.permissions().mode() & 0o7777;
    match metadata.is_file() {
        false => Err(Problem::IssuersNotRegular),
        true if mode & 0o022 != 0 => Err(Problem::IssuersTooOpen(mode)),
        true => Ok(()),
    }
}
