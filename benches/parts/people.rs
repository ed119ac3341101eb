//! Made-up profiles of about 1 KB, always the same for a number, and the configuration that the benches share.

use std::fmt::Write as _;

/// One source of profiles, and the source of events that tells of them; no views.
pub const SOURCES: &str = r#"
[[source]]
topic = "raw.events"
kind = "event"
detection = "off"
protected = "protected.events"
dead-letters = "dead"
[[source]]
topic = "raw.users"
kind = "profile"
detection = "off"
state = "merge"
protected = "protected.users"
dead-letters = "dead"
events = "raw.events"
"#;

const WORDS: [&str; 16] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "juniper", "knoll", "larch",
    "meadow", "north", "orchard", "pine",
];

/// The document of a profile: some attributes that could be marked, each held by everyone, and tags up to 1,000 bytes or so.
pub fn document(number: u64) -> Vec<u8> {
    let mut dice = Dice(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (first, last, town) = (dice.word(), dice.word(), dice.word());
    let mut text = format!(
        "{{\"workspace\":\"acme\",\"id\":{number},\"attributes\":{{\"email\":\"{first}.{last}.{number}@example.com\",\
         \"name\":\"{first} {last}\",\"phone\":\"+48 {:09}\",\"addresses\":[{{\"street\":\"{} {town}\",\"zipcode\":\"{:05}\"}}],\
         \"newsletter\":{},\"spent\":{}.{:02},\"tags\":[\"customer\"",
        dice.draw(1_000_000_000),
        dice.draw(200),
        dice.draw(100_000),
        dice.draw(2) == 0,
        dice.draw(10_000),
        dice.draw(100),
    );
    while text.len() < 985 {
        // a text takes all that is written to it
        let _ = write!(text, ",\"{}-{:05}\"", dice.word(), dice.draw(100_000));
    }
    text.push_str("]}}");
    text.into_bytes()
}

/// Xorshift: always the same for a profile.
struct Dice(u64);

impl Dice {
    fn draw(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.draw(WORDS.len() as u64) as usize]
    }
}
