//! How numbered records are spread over partitions.

/// How many partitions each topic has.
pub const PARTITIONS: i32 = 4;

/// The partition of what has this number.
pub fn partition(number: u64) -> i32 {
    (number % PARTITIONS as u64) as i32
}

/// The key of the record of what has this number.
pub fn key(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}
