//! What values look like: patterns and, where they exist, checksums.
//!
//! A text's bytes are sorted once; a pattern is tried only on a text that is long enough for it and has the sorts of bytes and the digits
//! it needs, which tables tell, and then as many of them, in runs as long as it needs. All patterns run in time linear in the text. Always
//! holds: what is found is a guess, wrong now and then in both directions. Deliberately not here: keys' names.

mod check;

use std::cell::OnceCell;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::bytes::{Match, Regex};

use check::{is_card, is_email, is_iban, is_ip4, is_ip6, is_phone, is_ssn};

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
/// How many sets of sorts there are.
const SETS: usize = 1 << 11;

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

/// One pattern.
struct Pattern {
    like: &'static str,
    /// The fewest bytes that it takes; fewer than [`LENGTHS`].
    bytes_min: usize,
    /// The fewest digits that it takes; fewer than [`LENGTHS`].
    digits_min: usize,
    /// The sorts of bytes that a text must all have.
    needs: u16,
    /// Sorts of bytes of which it must have one.
    needs_one: u16,
    /// What else it must have, quick to tell.
    may: fn(&Text) -> bool,
    regex: Regex,
    /// What a match must be besides; the group `it` of the match, or all of it.
    check: fn(&[u8]) -> bool,
}

/// The patterns, red matchers' first, and the rarer before the more frequent.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let pattern = |like,
                   (bytes_min, digits_min),
                   (needs, needs_one),
                   may: fn(&Text) -> bool,
                   regex: &str,
                   check: fn(&[u8]) -> bool| {
        let regex = Regex::new(&format!("(?-u){regex}")).expect("the patterns below are regular expressions");
        Pattern { like, bytes_min, digits_min, needs, needs_one, may, regex, check }
    };
    let any: fn(&[u8]) -> bool = |_| true;
    vec![
        pattern(
            "social security number",
            (11, 9),
            (DIGIT | DASH, DIGIT),
            |text| text.number() >= 9,
            r"(?:^|[^0-9A-Za-z-])(?P<it>[0-9]{3}-[0-9]{2}-[0-9]{4})(?:$|[^0-9A-Za-z-])",
            is_ssn,
        ),
        pattern(
            "credit card",
            (12, 12),
            (DIGIT, DIGIT),
            |text| text.number() >= 12,
            r"(?:^|[^0-9A-Za-z.-])(?P<it>[2-6][0-9]{3}(?:[ -]?[0-9]){8,15})(?:$|[^0-9A-Za-z-])",
            is_card,
        ),
        pattern(
            "credit card",
            (15, 2),
            (DIGIT | LETTER, DIGIT),
            |text| text.capitals() + text.digits >= 15 && text.code() >= 15,
            r"(?:^|[^0-9A-Za-z])(?P<it>[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30})(?:$|[^0-9A-Za-z])",
            is_iban,
        ),
        pattern("password", (8, 0), (COLON | AT, LETTER), |_| true, r"://[^/\s:@?#]*:[^/\s@?#]+@[^/\s]", any),
        pattern(
            "token",
            (20, 0),
            (LETTER, LETTER),
            may_be_token,
            r"(?:eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{4,}\.[0-9A-Za-z_-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?:^|[^0-9A-Za-z_-])(?:gh[opsur]_[0-9A-Za-z]{30,}|github_pat_[0-9A-Za-z_]{30,}|glpat-[0-9A-Za-z_-]{20,}|xox[abeoprs]-[0-9A-Za-z-]{10,}|[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|A[KS]IA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|sk-[0-9A-Za-z_-]{32,}|npm_[0-9A-Za-z]{36})|^(?i:bearer|basic) +[0-9A-Za-z+/=._~-]{12,}$)",
            any,
        ),
        pattern(
            "email",
            (6, 0),
            (DOT, AT | PERCENT | HIGH),
            |text| has_at(text.bytes),
            r"(?P<it>[0-9A-Za-z._%+'\x80-\xff-]{1,64}(?:@|%40|\xef\xbc\xa0)(?:[0-9A-Za-z\x80-\xff-]{1,63}\.){1,8}(?:[A-Za-z]{2,24}|xn--[0-9A-Za-z-]{2,59}|[\x80-\xff]{2,60}))",
            is_email,
        ),
        pattern(
            "phone",
            (8, 8),
            (DIGIT | PLUS, DIGIT),
            |_| true,
            r"(?:^|[^0-9A-Za-z+])(?P<it>\+[1-9][0-9 ()./-]{6,22}[0-9])(?:$|[^0-9A-Za-z])",
            is_phone,
        ),
        pattern(
            "phone",
            (12, 10),
            (DIGIT, DASH | DOT | SPACE),
            |text| text.bytes.len() <= 18 && text.digits <= 11,
            r"^(?P<it>(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4})$",
            any,
        ),
        pattern(
            "ip",
            (7, 4),
            (DIGIT | DOT, DIGIT),
            |text| count(text.bytes, |byte| byte == b'.') >= 3,
            r"(?:^|[ ,;=\[(@\x22']|://)(?P<it>(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9]))(?:$|[ ,;:/\])\x22'&])",
            is_ip4,
        ),
        pattern(
            "ip",
            (3, 0),
            (COLON, DIGIT | COLON),
            |text| {
                text.bytes.len() <= IP6_BYTES_MAX
                    && text.sorts & NOT_IP6 == 0
                    && count(text.bytes, |byte| byte == b':') >= 2
            },
            r"^\[?(?P<it>[0-9A-Fa-f:.]{3,45})(?:%[0-9A-Za-z]+)?\]?$",
            is_ip6,
        ),
        pattern(
            "mac",
            (12, 0),
            (LETTER, COLON | DASH | DOT),
            |text| matches!(text.bytes.len(), 14 | 17),
            r"^(?P<it>(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})$",
            any,
        ),
        pattern(
            "mac",
            (17, 12),
            (DIGIT, COLON | DASH),
            |text| text.bytes.len() == 17,
            r"^(?P<it>(?:[0-9]{2}:){5}[0-9]{2}|(?:[0-9]{2}-){5}[0-9]{2})$",
            any,
        ),
    ]
});

