//! What a pattern's match must be besides: a number with its checksum, an address that is one.
//!
//! Always holds: each is asked of a text that its pattern matched, and of nothing else. Deliberately not here: the patterns.

use core::net::Ipv6Addr;

fn digits(text: &[u8]) -> impl DoubleEndedIterator<Item = u32> {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// An area from 001 to 899 but 666, and no part that is all zeros.
pub(super) fn is_ssn(text: &[u8]) -> bool {
    let (area, group, serial) = (&text[..3], &text[4..6], &text[7..]);
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000"
}

/// A network's prefix and length (ISO/IEC 7812), and Luhn's check digit (Annex B).
pub(super) fn is_card(text: &[u8]) -> bool {
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
pub(super) fn is_iban(text: &[u8]) -> bool {
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
pub(super) fn is_email(text: &[u8]) -> bool {
    const FILES: [&[u8]; 9] = [b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".js", b".css", b".html"];
    !FILES.iter().any(|file| text.len() >= file.len() && text[text.len() - file.len()..].eq_ignore_ascii_case(file))
}

/// E.164: at most 15 digits, the country's code among them.
pub(super) fn is_phone(text: &[u8]) -> bool {
    (8..=15).contains(&digits(text).count())
}

/// Not the network of this host, nor the host itself.
pub(super) fn is_ip4(text: &[u8]) -> bool {
    !text.starts_with(b"0.") && !text.starts_with(b"127.")
}

pub(super) fn is_ip6(text: &[u8]) -> bool {
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| !address.is_unspecified() && !address.is_loopback())
}
