use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::privacy::keyset::Status;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn keyset(fill: u8, id: u32) -> Keyset {
    Keyset::generate(&[fill; KEY_BYTES], id)
}

fn file(path: &Path) -> KeySource {
    KeySource::File(path.to_owned())
}

fn shell(script: &str) -> KeySource {
    KeySource::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

fn problem(source: &KeySource) -> Problem {
    read(source).expect_err("refused").problem
}

fn open_to(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn a_new_file_is_private_whole_and_never_replaces() {
    let folder = folder();
    let path = folder.path().join("keyset.json");
    let made = generate().expect("random bytes");
    create(&path, &made).expect("created");
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
    assert_eq!(fs::read_to_string(&path).expect("ours"), *made.to_json().expose());
    assert_eq!(read(&file(&path)).expect("accepted").primary(), made.primary());
    let error = create(&path, &keyset(1, 7)).expect_err("exists");
    assert_eq!(error.problem, Problem::FileExists);
    assert_eq!(fs::read_to_string(&path).expect("ours"), *made.to_json().expose());
    assert_eq!(fs::read_dir(folder.path()).expect("ours").count(), 1, "no temporary file is left");
}

#[test]
fn a_file_is_replaced_through_its_link() {
    let folder = folder();
    let (path, link) = (folder.path().join("keyset.json"), folder.path().join("link.json"));
    create(&path, &keyset(1, 7)).expect("created");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let mut changed = read(&file(&link)).expect("links are followed");
    let id = add(&mut changed).expect("added");
    replace(&link, &changed).expect("replaced");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    let again = read(&file(&path)).expect("accepted");
    assert_eq!((again.primary(), again.key(id).map(|key| key.status())), (7, Some(Status::Enabled)));
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).expect("ours").count(), 2);
    let nowhere = replace(&folder.path().join("none"), &changed).expect_err("nothing to replace");
    assert_eq!(nowhere.problem, Problem::NoFile);
}

#[test]
fn a_file_that_others_may_touch_or_that_is_none_is_refused() {
    let folder = folder();
    let path = folder.path().join("keyset.json");
    assert_eq!(problem(&file(&path)), Problem::NoFile);
    assert_eq!(problem(&file(folder.path())), Problem::NotRegular);
    assert_eq!(problem(&file(Path::new("/dev/null"))), Problem::NotRegular);
    create(&path, &keyset(1, 7)).expect("created");
    for mode in [0o644, 0o604, 0o660, 0o620, 0o610, 0o602, 0o601] {
        open_to(&path, mode);
        assert_eq!(problem(&file(&path)), Problem::TooOpen(mode));
    }
    for mode in [0o400, 0o440, 0o640] {
        open_to(&path, mode);
        assert!(read(&file(&path)).is_ok());
    }
    open_to(&path, 0o600);
    fs::write(&path, "{}").expect("ours");
    assert_eq!(problem(&file(&path)), Problem::Refused(KeysetError::NoKeys));
    fs::write(&path, vec![b' '; KEYSET_BYTES_MAX + 1]).expect("ours");
    assert_eq!(problem(&file(&path)), Problem::TooLarge);
}

#[test]
fn a_variable_is_gone_once_read_and_is_not_read_again() {
    let name = "SIVCAR_TEST_KEYSET_ONCE";
    let source = KeySource::Env(name.to_owned());
    assert_eq!(problem(&source), Problem::NoVariable);
    #[allow(unsafe_code)]
    // SAFETY: the tests read the environment through std alone, which locks it
    unsafe {
        std::env::set_var(name, keyset(1, 7).to_json().expose());
    }
    // two users of one variable share what it gave
    let own = BTreeMap::from([("acme".to_owned(), source.clone())]);
    let mut keys = Keys::load(Some(source), own).expect("loaded");
    assert!(std::env::var_os(name).is_none());
    assert_eq!(keys.ring().of("acme").map(|keyset| keyset.primary()), Some(7));
    let reload = keys.reload();
    assert!(!reload.changed && reload.refused.is_empty());
    assert_eq!(keys.ring().of("acme").map(|keyset| keyset.primary()), Some(7));
}