/// How many lengths, and numbers of digits, are told apart; more are as good as the most.
const LENGTHS: usize = 32;

/// The patterns that a text may match, by what it has: a bit for each, in their order.
struct Apt {
    /// Of a text with these sorts of bytes.
    by_sorts: [u16; SETS],
    /// Of a text of this length.
    by_length: [u16; LENGTHS],
    /// Of a text with so many digits.
    by_digits: [u16; LENGTHS],
    /// Those that a text matches that is no version.
    of_no_version: u16,
}

static APT: LazyLock<Apt> = LazyLock::new(|| {
    let those = |apt: &dyn Fn(&Pattern) -> bool| {
        let bits = PATTERNS.iter().enumerate().filter(|(_, pattern)| apt(pattern)).map(|(index, _)| 1 << index);
        bits.fold(0, |all, bit: u16| all | bit)
    };
    let has = |sorts: u16, pattern: &Pattern| sorts & pattern.needs == pattern.needs && sorts & pattern.needs_one != 0;
    Apt {
        // an index is below the number of sets
        by_sorts: std::array::from_fn(|sorts| those(&|pattern| has(sorts as u16, pattern))),
        by_length: std::array::from_fn(|length| those(&|pattern| length >= pattern.bytes_min)),
        by_digits: std::array::from_fn(|digits| those(&|pattern| digits >= pattern.digits_min)),
        of_no_version: those(&|pattern| pattern.like == "ip"),
    }
});

