//! What values look like: patterns and, where they exist, checksums.
//!
//! A text's bytes are sorted once; a pattern is tried only on a text that has the bytes it needs, and runs of them as long as it needs. All
//! patterns run in time linear in the text. Always holds: what is found is a guess, wrong now and then in both directions. Deliberately not here: keys' names.

use std::sync::LazyLock;

use core::net::Ipv6Addr;

use aho_corasick::AhoCorasick;
use regex::bytes::{Match, Regex};

/// A finding by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    /// The name of the default matcher.
    pub(super) like: &'static str,
    /// Whether the whole text does, not only a part of it.
    pub(super) whole: bool,
}

const DIGIT: u16 = 1;
const LETTER: u16 = 1 << 1;
const AT: u16 = 1 << 2;
const DOT: u16 = 1 << 3;
const COLON: u16 = 1 << 4;
const DASH: u16 = 1 << 5;
const PLUS: u16 = 1 << 6;
const PERCENT: u16 = 1 << 7;
const HIGH: u16 = 1 << 8;
const UNDERSCORE: u16 = 1 << 9;
const SPACE: u16 = 1 << 10;

/// What each byte is.
static SORTS: [u16; 256] = sorts();

const fn sorts() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'@' => AT,
            b'.' => DOT,
            b':' => COLON,
            b'-' => DASH,
            b'+' => PLUS,
            b'%' => PERCENT,
            b'_' => UNDERSCORE,
            b' ' => SPACE,
            0x80.. => HIGH,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Whether a text may match, as far as that is quick to tell.
type May = fn(&[u8], &Runs) -> bool;

/// One pattern.
struct Pattern {
    like: &'static str,
    /// The fewest bytes that it takes.
    bytes_min: usize,
    /// The sorts of bytes that a text must all have.
    needs: u16,
    /// Sorts of bytes of which it must have one.
    needs_one: u16,
    /// What else it must have, quick to tell.
    may: May,
    regex: Regex,
    /// What a match must be besides; the group `it` of the match, or all of it.
    check: fn(&[u8]) -> bool,
}

/// The patterns, red matchers' first, and the rarer before the more frequent.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let pattern = |like, bytes_min, (needs, needs_one), may: May, regex: &str, check: fn(&[u8]) -> bool| {
        let regex = Regex::new(&format!("(?-u){regex}")).expect("the patterns below are regular expressions");
        Pattern { like, bytes_min, needs, needs_one, may, regex, check }
    };
    let any: fn(&[u8]) -> bool = |_| true;
    vec![
        pattern(
            "social security number",
            11,
            (DIGIT | DASH, DIGIT),
            |_, runs| runs.number >= 9,
            r"(?:^|[^0-9A-Za-z-])(?P<it>[0-9]{3}-[0-9]{2}-[0-9]{4})(?:$|[^0-9A-Za-z-])",
            is_ssn,
        ),
        pattern(
            "credit card",
            12,
            (DIGIT, DIGIT),
            |_, runs| runs.number >= 12,
            r"(?:^|[^0-9A-Za-z.-])(?P<it>[2-6][0-9]{3}(?:[ -]?[0-9]){8,15})(?:$|[^0-9A-Za-z-])",
            is_card,
        ),
        pattern(
            "credit card",
            15,
            (DIGIT | LETTER, DIGIT),
            |_, runs| runs.code >= 15,
            r"(?:^|[^0-9A-Za-z])(?P<it>[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30})(?:$|[^0-9A-Za-z])",
            is_iban,
        ),
        pattern("password", 8, (COLON | AT, LETTER), |_, _| true, r"://[^/\s:@?#]*:[^/\s@?#]+@[^/\s]", any),
        pattern(
            "token",
            20,
            (LETTER, LETTER),
            |text, _| may_be_token(text),
            r"(?:eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{4,}\.[0-9A-Za-z_-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?:^|[^0-9A-Za-z_-])(?:gh[opsur]_[0-9A-Za-z]{30,}|github_pat_[0-9A-Za-z_]{30,}|glpat-[0-9A-Za-z_-]{20,}|xox[abeoprs]-[0-9A-Za-z-]{10,}|[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|A[KS]IA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|sk-[0-9A-Za-z_-]{32,}|npm_[0-9A-Za-z]{36})|^(?i:bearer|basic) +[0-9A-Za-z+/=._~-]{12,}$)",
            any,
        ),
        pattern(
            "email",
            6,
            (DOT, AT | PERCENT | HIGH),
            |text, _| has_at(text),
            r"(?P<it>[0-9A-Za-z._%+'\x80-\xff-]{1,64}(?:@|%40|\xef\xbc\xa0)(?:[0-9A-Za-z\x80-\xff-]{1,63}\.){1,8}(?:[A-Za-z]{2,24}|xn--[0-9A-Za-z-]{2,59}|[\x80-\xff]{2,60}))",
            is_email,
        ),
        pattern(
            "phone",
            8,
            (DIGIT | PLUS, DIGIT),
            |_, runs| runs.digits >= 8,
            r"(?:^|[^0-9A-Za-z+])(?P<it>\+[1-9][0-9 ()./-]{6,22}[0-9])(?:$|[^0-9A-Za-z])",
            is_phone,
        ),
        pattern(
            "phone",
            12,
            (DIGIT, DASH | DOT | SPACE),
            |text, runs| text.len() <= 18 && (10..=11).contains(&runs.digits),
            r"^(?P<it>(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4})$",
            any,
        ),
        pattern(
            "ip",
            7,
            (DIGIT | DOT, DIGIT),
            |_, runs| runs.dots >= 3,
            r"(?:^|[ ,;=\[(@\x22']|://)(?P<it>(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9]))(?:$|[ ,;:/\])\x22'&])",
            is_ip4,
        ),
        pattern(
            "ip",
            3,
            (COLON, DIGIT | COLON),
            |text, runs| text.len() <= IP6_BYTES_MAX && runs.colons >= 2,
            r"^\[?(?P<it>[0-9A-Fa-f:.]{3,45})(?:%[0-9A-Za-z]+)?\]?$",
            is_ip6,
        ),
        pattern(
            "mac",
            12,
            (LETTER, COLON | DASH | DOT),
            |text, _| text.len() <= 17,
            r"^(?P<it>(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})$",
            any,
        ),
        pattern(
            "mac",
            17,
            (DIGIT, COLON | DASH),
            |text, _| text.len() == 17,
            r"^(?P<it>(?:[0-9]{2}:){5}[0-9]{2}|(?:[0-9]{2}-){5}[0-9]{2})$",
            any,
        ),
    ]
});

