//! A fresh folder per test, with a keyset and a configuration, and the program run in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// Two keys, the primary the one of `tests/golden/tokens_golden.json`, so that tokens are known beforehand.
pub const KEYSET: &str = r#"{"primaryKeyId":1794347027,"key":[
{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesSivKey","value":"EkAl9HCMmKTN1p3V186uhZpJQ+tivyc4IKyE+opg6SsEbWQ/WesWHzwCRrlgRuxdaggvgMzwWhjPnkk9gptBnGLK","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1919301694,"outputPrefixType":"TINK"},
{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesSivKey","value":"EkDdQDM/u9M18lcTZ/qqHpkWHttPkLwbwv24ZsiBHKItjNo7QBsTbDo4nQxU8yBTaPG3EeMZ6bZHqayU+hy1T0NT","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1794347027,"outputPrefixType":"TINK"}]}"#;

/// An event source of layout `default`, e-mail marked as attribute and parameter, and two views.
pub const CONFIG: &str = r#"
[keys]
file = "keyset.json"

[limits]
record-bytes = 4096

[[source]]
topic = "raw.events"
kind = "event"
protected = "protected.events"
dead-letters = "dead"

[[source]]
topic = "raw.users"
kind = "profile"
protected = "protected.users"
dead-letters = "dead"

[[domain]]
workspace = "acme"
name = "note"
pad = 32
loose = true

[[domain]]
workspace = "*"
name = "tags"
whole = true

[[view]]
name = "debug"
unlisted = "show"
topics = { "raw.events" = "debug.events" }

[[mark]]
workspace = "*"
on = "attribute"
name = "email"

[[mark]]
workspace = "*"
on = "parameter"
name = "email"
mask = "email"
"#;

/// The token of `"ann@example.com"` in acme's domain `email`, as tink-py made it.
pub const ANN: &str = "siv:AWrzkBPH2pfIJPyBqSG4E02JU0wH0OgG3ULiwMA48UN4Gixc";

/// A folder of its own.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    /// With [`KEYSET`] as `keyset.json` and [`CONFIG`] as `sivcar.toml`.
    pub fn new() -> Self {
        let bench = Self { folder: TempDir::new().expect("a folder can be made") };
        bench.keyset("keyset.json", KEYSET);
        bench.write("sivcar.toml", CONFIG);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the folder can be written");
    }

    /// A file as keysets must be: closed to others.
    pub fn keyset(&self, name: &str, text: &str) {
        self.write(name, text);
        self.mode(name, 0o600);
    }

    pub fn mode(&self, name: &str, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).expect("the file is there");
    }

    /// The program in this folder, its arguments divided by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).env_clear();
        command
    }

    /// Runs the program on `input`; gives exit code, standard output and standard error.
    pub fn run(&self, arguments: &str, input: impl AsRef<[u8]>) -> (i32, String, String) {
        let output = self.command(arguments).write_stdin(input.as_ref()).output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        (output.status.code().expect("it was not killed"), text(output.stdout), text(output.stderr))
    }

    /// Asserts what the program writes, byte by byte, and how it ends.
    #[track_caller]
    pub fn expect(&self, arguments: &str, input: impl AsRef<[u8]>, code: i32, output: &str, errors: &str) {
        let expected = (code, output.to_owned(), errors.to_owned());
        assert_eq!(self.run(arguments, input), expected, "sivcar {arguments}");
    }

    /// Asserts that the program refuses with this one line, and writes nothing.
    #[track_caller]
    pub fn refused(&self, arguments: &str, line: &str) {
        self.expect(arguments, "", 2, "", &format!("sivcar: {line}\n"));
    }
}

/// The binary under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sivcar"))
}