#[test]
fn a_command_runs_without_a_shell_and_must_succeed_in_time() {
    let folder = folder();
    let path = folder.path().join("it's a $keyset; exit 1");
    create(&path, &keyset(1, 7)).expect("created");
    let line = vec!["cat".to_owned(), path.display().to_string()];
    assert_eq!(read(&KeySource::Command(line)).expect("accepted").primary(), 7);
    assert_eq!(problem(&KeySource::Command(vec![])), Problem::EmptyCommand);
    let absent = KeySource::Command(vec!["/nonexistent/kms".to_owned(), "secret".to_owned()]);
    assert_eq!(problem(&absent), Problem::NoProgram);
    assert!(!format!("{} {absent:?}", read(&absent).expect_err("refused")).contains("secret"));
    assert!(matches!(problem(&shell("echo {}; exit 3")), Problem::CommandFailed(status) if status.code() == Some(3)));
    assert_eq!(problem(&shell("cat /dev/zero")), Problem::TooLarge);
    assert_eq!(problem(&shell("echo")), Problem::Refused(KeysetError::Json { line: 2, column: 0 }));
    let before = Instant::now();
    let slow = ["sleep", "60"].map(str::to_owned);
    assert_eq!(output(&slow, Duration::from_millis(50)).err(), Some(Problem::CommandSlow));
    assert!(before.elapsed() < Duration::from_secs(30), "the command is stopped");
}

#[test]
fn only_a_workspaces_own_file_may_be_absent() {
    let folder = folder();
    let (default, own) = (folder.path().join("default.json"), folder.path().join("acme.json"));
    let workspaces = BTreeMap::from([("acme".to_owned(), file(&own))]);
    let load = || Keys::load(Some(file(&default)), workspaces.clone());
    assert_eq!(load().err().map(|error| error.problem), Some(Problem::NoFile));
    create(&default, &keyset(1, 7)).expect("created");
    let mut keys = load().expect("loaded");
    let primary = |keys: &Keys, workspace: &str| keys.ring().of(workspace).map(|keyset| keyset.primary());
    assert_eq!((primary(&keys, "acme"), primary(&keys, "other")), (None, Some(7)));
    assert!(keys.reload().refused.is_empty(), "still absent, still no error");

    create(&own, &keyset(2, 8)).expect("created");
    assert!(keys.reload().changed);
    assert_eq!(primary(&keys, "acme"), Some(8));
    open_to(&own, 0o644);
    assert_eq!(load().err().map(|error| error.problem), Some(Problem::TooOpen(0o644)));
    let missing_variable = BTreeMap::from([("acme".to_owned(), KeySource::Env("SIVCAR_TEST_KEYSET_NONE".to_owned()))]);
    let error = Keys::load(None, missing_variable).err().map(|error| error.problem);
    assert_eq!(error, Some(Problem::NoVariable));
}

#[test]
fn a_bad_new_keyset_is_refused_and_the_old_one_stays() {
    let folder = folder();
    let (default, own) = (folder.path().join("default.json"), folder.path().join("acme.json"));
    create(&default, &keyset(1, 7)).expect("created");
    create(&own, &keyset(2, 8)).expect("created");
    let workspaces = BTreeMap::from([("acme".to_owned(), file(&own))]);
    let mut keys = Keys::load(Some(file(&default)), workspaces).expect("loaded");
    let ring = keys.ring();
    let reload = keys.reload();
    assert!(!reload.changed && Arc::ptr_eq(&ring, &keys.ring()), "unchanged files change nothing");

    let refusal = |keys: &mut Keys| {
        let reload = keys.reload();
        assert!(!reload.changed && Arc::ptr_eq(&ring, &keys.ring()));
        reload.refused.into_iter().map(|error| error.problem).collect::<Vec<_>>()
    };
    fs::write(&own, "{").expect("ours");
    assert_eq!(refusal(&mut keys), [Problem::Refused(KeysetError::Json { line: 1, column: 1 })]);
    replace(&own, &keyset(3, 8)).expect("replaced");
    assert_eq!(refusal(&mut keys), [Problem::OtherMaterial(8)]);
    fs::remove_file(&own).expect("ours");
    assert_eq!(refusal(&mut keys), [Problem::NoFile]);
    open_to(&default, 0o666);
    assert_eq!(refusal(&mut keys), [Problem::NoFile, Problem::TooOpen(0o666)]);

    let mut rotated = keyset(1, 7);
    let id = add(&mut rotated).expect("added");
    rotated = rotated.promoted(id).expect("enabled");
    replace(&default, &rotated).expect("replaced");
    let reload = keys.reload();
    assert!(reload.changed && reload.refused.len() == 1, "one bad keyset does not hold up another");
    assert_eq!(keys.ring().default_keyset().map(|keyset| keyset.primary()), Some(id));
    assert_eq!(keys.ring().of("acme").map(|keyset| keyset.primary()), Some(8));
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let source = file(Path::new("/nonexistent/keyset.json"));
    let text = "keyset in file /nonexistent/keyset.json: it does not exist; \
                make one with `sivcar keys generate`, or correct the path";
    assert_eq!(read(&source).expect_err("refused").to_string(), text);
    let folder = folder();
    let path = folder.path().join("keyset.json");
    create(&path, &keyset(1, 7)).expect("created");
    open_to(&path, 0o644);
    let text = format!(
        "keyset in file {}: others than its owner and group may touch it (mode 0644); run `chmod 600` on it",
        path.display()
    );
    assert_eq!(read(&file(&path)).expect_err("refused").to_string(), text);
}

