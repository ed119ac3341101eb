use super::*;

fn matchers() -> Matchers {
    Matchers::new(Vec::new(), 16_384)
}

/// The matcher of the key `name` in `scope`, for a text.
fn named(name: &str, scope: Scope) -> Option<String> {
    let matchers = matchers();
    matchers.name(name).matched(&matchers, scope, Leaf::Text).map(|found| matchers.get(found.matcher).name.clone())
}

#[track_caller]
fn check(scope: Scope, cases: &[(&str, &str)]) {
    for (name, expected) in cases {
        assert_eq!(named(name, scope).as_deref().unwrap_or("none"), *expected, "{name}");
    }
}

#[test]
fn there_are_36_and_their_terms_are_each_ones_own() {
    assert_eq!(DEFAULTS.len(), 36);
    assert_eq!(DEFAULTS.iter().filter(|default| default.risk == Risk::Red).count(), 8);
    let twice: Vec<&String> = TERMS.iter().filter(|(_, rules)| rules.len() > 1).map(|(term, _)| term).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn the_end_of_a_name_says_what_it_is() {
    check(
        Scope::Open,
        &[
            ("userEmail", "email"),
            ("e-mail", "email"),
            ("EMAIL_ADDRESS", "email"),
            ("useremail", "email"),
            ("emailHash", "email"),
            ("Email__c", "email"),
            ("emails", "email"),
            ("emailCount", "none"),
            ("emailSubject", "none"),
            ("email_opt_out", "none"),
            ("hasEmail", "none"),
            ("trace", "none"),
            ("race", "race"),
            ("ipVersion", "none"),
            ("requestIP", "ip"),
            ("ip_address", "ip"),
            ("zip", "zipcode"),
            ("clip", "none"),
            ("address1", "address"),
            ("walletAddress", "none"),
            ("macAddress", "mac"),
            ("street_address", "address"),
            ("phoneModel", "none"),
            ("homePhone", "phone"),
            ("phone_home", "phone"),
            ("dateOfBirth", "birthdate"),
            ("DOB", "birthdate"),
            ("max_tokens", "none"),
            ("nextPageToken", "none"),
            ("refresh_token", "token"),
            ("card_last4", "credit card"),
            ("isVeteran", "veteran"),
            ("avatarUrl", "photo"),
            ("addressId", "none"),
            ("sexual_orientation", "sexual orientation"),
            ("orientation", "none"),
        ],
    );
}

#[test]
fn a_name_is_a_persons_unless_something_else_is_named() {
    check(
        Scope::Open,
        &[
            ("name", "name"),
            ("customer_name", "name"),
            ("firstName", "name"),
            ("lastname", "name"),
            ("event_name", "none"),
            ("productName", "none"),
            ("file name", "none"),
            ("hostname", "none"),
            ("provisioning_profile_name", "none"),
            ("numberpropertyname", "none"),
        ],
    );
    check(Scope::Thing, &[("name", "none"), ("customerName", "name"), ("condition", "none"), ("email", "email")]);
    check(Scope::Person, &[("name", "name"), ("state", "none")]);
    check(Scope::Address, &[("state", "address"), ("country", "address"), ("name", "name")]);
}

#[test]
fn lookalikes_are_reported_as_such() {
    let matchers = matchers();
    let found = matchers.name("\u{435}m\u{430}il").matched(&matchers, Scope::Open, Leaf::Text).expect("found");
    assert_eq!(found.by, By::Lookalike);
}

#[test]
fn truth_and_numbers_tell_only_some() {
    let matchers = matchers();
    let tells = |name: &str, leaf| matchers.name(name).matched(&matchers, Scope::Open, leaf).is_some();
    assert!(tells("veteran", Leaf::Truth));
    assert!(!tells("email", Leaf::Truth));
    assert!(!tells("email", Leaf::Number));
    assert!(tells("zip", Leaf::Number));
}

#[test]
fn a_key_may_look_like_a_value() {
    let matchers = matchers();
    let looks = matchers.name("ann@example.com").looks.map(|found| matchers.get(found.matcher).name.as_str());
    assert_eq!(looks, Some("email"));
    assert_eq!(matchers.name("email").looks, None);
}

#[test]
fn what_stands_under_a_name_too_long_to_split_counts_as_found() {
    let name = |bytes: usize| named(&"count_".repeat(50)[..bytes], Scope::Thing);
    assert_eq!((name(256), name(257).as_deref()), (None, Some("unread")));
}

#[test]
fn of_several_the_strictest_holds_in_any_order() {
    let matcher = |name: &str, risk, mask, level| Matcher { name: name.to_owned(), risk, mask, level };
    let custom =
        |matcher, text: &str| Custom::new(matcher, On::Value, Looking::Regex, &[text.to_owned()]).expect("a pattern");
    let matchers = Matchers::new(
        vec![
            custom(matcher("last", Risk::Yellow, Mask::Last4, 300), "^a"),
            custom(matcher("red", Risk::Red, Mask::Full, 200), "b"),
            custom(matcher("gone", Risk::Yellow, Mask::Drop, 100), "c$"),
        ],
        100,
    );
    let name = |index| matchers.get(index).name.as_str();
    let told = |found: Found| (name(found.matcher), name(found.highest), found.shows(), found.risk);
    let found = |text: &str| matchers.value(text.as_bytes(), false);
    assert_eq!(found("abc").map(told), Some(("red", "last", Mask::Drop, Risk::Red)));
    assert_eq!(found("ac").map(told), Some(("last", "last", Mask::Drop, Risk::Yellow)));
    assert_eq!(found("a").map(told), Some(("last", "last", Mask::Last4, Risk::Yellow)));
    assert_eq!(found("ad").map(told), Some(("last", "last", Mask::Full, Risk::Yellow)), "only a part");
    let (red, gone) = (found("b"), found("c"));
    for both in [matchers.join(red, gone), matchers.join(gone, red)] {
        assert_eq!(both.map(told), Some(("red", "red", Mask::Drop, Risk::Red)));
    }
    assert_eq!(matchers.within(gone, red).map(told), Some(("gone", "red", Mask::Drop, Risk::Red)));
    assert_eq!(matchers.join(red, None), red);
}
