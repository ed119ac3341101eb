//! The `sivcar` program: arguments in, exit code out. Everything else is [`sivcar::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    sivcar::cli::main(std::env::args_os())
}
