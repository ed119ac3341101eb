//! JSON Web Tokens: no other text is one.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::checks;

proptest! {
    #[test]
    fn only_what_the_issuer_signed_is_accepted(at in any::<usize>(), edit in vec(any::<u8>(), 0..4)) {
        checks::jwt_is_the_issuers(at, &edit);
    }

    #[test]
    fn only_the_alphabet_of_base64_does_not_help(at in any::<usize>(), edit in "[A-Za-z0-9._-]{0,3}") {
        checks::jwt_is_the_issuers(at, edit.as_bytes());
    }

    #[test]
    fn no_set_of_keys_makes_it_panic(modulus in "[A-Za-z0-9_-]{0,400}", exponent in "[A-Za-z0-9_-]{0,8}", bytes in vec(any::<u8>(), 0..40)) {
        checks::jwks_accept_nothing_else(&bytes);
        let set = format!(r#"{{"keys":[{{"kty":"RSA","n":"{modulus}","e":"{exponent}"}}]}}"#);
        checks::jwks_accept_nothing_else(set.as_bytes());
    }
}
