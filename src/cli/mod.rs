//! The command line: the one place where configuration, keys, core, stream and log are wired together.
//!
//! Each command is a module with its arguments and a `run`; what they share is in `offline` (no broker), `cluster` (the broker),
//! `filter` (line in, line out) and [`exit`] (codes and the one line that tells why). Always holds: `protect`, `test`, `token`, `reveal`,
//! `keys` and plain `check` make no Kafka client; no error shows a value. Deliberately not here: any rule about records.

mod check;
mod cluster;
mod dead_letters;
mod demo;
pub mod exit;
mod filter;
mod harmless;
mod inventory;
mod keys;
mod lines;
mod marks;
mod offline;
mod protect;
mod reveal;
mod run;
mod signals;
mod status;
mod tail;
mod test;
mod test_profiles;
mod token;
mod unnamed;
mod workspace;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use exit::{EXIT_OK, EXIT_USAGE, Failure, Outcome};
use filter::Streams;

/// What stands below the help of the program.
const EXIT_CODES: &str = "Exit codes:
    0  all was done
    1  something was rejected and is named on standard error; or the broker refused
    2  the command line, the configuration, a keyset or a topic is not as it must be
    3  fenced: another process runs with the same group and instance
    4  policy_went_backwards: the control topic was emptied or re-created
    5  the control topic holds what this version cannot take
  141  whoever read standard output went away";

/// What is wrong with a number, in the words of whoever reads them and in ours.
const NUMBERS: [(&str, &str); 4] = [
    ("cannot parse integer from empty string", "must be a whole number"),
    ("invalid digit found in string", "must be a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "the number is too small"),
];

/// An AES-SIV sidecar for Apache Kafka: protects personal data in streams, exactly once
#[derive(Debug, Parser)]
#[command(name = "sivcar", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Demo(demo::Args),
    Protect(protect::Args),
    Test(test::Args),
    Inventory(inventory::Args),
    Token(token::Args),
    Reveal(reveal::Args),
    #[command(subcommand)]
    Keys(keys::Command),
    Check(check::Args),
    Mark(marks::MarkArgs),
    Unmark(marks::UnmarkArgs),
    Marks(marks::MarksArgs),
    Stage(workspace::StageArgs),
    Domain(workspace::DomainArgs),
    Reseal(workspace::ResealArgs),
    Erase(workspace::EraseArgs),
    #[command(subcommand)]
    TestProfiles(test_profiles::Command),
    Status(status::Args),
    Tail(tail::Args),
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
}

/// Runs the program with these arguments, the first of them its own name, on the standard streams.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (mut input, mut output, mut errors) = (io::stdin().lock(), io::stdout().lock(), io::stderr());
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        Err(error) => return ExitCode::from(not_run(&error)),
    };
    let streams = Streams { input: &mut input, output: &mut output, errors: &mut errors };
    ExitCode::from(exit::conclude(dispatch(&command, streams), &mut io::stderr()))
}

/// Tells what clap found instead of a command: help and version on standard output, a wrong command line as one line on standard
/// error.
fn not_run(error: &clap::Error) -> u8 {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        // where its stream is gone, nobody is left to tell
        let _ = error.print();
        return if error.use_stderr() { EXIT_USAGE } else { EXIT_OK };
    }
    let text = error.render().to_string();
    let paragraphs = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let said: Vec<String> = paragraphs
        .filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"))
        .map(|part| part.trim_start_matches("error: ").to_owned())
        .map(|part| NUMBERS.iter().fold(part, |part, (theirs, ours)| part.replace(theirs, ours)))
        .collect();
    exit::conclude(Err(Failure::usage(format!("{}; see --help", said.join("; ")))), &mut io::stderr())
}

fn dispatch(command: &Command, streams: Streams) -> Result<Outcome, Failure> {
    if let Err(error) = crate::keys::harden() {
        return Err(Failure::failed(format!("core dumps cannot be forbidden: {error}")));
    }
    let Streams { input, output, errors } = streams;
    let outcome = match command {
        Command::Run(args) => run::run(args),
        Command::Demo(args) => demo::run(args, &mut *output),
        Command::Protect(args) => protect::run(args, Streams { input, output: &mut *output, errors }),
        Command::Test(args) => test::run(args, Streams { input, output: &mut *output, errors }),
        Command::Inventory(args) => inventory::run(args, Streams { input, output: &mut *output, errors }),
        Command::Token(args) => token::run(args, Streams { input, output: &mut *output, errors }),
        Command::Reveal(args) => reveal::run(args, Streams { input, output: &mut *output, errors }),
        Command::Keys(command) => keys::run(command, &mut *output),
        Command::Check(args) => check::run(args, &mut *output, errors),
        Command::Mark(args) => marks::mark(args, &mut *output, errors),
        Command::Unmark(args) => marks::unmark(args, &mut *output),
        Command::Marks(args) => marks::marks(args, &mut *output),
        Command::Stage(args) => workspace::stage(args, &mut *output, errors),
        Command::Domain(args) => workspace::domain(args, &mut *output, errors),
        Command::Reseal(args) => workspace::reseal(args, &mut *output, errors),
        Command::Erase(args) => workspace::erase(args, &mut *output, errors),
        Command::TestProfiles(command) => test_profiles::run(command, &mut *output, errors),
        Command::Status(args) => status::run(args, &mut *output),
        Command::Tail(args) => tail::run(args, &mut *output, errors),
        Command::DeadLetters(command) => dead_letters::run(command, &mut *output, errors),
    }?;
    output.flush().map_err(|error| Failure::writing(&error))?;
    Ok(outcome)
}