/// What `text` looks like; `version`: whether four numbers with dots between are a version here.
pub(super) fn looks(text: &[u8], version: bool) -> Option<Looks> {
    let apt = &*APT;
    let of_length = apt.by_length[text.len().min(LENGTHS - 1)];
    if of_length == 0 {
        return None;
    }
    let sorts = text.iter().fold(0, |sorts, byte| sorts | SORTS[*byte as usize]);
    let mut left = of_length & apt.by_sorts[sorts as usize % SETS] & if version { !apt.of_no_version } else { !0 };
    if left == 0 {
        return None;
    }
    let text = Text::of(text, sorts);
    left &= apt.by_digits[text.digits.min(LENGTHS - 1)];
    while left != 0 {
        let pattern = &PATTERNS[left.trailing_zeros() as usize];
        if (pattern.may)(&text)
            && let Some(looks) = pattern.find(text.bytes)
        {
            return Some(looks);
        }
        left &= left - 1;
    }
    None
}

/// How many of `bytes` `counts`.
#[inline(always)]
fn count(bytes: &[u8], counts: impl Fn(u8) -> bool) -> usize {
    // so many at a time that their number is a byte: the compiler counts them a vector at a time
    let few = |few: &[u8]| few.iter().fold(0u8, |count, byte| count + u8::from(counts(*byte)));
    bytes.chunks(128).map(|bytes| usize::from(few(bytes))).sum()
}

/// A text that may look like something, and what it has.
struct Text<'a> {
    bytes: &'a [u8],
    sorts: u16,
    digits: usize,
    /// What [`Text::number`] told.
    number: OnceCell<usize>,
}

impl<'a> Text<'a> {
    fn of(bytes: &'a [u8], sorts: u16) -> Self {
        let digits = count(bytes, |byte| byte.is_ascii_digit());
        Self { bytes, sorts, digits, number: OnceCell::new() }
    }

    fn capitals(&self) -> usize {
        count(self.bytes, |byte| byte.is_ascii_uppercase())
    }

    /// The longest run of digits, one space or dash between two of them at most.
    fn number(&self) -> usize {
        *self.number.get_or_init(|| self.longest(|byte| byte.is_ascii_digit(), |byte| matches!(byte, b' ' | b'-')))
    }

    /// The longest run of digits and capitals, one space between two of them at most.
    fn code(&self) -> usize {
        self.longest(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase(), |byte| byte == b' ')
    }

    /// The longest run of bytes that `counts`, one sign at a time between them that `divides`.
    #[inline(always)]
    fn longest(&self, counts: impl Fn(u8) -> bool, divides: impl Fn(u8) -> bool) -> usize {
        let (mut longest, mut run, mut before) = (0, 0, 0);
        for byte in self.bytes {
            if counts(*byte) {
                run += 1;
                longest = longest.max(run);
            } else if before == *byte || !divides(*byte) {
                run = 0;
            }
            before = *byte;
        }
        longest
    }
}

/// No address of IPv6 has any of these.
const NOT_IP6: u16 = SPACE | DASH | AT | PLUS | UNDERSCORE | HIGH;

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

fn may_be_token(text: &Text) -> bool {
    static PARTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(TOKEN_PARTS).ok());
    if matches!(text.bytes.first(), Some(b'b' | b'B')) {
        return true;
    }
    // all but two kinds have such a sign, and these are long: `AIza` and 35 more, and `AKIA` and 16 digits and capitals more
    let has_sign = text.sorts & (DOT | DASH | UNDERSCORE) != 0;
    let may = has_sign || text.bytes.len() >= 39 || text.capitals() + text.digits >= 20;
    // who cannot be asked does not forbid
    may && PARTS.as_ref().is_none_or(|parts| parts.is_match(text.bytes))
}

/// Whether an `@` stands in the text, one of full width, or one with a percent escape.
fn has_at(text: &[u8]) -> bool {
    memchr::memchr(b'@', text).is_some()
        || memchr::memmem::find(text, b"%40").is_some()
        || memchr::memmem::find(text, "\u{ff20}".as_bytes()).is_some()
}

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

#[cfg(test)]
mod tests;
