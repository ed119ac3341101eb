//! Puts replaced values back into a document, knowing nothing but JSON's lexical tokens.

/// Divides JSON into strings with their quotes, punctuation, and runs of anything else (numbers, words, white space).
fn lex(json: &str) -> Vec<&str> {
    let bytes = json.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' => at += 1,
            first => {
                let space = first.is_ascii_whitespace();
                let ends = |byte: &u8| b"\"{}[],:".contains(byte) || byte.is_ascii_whitespace() != space;
                at += bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at);
            }
        }
        tokens.push(&json[start..at]);
    }
    tokens
}

/// How many tokens the value takes that begins with the first of `tokens`.
fn value_length(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "[" => depth += 1,
            "}" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    panic!("the value does not end");
}

/// `output` with each value that `is_replacement` names, and that is not the input's own, put back as it stands in `input`; and
/// how many there were. Everything else is the output's own bytes.
pub fn put_back(input: &str, output: &str, is_replacement: impl Fn(&str) -> bool) -> (String, usize) {
    let input = lex(input);
    let (mut at, mut bytes, mut replaced) = (0, String::new(), 0);
    for token in lex(output) {
        let length = match input.get(at) {
            Some(own) if is_replacement(token) && *own != token => value_length(&input[at..]),
            _ => 0,
        };
        if length == 0 {
            bytes.push_str(token);
            at += 1;
        } else {
            bytes.push_str(&input[at..at + length].concat());
            at += length;
            replaced += 1;
        }
    }
    (bytes, replaced)
}