#[test]
fn new_keys_differ() {
    let mut one = generate().expect("random bytes");
    let other = generate().expect("random bytes");
    assert_ne!(one.to_json().expose(), other.to_json().expose());
    let id = add(&mut one).expect("added");
    assert_ne!(id, one.primary());
}

#[cfg(target_os = "linux")]
#[test]
fn a_hardened_process_leaves_no_core() {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
    harden().expect("lowering limits needs no privilege");
    assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
}

#[test]
fn keys_of_issuers_are_read_anew_and_a_bad_set_is_refused() {
    let folder = folder();
    let (keyset_file, path) = (folder.path().join("keyset.json"), folder.path().join("jwks.json"));
    create(&keyset_file, &keyset(1, 7)).expect("created");
    let load = || Keys::load(Some(file(&keyset_file)), BTreeMap::new()).expect("loaded");
    let files = BTreeMap::from(["raw", "users"].map(|source| (source.to_owned(), path.clone())));
    let refused =
        |files: &BTreeMap<String, PathBuf>| load().with_issuers(files.clone()).err().map(|error| error.to_string());
    let place = format!("JWK set in file {}", path.display());
    assert_eq!(refused(&files), Some(format!("{place}: it does not exist; correct the path")));
    let folder_for_file = BTreeMap::from([("raw".to_owned(), folder.path().to_owned())]);
    assert!(refused(&folder_for_file).is_some_and(|text| text.ends_with("it is not a regular file; name a file")));
    let good = include_str!("../../tests/golden/jwks.json");
    fs::write(&path, good).expect("written");
    open_to(&path, 0o644);
    let mut keys = load().with_issuers(files.clone()).expect("loaded");
    let first = keys.ring();
    assert!(first.issuers("raw").is_some() && first.issuers("users").is_some() && first.issuers("other").is_none());
    assert!(first.promoted(&BTreeMap::new()).expect("the same").issuers("raw").is_some());
    assert_eq!(keys.files(), [keyset_file.clone(), path.clone()].into());
    assert!(!keys.reload().changed);

    fs::write(&path, "{\"keys\":[]}").expect("written");
    let reload = keys.reload();
    assert!(!reload.changed && Arc::ptr_eq(&keys.ring(), &first));
    let told: Vec<String> = reload.refused.iter().map(KeysError::to_string).collect();
    assert_eq!(told, [format!("{place}: it has no RSA key for RS256 or RS512")]);
    open_to(&path, 0o666);
    assert_eq!(keys.reload().refused[0].problem, Problem::IssuersTooOpen(0o666));
    open_to(&path, 0o644);
    fs::write(&path, good.replace("golden", "another")).expect("written");
    assert!(keys.reload().changed);
    assert!(keys.ring().issuers("raw").is_some() && !Arc::ptr_eq(&keys.ring(), &first));
}
