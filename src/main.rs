//! The `sivcar` program: arguments in, exit code out.

fn main() {}