/// What `text` looks like; `version`: whether four numbers with dots between are a version here.
pub(super) fn looks(text: &[u8], version: bool) -> Option<Looks> {
    let sorts = text.iter().fold(0, |sorts, byte| sorts | SORTS[*byte as usize]);
    if sorts & (DIGIT | AT | COLON | PERCENT | HIGH | PLUS) == 0 && text.len() < TOKEN_BYTES_MIN {
        return None;
    }
    let mut runs = None;
    let apt = |pattern: &&Pattern| {
        text.len() >= pattern.bytes_min
            && sorts & pattern.needs == pattern.needs
            && sorts & pattern.needs_one != 0
            && !(version && pattern.like == "ip")
            && (pattern.may)(text, runs.get_or_insert_with(|| Runs::of(text)))
    };
    PATTERNS.iter().filter(apt).find_map(|pattern| pattern.find(text))
}

/// The longest runs of bytes that belong together, counted without what stands between.
#[derive(Default)]
struct Runs {
    digits: usize,
    dots: usize,
    colons: usize,
    /// Digits, one space or dash between two of them at most.
    number: usize,
    /// Digits and capitals, one space between two of them at most.
    code: usize,
}

impl Runs {
    fn of(text: &[u8]) -> Self {
        let mut runs = Self::default();
        let (mut number, mut code, mut before) = (0, 0, 0);
        for byte in text {
            match byte {
                b'0'..=b'9' => {
                    runs.digits += 1;
                    number += 1;
                    code += 1;
                }
                b'A'..=b'Z' => {
                    number = 0;
                    code += 1;
                }
                b' ' if before != b' ' => {}
                b'-' if before != b'-' => code = 0,
                byte => {
                    runs.dots += usize::from(*byte == b'.');
                    runs.colons += usize::from(*byte == b':');
                    (number, code) = (0, 0);
                }
            }
            runs.number = runs.number.max(number);
            runs.code = runs.code.max(code);
            before = *byte;
        }
        runs
    }
}

/// The longest text that is an address of IPv6, with brackets and a zone.
const IP6_BYTES_MAX: usize = 80;

/// What stands in every token that is told by its beginning, but for those that a scheme of HTTP's begins.
const TOKEN_PARTS: [&str; 17] = [
    "eyJ",
    "-----BEGIN",
    "gho_",
    "ghp_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "k_live_",
    "k_test_",
    "AKIA",
    "ASIA",
    "AIza",
    "sk-",
    "npm_",
];

