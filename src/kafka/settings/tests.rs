use super::*;

fn wish(common: &[(&str, &str)]) -> Wish {
    let mut properties = Properties::from([("bootstrap.servers".to_owned(), "127.0.0.1:9".to_owned())]);
    properties.extend(common.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Wish { group: "g".into(), replication_factor: -1, common: properties, ..Wish::default() }
}

#[test]
fn every_property_that_breaks_a_guarantee_is_refused_wherever_it_stands() {
    for (name, reason) in REFUSED {
        let stray = Properties::from([((*name).to_owned(), "x".to_owned())]);
        let places: [Wish; 3] = [
            wish(&[(name, "x")]),
            Wish { consumer: stray.clone(), ..wish(&[]) },
            Wish { producer: stray, ..wish(&[]) },
        ];
        for place in places {
            let refused = SettingsError::Refused { name: (*name).to_owned(), reason };
            assert_eq!(Settings::new(place).expect_err(name), refused);
        }
    }
}

#[test]
fn numbers_stay_within_their_bounds() {
    let cases = [
        ("max.in.flight", "6"),
        ("max.in.flight.requests.per.connection", "6"),
        ("transaction.timeout.ms", "4999"),
        ("transaction.timeout.ms", "many"),
        ("message.timeout.ms", "15001"),
        ("message.timeout.ms", "0"),
        ("delivery.timeout.ms", "15001"),
        ("socket.timeout.ms", "15001"),
        ("max.poll.interval.ms", "59999"),
        ("max.poll.interval.ms", "060000"), // 24 seconds, for librdkafka
        ("max.in.flight", "+5"),
    ];
    for (name, value) in cases {
        match Settings::new(wish(&[(name, value)])) {
            Err(SettingsError::OutOfBounds { name: told, .. }) => assert_eq!(told, name),
            other => panic!("{name}={value}: {other:?}"),
        }
    }
}

#[test]
fn the_operators_properties_pass() {
    let mut wish = wish(&[("transaction.timeout.ms", "10000"), ("sasl.password", "hunter2")]);
    wish.consumer.insert("fetch.wait.max.ms".into(), "100".into());
    wish.producer.insert("linger.ms".into(), "5".into());
    wish.producer.insert("max.in.flight.requests.per.connection".into(), "2".into());
    wish.instance = Some("a".into());
    let settings = Settings::new(wish).expect("all are harmless");
    assert_eq!(settings.consumer(3).get("fetch.wait.max.ms"), Some("100"));
    assert_eq!(settings.consumer(3).get("group.instance.id"), Some("g.a.3"));
    assert_eq!(settings.consumer(3).get("partition.assignment.strategy"), Some("cooperative-sticky"));
    let producer = settings.producer("g.a.3", usize::MAX);
    assert_eq!(producer.get("linger.ms"), Some("5"));
    assert_eq!(producer.get("max.in.flight"), None);
    assert_eq!(producer.get("transaction.timeout.ms"), Some("10000"));
    assert_eq!(producer.get("socket.timeout.ms"), Some("10000"));
    assert_eq!(producer.get("fetch.wait.max.ms"), None);
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn no_batch_is_larger_than_the_topics_take() {
    let size = |operators: &[(&str, &str)], batch_bytes: usize| {
        let settings = Settings::new(wish(operators)).expect("all are harmless");
        settings.producer("g.a.3", batch_bytes).get("batch.size").map(str::to_owned)
    };
    assert_eq!(size(&[], usize::MAX).as_deref(), Some("1000000"));
    assert_eq!(size(&[], 3000).as_deref(), Some("3000"));
    assert_eq!(size(&[("batch.size", "2000")], 3000).as_deref(), Some("2000"));
    assert_eq!(size(&[("batch.size", "4000")], 3000).as_deref(), Some("3000"));
}

#[test]
fn no_record_is_larger_than_the_queue() {
    let largest = |operators: &[(&str, &str)]| {
        let settings = Settings::new(wish(operators)).expect("all are harmless");
        let told = settings.producer("g.a.3", usize::MAX).get("message.max.bytes").map(str::to_owned);
        (settings.message_max_bytes(), told.expect("it is set"))
    };
    assert_eq!(largest(&[]), (67_108_864, "67108864".to_owned()));
    assert_eq!(largest(&[("queue.buffering.max.kbytes", "100")]), (102_400, "102400".to_owned()));
    assert_eq!(largest(&[("queue.buffering.max.kbytes", "100"), ("message.max.bytes", "5000")]).0, 5_000);
}

#[test]
fn a_secret_is_never_shown() {
    for name in
        ["sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"]
    {
        assert!(is_secret(name), "{name}");
    }
    for name in ["bootstrap.servers", "sasl.username", "ssl.key.location", "ssl.ca.location"] {
        assert!(!is_secret(name), "{name}");
    }
    let error = Settings::new(wish(&[("ssl.key.passwort", "hunter2")])).expect_err("no such property");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = Settings::new(wish(&[("ssl.key.password", "hunter2\0")])).expect_err("a NUL");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn librdkafka_names_what_it_does_not_take() {
    let error = Settings::new(wish(&[("fetch.wait.max.msec", "1")])).expect_err("no such property");
    assert_eq!(
        error.to_string(),
        "fetch.wait.max.msec: librdkafka has no such property; did you mean \"fetch.wait.max.ms\"?"
    );
    let no_broker = Wish { common: Properties::new(), ..wish(&[]) };
    assert_eq!(Settings::new(no_broker).expect_err("no broker"), SettingsError::NoBroker);
}

#[test]
fn the_new_group_protocol_has_no_strategy() {
    let settings = Settings::new(wish(&[("group.protocol", "consumer")])).expect("allowed");
    assert_eq!(settings.consumer(0).get("partition.assignment.strategy"), None);
}