fn may_be_token(text: &[u8]) -> bool {
    static PARTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(TOKEN_PARTS).ok());
    // who cannot be asked does not forbid
    let begins = matches!(text.first(), Some(b'b' | b'B'));
    begins || PARTS.as_ref().is_none_or(|parts| parts.is_match(text))
}

/// Whether an `@` stands in the text, one of full width, or one with a percent escape.
fn has_at(text: &[u8]) -> bool {
    memchr::memchr(b'@', text).is_some()
        || memchr::memmem::find(text, b"%40").is_some()
        || memchr::memmem::find(text, "\u{ff20}".as_bytes()).is_some()
}

/// The shortest secret that is told by its beginning.
const TOKEN_BYTES_MIN: usize = 20;

impl Pattern {
    fn find(&self, text: &[u8]) -> Option<Looks> {
        // groups cost, and most texts hold none
        if !self.regex.is_match(text) {
            return None;
        }
        let mut from = 0;
        while let Some(found) = self.regex.captures_at(text, from) {
            let whole: Match = found.get(0)?;
            let it = found.name("it").unwrap_or(whole);
            if (self.check)(it.as_bytes()) {
                return Some(Looks { like: self.like, whole: it.len() == text.trim_ascii().len() });
            }
            // what bounds one candidate may bound the next
            from = it.end().max(from + 1);
        }
        None
    }
}

fn digits(text: &[u8]) -> impl DoubleEndedIterator<Item = u32> {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// An area from 001 to 899 but 666, and no part that is all zeros.
fn is_ssn(text: &[u8]) -> bool {
    let (area, group, serial) = (&text[..3], &text[4..6], &text[7..]);
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000"
}

/// A network's prefix and length (ISO/IEC 7812), and Luhn's check digit (Annex B).
fn is_card(text: &[u8]) -> bool {
    let number: Vec<u32> = digits(text).collect();
    let prefix = |length: usize| number.iter().take(length).fold(0, |prefix, digit| prefix * 10 + digit);
    let length = number.len();
    let network = match prefix(4) {
        4000..=4999 => matches!(length, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => length == 16,
        3400..=3499 | 3700..=3799 => length == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => length == 14 || length == 16,
        3528..=3589 => (16..=19).contains(&length),
        6011 | 6440..=6599 | 6200..=6299 => (16..=19).contains(&length),
        5000..=5099 | 5600..=5899 | 6304 | 6759 | 6761..=6763 => (13..=19).contains(&length),
        _ => false,
    };
    let luhn = |sum: u32, (place, digit): (usize, u32)| {
        let doubled = if place % 2 == 1 { digit * 2 } else { digit };
        sum + doubled / 10 + doubled % 10
    };
    network && number.iter().rev().copied().enumerate().fold(0, luhn) % 10 == 0
}

/// Countries and the lengths of their account numbers (ISO 13616).
const IBAN_LENGTHS: &str = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27\
    GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28\
    NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

/// The country's length, and a remainder of 1 modulo 97 (ISO 7064).
fn is_iban(text: &[u8]) -> bool {
    let letters: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
    let known = IBAN_LENGTHS.as_bytes().chunks_exact(4).any(|country| {
        let length = usize::from(country[2] - b'0') * 10 + usize::from(country[3] - b'0');
        country[..2] == letters[..2] && length == letters.len()
    });
    let rest = |rest: u32, byte: &u8| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    };
    known && letters[4..].iter().chain(&letters[..4]).fold(0, rest) == 1
}

/// Files whose names have an `@` in them, as `icon@2x.png`, are no addresses.
fn is_email(text: &[u8]) -> bool {
    const FILES: [&[u8]; 9] = [b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".js", b".css", b".html"];
    !FILES.iter().any(|file| text.len() >= file.len() && text[text.len() - file.len()..].eq_ignore_ascii_case(file))
}

/// E.164: at most 15 digits, the country's code among them.
fn is_phone(text: &[u8]) -> bool {
    (8..=15).contains(&digits(text).count())
}

/// Not the network of this host, nor the host itself.
fn is_ip4(text: &[u8]) -> bool {
    !text.starts_with(b"0.") && !text.starts_with(b"127.")
}

fn is_ip6(text: &[u8]) -> bool {
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| !address.is_unspecified() && !address.is_loopback())
}

#[cfg(test)]
mod tests;
